#pragma once
// log, log2, log10, log1p: x = 2^e m with m in [sqrt(1/2), sqrt(2)), so that f = m - 1 is exact; log(1 + f) is f + f^2 p(f).

#include "passes/math/expansion.h"

namespace heddle::passes::math {

/// x = 2^exponent m, for finite x > 0, also subnormal ones where they are not flushed; f = m - 1.
template <class C> struct Split {
    typename C::F exponent;
    typename C::F f;
};
template <class C> Split<C> split_at_one(C& c, typename C::F x, Interval range) {
    using F = Format<C>;
    const std::int64_t half_bits = C::is_f64 ? 0x3fe6a09e667f3bcd : 0x3f3504f3; // of sqrt(1/2)
    const std::int64_t scaled_bits = half_bits + (std::int64_t{F::fraction_bits} << F::fraction_bits);
    typename C::I root_half = c.i(half_bits), subtracted = root_half;
    if (!(range.low >= F::smallest_normal) && !c.flushes_subnormals()) {
        typename C::M small = x < c.f(F::smallest_normal);
        x = c.select(small, x * c.f(C::is_f64 ? 0x1p52 : 0x1p23), x);
        subtracted = c.select(small, c.i(scaled_bits), root_half);
    }
    typename C::I above = c.bits(x) - subtracted;
    typename C::F exponent = c.to_float(above >> F::fraction_bits);
    typename C::I mask = c.i((std::int64_t{1} << F::fraction_bits) - 1);
    typename C::F m = c.from_bits((above & mask) + root_half);
    return {exponent, m - c.f(1)};
}

/// p with log(1 + f) = f + f^2 p(f) on [sqrt(1/2) - 1, sqrt(2) - 1].
template <class C> typename C::F log1p_tail(C& c, typename C::F f) {
    if (c.half_precision()) return polynomial(c, f, k::log_short);
    return polynomial(c, f, pick<C>(k::log_f32, k::log_f64));
}

/// Result of a logarithm for zero, negative, infinite and NaN arguments; elsewhere `usual`.
template <class C> typename C::F with_log_limits(C& c, typename C::F x, typename C::F usual, Interval range) {
    using F = Format<C>;
    if (!(range.high <= F::largest)) usual = c.select(x < c.f(F::infinity), usual, x);
    if (range.low > 0) return usual;
    return c.select(is_positive(c, x), usual, c.select(is_zero(c, x), c.f(-F::infinity), c.f(F::nan)));
}

/// exponent ln 2 + log(1 + f). The exponent times the high part of ln 2 is exact.
template <class C> typename C::F log_of_split(C& c, const Split<C>& s) {
    typename C::F square = s.f * s.f, tail = log1p_tail(c, s.f);
    if (c.half_precision())
        return multiply_add(c, s.exponent, c.f(0.69314718055994531), multiply_add(c, square, tail, s.f));
    constexpr double high = pick<C>(0.693145751953125, 0.693147180559208209);
    constexpr double low = pick<C>(1.42860676533018704e-06, 7.3710025651677989e-13);
    typename C::F small = multiply_add(c, square, tail, s.exponent * c.f(low));
    return multiply_add(c, s.exponent, c.f(high), small + s.f);
}

template <class C> typename C::F log(C& c, typename C::F x, Interval range = {}) {
    return with_log_limits(c, x, log_of_split(c, split_at_one(c, x, range)), range);
}

/// exponent + (f + f p(f)): f itself is the largest part of log2(1 + f), and exact.
template <class C> typename C::F log2(C& c, typename C::F x, Interval range = {}) {
    Split<C> s = split_at_one(c, x, range);
    typename C::F p = c.half_precision() ? polynomial(c, s.f, k::log2_short)
                                         : polynomial(c, s.f, pick<C>(k::log2_f32, k::log2_f64));
    return with_log_limits(c, x, s.exponent + multiply_add(c, s.f, p, s.f), range);
}

template <class C> typename C::F log10(C& c, typename C::F x, Interval range = {}) {
    Split<C> s = split_at_one(c, x, range);
    typename C::F p = c.half_precision() ? polynomial(c, s.f, k::log10_short)
                                         : polynomial(c, s.f, pick<C>(k::log10_f32, k::log10_f64));
    typename C::F small =
        multiply_add(c, s.f, p, s.exponent * c.f(pick<C>(4.605039067e-6, 3.69423907715893079e-13)));
    return with_log_limits(
        c, x, multiply_add(c, s.exponent, c.f(pick<C>(0.301025390625, 0.301029995663611771)), small), range);
}

/// 1 + x = 2^e (1 + f) with f = 2^-e x + (2^-e - 1), which rounds once at most: nothing of a small x is lost.
template <class C> Split<C> split_one_plus(C& c, typename C::F x) {
    using F = Format<C>;
    typename C::I root_half = c.i(C::is_f64 ? 0x3fe6a09e667f3bcd : 0x3f3504f3);
    typename C::I above = c.bits(c.f(1) + x) - root_half;
    typename C::I exponent = above >> F::fraction_bits;
    typename C::F scale = c.from_bits((c.i(F::bias) - exponent) << F::fraction_bits);
    typename C::F f = multiply_add(c, scale, x, scale - c.f(1));
    // Far above 1, where 2^-e may be subnormal, 1 + x is x.
    typename C::I mask = c.i((std::int64_t{1} << F::fraction_bits) - 1);
    typename C::F far = c.from_bits((above & mask) + root_half) - c.f(1);
    return {c.to_float(exponent), c.select(x < c.f(C::is_f64 ? 0x1p60 : 0x1p30), f, far)};
}

/// log(1 + x) for finite x > -1, up to the sign of a zero.
template <class C> typename C::F log1p_inside(C& c, typename C::F x) {
    return log_of_split(c, split_one_plus(c, x));
}

template <class C> typename C::F log1p(C& c, typename C::F x) {
    using F = Format<C>;
    typename C::F y = c.select(x < c.f(F::infinity), log1p_inside(c, x), x);
    y = c.select(c.abs(x) < c.f(C::is_f64 ? 0x1p-54 : 0x1p-25), x, y);
    return c.select(x > c.f(-1), y, c.select(x == c.f(-1), c.f(-F::infinity), c.f(F::nan)));
}

} // namespace heddle::passes::math
