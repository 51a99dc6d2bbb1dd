#pragma once
// Element types of arrays. One enumeration serves the public API, both levels of the IR and the runtime.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace heddle {

/// Element type. `index` occurs only inside kernels (the width of an address computation is the target's choice).
enum class Dtype : std::uint8_t { boolean, i8, i16, i32, i64, u8, u16, u32, u64, f16, bf16, f32, f64, index };

inline constexpr int dtype_count = 14;

/// Size of one element in memory, in bytes. A `boolean` takes one byte, 0 or 1; an `index` counts as eight.
constexpr std::size_t size_of(Dtype dtype) {
    switch (dtype) {
    case Dtype::boolean:
    case Dtype::i8:
    case Dtype::u8: return 1;
    case Dtype::i16:
    case Dtype::u16:
    case Dtype::f16:
    case Dtype::bf16: return 2;
    case Dtype::i32:
    case Dtype::u32:
    case Dtype::f32: return 4;
    case Dtype::i64:
    case Dtype::u64:
    case Dtype::f64:
    case Dtype::index: return 8;
    }
    return 0;
}

constexpr bool is_float(Dtype dtype) { return dtype >= Dtype::f16 && dtype <= Dtype::f64; }
constexpr bool is_signed_integer(Dtype dtype) { return dtype >= Dtype::i8 && dtype <= Dtype::i64; }
constexpr bool is_unsigned_integer(Dtype dtype) { return dtype >= Dtype::u8 && dtype <= Dtype::u64; }
constexpr bool is_integer(Dtype dtype) {
    return is_signed_integer(dtype) || is_unsigned_integer(dtype) || dtype == Dtype::index;
}

/// The name in the text form and in messages: "bool", "i8", ..., "bf16", "f32", "f64", "index".
constexpr std::string_view name_of(Dtype dtype) {
    constexpr std::string_view names[dtype_count] = {"bool", "i8",  "i16", "i32",  "i64", "u8",  "u16",
                                                     "u32",  "u64", "f16", "bf16", "f32", "f64", "index"};
    return names[static_cast<int>(dtype)];
}

} // namespace heddle
