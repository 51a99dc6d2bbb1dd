#include "support/numeric.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace heddle {
namespace {

/// Rounds a double to a 16-bit float of `mantissa` explicit bits, with exponent bias `bias`.
u16 narrow(double value, int mantissa, int bias) {
    const u64 bits = std::bit_cast<u64>(value);
    const u16 sign = static_cast<u16>(bits >> 48 & 0x8000);
    const u16 infinity = static_cast<u16>((0x7FFF >> mantissa) << mantissa);
    if (std::isnan(value)) return static_cast<u16>(sign | infinity | 1 << (mantissa - 1));
    const double magnitude = std::fabs(value);
    if (magnitude == 0) return sign;
    if (std::isinf(magnitude)) return static_cast<u16>(sign | infinity);
    int exponent = 0;
    std::frexp(magnitude, &exponent); // magnitude in [2^(exponent-1), 2^exponent)
    const int lowest = 1 - bias;      // exponent of the smallest normal number
    const int scale = std::max(exponent - 1, lowest) - mantissa;
    const double steps =
        std::nearbyint(std::ldexp(magnitude, -scale)); // units in the last place, ties to even
    const double limit = std::ldexp(2.0, mantissa);
    int biased = std::max(exponent - 1, lowest) + bias;
    u32 field = static_cast<u32>(steps);
    if (steps >= limit) { // rounded up to the next power of two
        field >>= 1;
        ++biased;
    }
    if (field < (1u << mantissa)) return static_cast<u16>(sign | field); // subnormal
    if (biased >= 2 * bias + 1) return static_cast<u16>(sign | infinity);
    return static_cast<u16>(sign | biased << mantissa | (field & ((1u << mantissa) - 1)));
}

double widen(u16 bits, int mantissa, int bias) {
    const double sign = bits & 0x8000 ? -1.0 : 1.0;
    const int field = bits & ((1 << mantissa) - 1);
    const int exponent = (bits & 0x7FFF) >> mantissa;
    if (exponent == 2 * bias + 1)
        return field ? std::copysign(std::numeric_limits<double>::quiet_NaN(), sign) : sign * INFINITY;
    if (exponent == 0) return sign * std::ldexp(field, 1 - bias - mantissa);
    return sign * std::ldexp(field + (1 << mantissa), exponent - bias - mantissa);
}

template <class T> u64 saturate(double value) {
    if (std::isnan(value)) return 0;
    const double low = static_cast<double>(std::numeric_limits<T>::min());
    const double high = std::ldexp(1.0, std::numeric_limits<T>::digits); // the first value above the range
    T result;
    if (value < low)
        result = std::numeric_limits<T>::min();
    else if (value >= high)
        result = std::numeric_limits<T>::max();
    else
        result = static_cast<T>(value);
    return static_cast<u64>(result) & (sizeof(T) == 8 ? ~u64{0} : (u64{1} << (sizeof(T) * 8 % 64)) - 1);
}

} // namespace

u16 f16_bits(double value) { return narrow(value, 10, 15); }
u16 bf16_bits(double value) { return narrow(value, 7, 127); }
double f16_value(u16 bits) { return widen(bits, 10, 15); }
double bf16_value(u16 bits) { return widen(bits, 7, 127); }

u64 bits_of(Dtype dtype, double value) {
    switch (dtype) {
    case Dtype::boolean: return value != 0;
    case Dtype::i8: return saturate<i8>(value);
    case Dtype::i16: return saturate<i16>(value);
    case Dtype::i32: return saturate<i32>(value);
    case Dtype::i64:
    case Dtype::index: return saturate<i64>(value);
    case Dtype::u8: return saturate<u8>(value);
    case Dtype::u16: return saturate<u16>(value);
    case Dtype::u32: return saturate<u32>(value);
    case Dtype::u64: return saturate<u64>(value);
    case Dtype::f16: return f16_bits(value);
    case Dtype::bf16: return bf16_bits(value);
    case Dtype::f32: return std::bit_cast<u32>(static_cast<float>(value));
    case Dtype::f64: return std::bit_cast<u64>(value);
    }
    return 0;
}

u64 bits_of(Dtype dtype, i64 value) {
    if (dtype == Dtype::boolean) return value != 0;
    if (dtype == Dtype::f32) return std::bit_cast<u32>(static_cast<float>(value));
    if (dtype == Dtype::f16 || dtype == Dtype::bf16) {
        // Beyond 2^53 a double would round first; both formats are then far above a tie, so a sticky bit keeps it right.
        const bool wide = value > (i64{1} << 53) || value < -(i64{1} << 53);
        return bits_of(
            dtype, static_cast<double>(wide ? (value & ~i64{1023}) | 1024 * ((value & 1023) != 0) : value));
    }
    if (dtype == Dtype::f64) return std::bit_cast<u64>(static_cast<double>(value));
    const std::size_t width = size_of(dtype) * 8;
    return width == 64 ? static_cast<u64>(value) : static_cast<u64>(value) & ((u64{1} << width) - 1);
}

double value_of(Dtype dtype, u64 bits) {
    switch (dtype) {
    case Dtype::f16: return f16_value(static_cast<u16>(bits));
    case Dtype::bf16: return bf16_value(static_cast<u16>(bits));
    case Dtype::f32: return std::bit_cast<float>(static_cast<u32>(bits));
    case Dtype::f64: return std::bit_cast<double>(bits);
    case Dtype::u64: return static_cast<double>(bits);
    case Dtype::boolean:
    case Dtype::i8:
    case Dtype::i16:
    case Dtype::i32:
    case Dtype::i64:
    case Dtype::u8:
    case Dtype::u16:
    case Dtype::u32:
    case Dtype::index: return static_cast<double>(integer_of(dtype, bits));
    }
    return 0;
}

i64 integer_of(Dtype dtype, u64 bits) {
    switch (dtype) {
    case Dtype::i8: return static_cast<i8>(bits);
    case Dtype::i16: return static_cast<i16>(bits);
    case Dtype::i32: return static_cast<i32>(bits);
    case Dtype::boolean:
    case Dtype::u8: return static_cast<u8>(bits);
    case Dtype::u16: return static_cast<u16>(bits);
    case Dtype::u32: return static_cast<u32>(bits);
    case Dtype::i64:
    case Dtype::u64:
    case Dtype::index: return static_cast<i64>(bits);
    case Dtype::f16:
    case Dtype::bf16:
    case Dtype::f32:
    case Dtype::f64: return static_cast<i64>(value_of(dtype, bits));
    }
    return 0;
}

u64 load_bits(Dtype dtype, const void* element) {
    u64 bits = 0;
    std::memcpy(&bits, element, size_of(dtype));
    return bits;
}

void store_bits(Dtype dtype, void* element, u64 bits) { std::memcpy(element, &bits, size_of(dtype)); }

u64 lowest_bits(Dtype dtype) {
    if (is_float(dtype)) return bits_of(dtype, -INFINITY);
    if (is_signed_integer(dtype) || dtype == Dtype::index) return u64{1} << (size_of(dtype) * 8 - 1);
    return 0;
}

u64 highest_bits(Dtype dtype) {
    if (is_float(dtype)) return bits_of(dtype, static_cast<double>(INFINITY));
    if (dtype == Dtype::boolean) return 1;
    const std::size_t width = size_of(dtype) * 8;
    const u64 ones = width == 64 ? ~u64{0} : (u64{1} << width) - 1;
    return is_unsigned_integer(dtype) ? ones : ones >> 1;
}

} // namespace heddle
