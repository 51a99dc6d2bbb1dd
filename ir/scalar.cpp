#include "ir/scalar.h"

#include "support/numeric.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace heddle::ir {
namespace {

template <class T> T truncated_divide(T a, T b) {
    if (b == 0) return 0;
    if (std::is_signed_v<T> && b == T(-1)) return static_cast<T>(u64{0} - static_cast<u64>(a));
    return a / b;
}

template <class T> T truncated_remainder(T a, T b) {
    if (b == 0 || (std::is_signed_v<T> && b == T(-1))) return 0;
    return a % b;
}

template <class T> T floor_divide(T a, T b) {
    const T quotient = truncated_divide(a, b);
    if constexpr (std::is_signed_v<T>) {
        const T rest = truncated_remainder(a, b);
        if (rest != 0 && (rest < 0) != (b < 0)) return quotient - 1;
    }
    return quotient;
}

template <class T> T floor_remainder(T a, T b) {
    const T rest = truncated_remainder(a, b);
    if constexpr (std::is_signed_v<T>)
        if (rest != 0 && (rest < 0) != (b < 0)) return rest + b;
    return rest;
}

template <class T> T integer_power(T base, T exponent) {
    if constexpr (std::is_signed_v<T>) {
        if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 == 0 ? 1 : -1) : 0;
    }
    u64 result = 1, square = static_cast<u64>(base);
    for (u64 left = static_cast<u64>(exponent); left != 0; left >>= 1, square *= square)
        if (left & 1) result *= square;
    return static_cast<T>(result);
}

template <class T> T shift_left(T a, T b, u32 bits) {
    return b < T(0) || static_cast<u64>(b) >= bits
               ? T(0)
               : static_cast<T>(static_cast<u64>(a) << static_cast<u64>(b));
}

template <class T> T shift_right(T a, T b, u32 bits) {
    if (b < T(0) || static_cast<u64>(b) >= bits) return a < T(0) ? T(-1) : T(0);
    return static_cast<T>(a >> static_cast<u64>(b));
}

double floor_remainder(double a, double b) {
    double rest = std::fmod(a, b);
    if (rest == 0) return std::copysign(0.0, b);
    if ((rest < 0) != (b < 0)) rest += b;
    return rest;
}

double floor_quotient(double a, double b) {
    if (b == 0) return a / b;
    if (std::isinf(a)) return NAN;
    const double rest = std::fmod(a, b);
    const double quotient = (a - rest) / b - ((rest != 0 && (rest < 0) != (b < 0)) ? 1 : 0);
    if (quotient == 0) return std::copysign(0.0, a / b);
    const double nearest = std::floor(quotient);
    return quotient - nearest > 0.5 ? nearest + 1 : nearest;
}

double nan_minimum(double a, double b) { return std::isnan(a) || std::isnan(b) ? NAN : std::min(a, b); }
double nan_maximum(double a, double b) { return std::isnan(a) || std::isnan(b) ? NAN : std::max(a, b); }
double sign_of(double a) { return std::isnan(a) || a == 0 ? a : std::copysign(1.0, a); }

/// Newton's method on erf, from a first guess by the tail's asymptote. Good to double precision.
double inverse_erf(double y) {
    if (!(std::fabs(y) <= 1)) return NAN;
    if (std::fabs(y) == 1) return std::copysign(INFINITY, y);
    if (y == 0) return y;
    const double log_tail = std::log((1 - y) * (1 + y));
    const double middle = 2 / (M_PI * 0.147) + log_tail / 2;
    double x = std::copysign(std::sqrt(std::sqrt(middle * middle - log_tail / 0.147) - middle), y);
    for (int round = 0; round < 4; ++round) {
        // Near 1 the error is taken from erfc, which keeps its digits there.
        const double error = std::fabs(y) > 0.5
                                 ? std::copysign(1.0, y) * ((1 - std::fabs(y)) - std::erfc(std::fabs(x)))
                                 : std::erf(x) - y;
        const double step = error * std::sqrt(M_PI) / 2 * std::exp(x * x);
        x -= step / (1 + x * step);
    }
    return x;
}

double evaluate_float(Op op, double a, double b, double c, bool& defined) {
    switch (op) {
#define OP(id, text, arity, kind, domain, traits)                                                            \
    break;                                                                                                   \
    case Op::id:
#define FLOAT(...) return static_cast<double>(__VA_ARGS__);
#include "ir/ops.def"
        break;
    }
    defined = false;
    return 0;
}

template <class T> T evaluate_integer(Op op, T a, T b, T c, u32 bits, bool& defined) {
    [[maybe_unused]] const u64 mask = bits == 64 ? ~u64{0} : (u64{1} << bits) - 1;
    switch (op) {
#define OP(id, text, arity, kind, domain, traits)                                                            \
    break;                                                                                                   \
    case Op::id:
#define INT(...) return static_cast<T>(__VA_ARGS__);
#include "ir/ops.def"
        break;
    }
    defined = false;
    return 0;
}

} // namespace

Scalar scalar_of(Dtype dtype, u64 bits) {
    if (!is_float(dtype)) return {0, integer_of(dtype, bits)};
    // A double does not hold every NaN of the other formats.
    const double value = value_of(dtype, bits);
    return {value, std::isnan(value) ? static_cast<i64>(bits) : 0};
}

u64 bits_of(Dtype dtype, Scalar value) {
    if (is_float(dtype) && std::isnan(value.real) && value.whole != 0) return static_cast<u64>(value.whole);
    return is_float(dtype) ? heddle::bits_of(dtype, value.real) : heddle::bits_of(dtype, value.whole);
}

Scalar rounded(Dtype dtype, Scalar value) {
    if (dtype == Dtype::f64) return value;
    if (is_float(dtype)) return {static_cast<double>(static_cast<float>(value.real)), 0};
    return {0, integer_of(dtype, heddle::bits_of(dtype, value.whole))};
}

std::optional<Scalar> evaluate(Op op, Dtype dtype, Scalar a, Scalar b, Scalar c) {
    const bool predicate = info(op).kind == OpKind::predicate;
    if (op == Op::select) return a.whole != 0 ? b : c;
    bool defined = true;
    // Rounded in double first, a sum just beside the middle of two floats would end on the wrong one.
    if (op == Op::fma && dtype != Dtype::f64)
        return Scalar{
            std::fma(static_cast<float>(a.real), static_cast<float>(b.real), static_cast<float>(c.real)), 0};
    if (is_float(dtype)) {
        const double value = evaluate_float(op, a.real, b.real, c.real, defined);
        if (!defined) return std::nullopt;
        return predicate ? Scalar{0, value != 0} : rounded(dtype, {value, 0});
    }
    const u32 bits = dtype == Dtype::boolean ? 1 : static_cast<u32>(size_of(dtype) * 8);
    // Sums, differences and products wrap alike for both signs, and only unsigned ones may overflow in C++.
    const bool wraps = op == Op::add || op == Op::sub || op == Op::mul || op == Op::neg;
    const bool is_signed = is_signed_integer(dtype) || dtype == Dtype::index;
    i64 whole = 0;
    if (op == Op::abs && is_signed) {
        whole = a.whole < 0 ? static_cast<i64>(u64{0} - static_cast<u64>(a.whole)) : a.whole;
    } else if (is_signed && !wraps) {
        whole = evaluate_integer<i64>(op, a.whole, b.whole, c.whole, bits, defined);
    } else {
        whole =
            static_cast<i64>(evaluate_integer<u64>(op, static_cast<u64>(a.whole), static_cast<u64>(b.whole),
                                                   static_cast<u64>(c.whole), bits, defined));
    }
    if (!defined) return std::nullopt;
    if (predicate) return Scalar{0, whole != 0};
    if (dtype == Dtype::boolean) return Scalar{0, whole & 1};
    return rounded(dtype, {0, whole});
}

Scalar convert(Dtype from, Dtype to, Scalar value) {
    if (is_float(from)) return scalar_of(to, heddle::bits_of(to, value.real));
    if (from == Dtype::u64 && value.whole < 0 && is_float(to)) {
        // Above 2^63: halved with a sticky bit, so that the one rounding is right.
        const u64 bits = static_cast<u64>(value.whole);
        const i64 half = static_cast<i64>(bits >> 1 | (bits & 1));
        return to == Dtype::f64 ? Scalar{static_cast<double>(half) * 2, 0}
                                : Scalar{value_of(to, heddle::bits_of(to, half)) * 2, 0};
    }
    return scalar_of(to, heddle::bits_of(to, value.whole));
}

} // namespace heddle::ir
