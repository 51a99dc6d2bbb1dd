#include "ir/literal.h"

#include "support/numeric.h"

#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <system_error>

namespace heddle::ir {
namespace {

std::string shortest(Dtype dtype, u64 bits) {
    char buffer[40];
    if (dtype == Dtype::f64)
        return {buffer, std::to_chars(buffer, std::end(buffer), std::bit_cast<double>(bits)).ptr};
    if (dtype == Dtype::f32)
        return {buffer,
                std::to_chars(buffer, std::end(buffer), std::bit_cast<float>(static_cast<u32>(bits))).ptr};
    const double value = value_of(dtype, bits);
    for (int digits = 1; digits < 17; ++digits) {
        const char* end =
            std::to_chars(buffer, std::end(buffer), value, std::chars_format::general, digits).ptr;
        double back = 0;
        std::from_chars(buffer, end, back);
        if (bits_of(dtype, back) == bits) return {buffer, std::to_chars(buffer, std::end(buffer), back).ptr};
    }
    return fmt::format("{}", value);
}

std::string float_text(Dtype dtype, u64 bits) {
    const double value = value_of(dtype, bits);
    if (std::isnan(value)) {
        if (bits == bits_of(dtype, std::numeric_limits<double>::quiet_NaN())) return "nan";
        return fmt::format("bits(0x{:0{}x})", bits, size_of(dtype) * 2);
    }
    if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
    std::string text = shortest(dtype, bits);
    return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

std::optional<u64> hexadecimal(Dtype dtype, std::string_view digits) {
    u64 bits = 0;
    const char* end = digits.data() + digits.size();
    const auto read = std::from_chars(digits.data(), end, bits, 16);
    if (read.ec != std::errc{} || read.ptr != end) return std::nullopt;
    const std::size_t width = size_of(dtype) * 8;
    if (width < 64 && bits >> width != 0) return std::nullopt;
    if (dtype == Dtype::boolean && bits > 1) return std::nullopt;
    return bits;
}

std::optional<u64> integer_bits(Dtype dtype, const Literal& literal) {
    u64 magnitude = 0;
    const char* end = literal.digits.data() + literal.digits.size();
    const auto read = std::from_chars(literal.digits.data(), end, magnitude);
    if (read.ec != std::errc{} || read.ptr != end) return std::nullopt;
    const std::size_t width = size_of(dtype) * 8;
    const u64 ones = width == 64 ? ~u64{0} : (u64{1} << width) - 1;
    const u64 highest = is_unsigned_integer(dtype) ? ones : ones >> 1;
    if (!literal.negative) return magnitude <= highest ? std::optional(magnitude) : std::nullopt;
    if (magnitude > (is_unsigned_integer(dtype) ? 0 : highest + 1)) return std::nullopt;
    return (u64{0} - magnitude) & ones;
}

template <class T> std::optional<T> number(std::string_view digits) {
    T value{};
    const char* end = digits.data() + digits.size();
    const auto read = std::from_chars(digits.data(), end, value);
    if (read.ec != std::errc{} || read.ptr != end) return std::nullopt;
    return value;
}

std::optional<u64> float_bits(Dtype dtype, const Literal& literal) {
    const bool is_infinity = literal.digits == "inf", is_nan = literal.digits == "nan";
    if (is_nan && literal.negative) return std::nullopt;
    double value = 0;
    if (is_infinity) {
        value = std::numeric_limits<double>::infinity();
    } else if (is_nan) {
        value = std::numeric_limits<double>::quiet_NaN();
    } else if (dtype == Dtype::f32) {
        const auto narrow = number<float>(literal.digits);
        if (!narrow) return std::nullopt;
        value = *narrow;
    } else {
        const auto wide = number<double>(literal.digits);
        if (!wide) return std::nullopt;
        value = *wide;
    }
    const u64 bits = bits_of(dtype, literal.negative ? -value : value);
    if (!is_infinity && std::isinf(value_of(dtype, bits))) return std::nullopt;
    return bits;
}

} // namespace

std::string literal_text(Dtype dtype, u64 bits) {
    if (dtype == Dtype::boolean) return bits ? "true" : "false";
    if (is_float(dtype)) return float_text(dtype, bits);
    if (is_unsigned_integer(dtype)) return fmt::format("{}", bits);
    return fmt::format("{}", integer_of(dtype, bits));
}

std::optional<u64> literal_bits(Dtype dtype, const Literal& literal) {
    if (literal.is_bits) return hexadecimal(dtype, literal.digits);
    if (dtype == Dtype::boolean) {
        if (literal.negative || (literal.digits != "true" && literal.digits != "false")) return std::nullopt;
        return literal.digits == "true";
    }
    return is_float(dtype) ? float_bits(dtype, literal) : integer_bits(dtype, literal);
}

} // namespace heddle::ir
