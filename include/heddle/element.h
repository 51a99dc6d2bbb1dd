#pragma once
// Which C++ types are elements of arrays, and their dtype. 16-bit floats are storage: they hold bits and convert to float.

#include <heddle/dtype.h>

#include <cstdint>
#include <type_traits>

namespace heddle {

/// IEEE binary16 as it lies in memory; converted with round to nearest even.
struct Float16 {
    std::uint16_t bits = 0;
    Float16() = default;
    explicit Float16(float value);
    explicit operator float() const;
    bool operator==(const Float16&) const = default;
};

/// The upper half of a float; converted with round to nearest even.
struct BFloat16 {
    std::uint16_t bits = 0;
    BFloat16() = default;
    explicit BFloat16(float value);
    explicit operator float() const;
    bool operator==(const BFloat16&) const = default;
};

namespace detail {

template <class T> consteval int dtype_number() {
    if constexpr (std::is_same_v<T, bool>)
        return static_cast<int>(Dtype::boolean);
    else if constexpr (std::is_same_v<T, Float16>)
        return static_cast<int>(Dtype::f16);
    else if constexpr (std::is_same_v<T, BFloat16>)
        return static_cast<int>(Dtype::bf16);
    else if constexpr (std::is_same_v<T, float>)
        return static_cast<int>(Dtype::f32);
    else if constexpr (std::is_same_v<T, double>)
        return static_cast<int>(Dtype::f64);
    else if constexpr (std::is_integral_v<T> && sizeof(T) <= 8) {
        constexpr int log2_size = sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3;
        return static_cast<int>(std::is_signed_v<T> ? Dtype::i8 : Dtype::u8) + log2_size;
    } else
        return -1;
}

} // namespace detail

/// A C++ type that an array can hold: bool, integers, Float16, BFloat16, float, double.
template <class T>
concept Element = detail::dtype_number<T>() >= 0;

template <Element T> inline constexpr Dtype dtype_of = static_cast<Dtype>(detail::dtype_number<T>());

/// Numbers that may stand where an array is expected.
template <class T>
concept Number = std::is_arithmetic_v<T> && sizeof(T) <= 8;

} // namespace heddle
