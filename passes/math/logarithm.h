#pragma once
// log, log2, log10, log1p: x = 2^e m with m in [sqrt(1/2), sqrt(2)), so that f = m - 1 is exact; log(1 + f) is f + f^2 p(f).

#include "passes/math/expansion.h"

namespace heddle::passes::math {

/// x = 2^exponent m, for finite x > 0, subnormal ones too; f = m - 1.
template <class C> struct Split {
    typename C::F exponent;
    typename C::F f;
};
template <class C> Split<C> split_at_one(C& c, typename C::F x, Interval range) {
    using F = Format<C>;
    bool subnormal = !(range.low >= F::smallest_normal);
    typename C::M small = x < c.f(F::smallest_normal);
    if (subnormal) x = c.select(small, x * c.f(C::is_f64 ? 0x1p52 : 0x1p23), x);
    typename C::I root_half = c.i(C::is_f64 ? 0x3fe6a09e667f3bcd : 0x3f3504f3);
    typename C::I above = c.bits(x) - root_half;
    typename C::F exponent = c.to_float(above >> F::fraction_bits);
    if (subnormal) exponent = c.select(small, exponent - c.f(F::fraction_bits), exponent);
    typename C::I mask = c.i((std::int64_t{1} << F::fraction_bits) - 1);
    typename C::F m = c.from_bits((above & mask) + root_half);
    return {exponent, m - c.f(1)};
}

/// p with log(1 + f) = f + f^2 p(f) on [sqrt(1/2) - 1, sqrt(2) - 1].
template <class C> typename C::F log1p_tail(C& c, typename C::F f) {
    if (c.half_precision()) // log_short
        return polynomial(c, f, {-0.499917388, 0.332740396, -0.253880024, 0.219280645, -0.142159343});
    if constexpr (C::is_f64)
        return polynomial(c, f, {-0.5, 0.33333333333333333});
    else // log_f32
        return polynomial(c, f,
                          {-0.5, 0.333333313, -0.250008196, 0.200012416, -0.166234106, 0.142015845,
                           -0.131595969, 0.127621621, -0.0763639659});
}

/// Result of a logarithm for zero, negative, infinite and NaN arguments; elsewhere `usual`.
template <class C> typename C::F with_log_limits(C& c, typename C::F x, typename C::F usual, Interval range) {
    using F = Format<C>;
    if (!(range.high <= F::largest)) usual = c.select(x < c.f(F::infinity), usual, x);
    if (range.low > 0) return usual;
    return c.select(x > c.f(0), usual, c.select(x == c.f(0), c.f(-F::infinity), c.f(F::nan)));
}

template <class C> typename C::F log(C& c, typename C::F x, Interval range = {}) {
    Split<C> s = split_at_one(c, x, range);
    typename C::F square = s.f * s.f, tail = log1p_tail(c, s.f), result = tail;
    if (c.half_precision()) {
        result = multiply_add(c, square, tail, s.f);
        result = multiply_add(c, s.exponent, c.f(0.69314718055994531), result);
    } else { // exponent times the high part of ln 2 is exact
        result = multiply_add(
            c, square, tail, s.exponent * c.f(C::is_f64 ? 5.49792301870837114e-14 : 1.42860676533018704e-06));
        result = result + s.f;
        result =
            multiply_add(c, s.exponent, c.f(C::is_f64 ? 0.693147180559890330187 : 0.693145751953125), result);
    }
    return with_log_limits(c, x, result, range);
}

} // namespace heddle::passes::math
