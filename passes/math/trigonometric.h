#pragma once
// sin, cos, tan: x = (n [+ 1/2]) pi + r with |r| <= pi / 2 (tan: n pi / 2, pi / 4), then an odd polynomial in r and the sign of
// n's parity. Angles up to a limit are reduced by products with parts of pi; larger ones are rare and go to large_angle.h.

#include "passes/math/large_angle.h"

namespace heddle::passes::math {

constexpr double inverse_pi = 0.31830988618379067;

/// |x| up to which subtract_pi is accurate.
template <class C> double reduced_limit(C& c) {
    return c.fused_fma() ? pick<C>(0x1p15, 0x1p30) : pick<C>(0x1p13, 0x1p26);
}

/// pi in parts, all positive: three of full precision, or four short ones, whose products with n are exact, and the rest.
inline constexpr double pi_parts_f32[] = {3.141592503, 1.509957883e-07, 1.078060506e-14};
inline constexpr double pi_parts_f64[] = {3.14159265358979312, 1.22464679914735296e-16,
                                          2.16571334784382783e-32};
inline constexpr double pi_short_f32[] = {3.140625, 0.00096750259, 1.50990672e-07, 5.12656584e-12,
                                          1.22464685e-16};
inline constexpr double pi_short_f64[] = {3.14159262180328369, 3.17865094245917135e-8,
                                          1.22464678641071885e-16, 1.27366341104505655e-24,
                                          2.16571334784382806e-32};

/// x - n pi scale (scale 1 or 1/2). All is subtracted, so that of -0 stays -0.
template <class C> Remainder<C> subtract_pi(C& c, typename C::F x, typename C::F n, double scale = 1) {
    if (c.fused_fma()) {
        const auto& pi = pick<C>(pi_parts_f32, pi_parts_f64);
        typename C::F part = c.f(pi[1] * scale);
        typename C::F first = c.fma(n, c.f(-pi[0] * scale), x);
        typename C::F product = n * part, r = first - product;
        typename C::F over = (product - (first - r)) + c.fma(n, part, -product);
        return {r, c.fma(n, c.f(pi[2] * scale), over)};
    }
    const auto& pi = pick<C>(pi_short_f32, pi_short_f64);
    typename C::F second = x - n * c.f(pi[0] * scale) - n * c.f(pi[1] * scale);
    typename C::F third = n * c.f(pi[2] * scale), r = second - third;
    typename C::F over = third - (second - r);
    return {r, over + (n * c.f(pi[3] * scale) + n * c.f(pi[4] * scale))};
}

/// The same rounded to one number.
template <class C> typename C::F subtract_pi_rounded(C& c, typename C::F x, typename C::F n) {
    if (c.fused_fma()) {
        const auto& pi = pick<C>(pi_parts_f32, pi_parts_f64);
        typename C::F r = c.fma(n, c.f(-pi[1]), c.fma(n, c.f(-pi[0]), x));
        return c.fma(n, c.f(-pi[2]), r);
    }
    Remainder<C> remainder = subtract_pi(c, x, n);
    return remainder.r - remainder.over;
}

/// sin r for |r| <= pi / 2.
template <class C> typename C::F sin_of_remainder(C& c, typename C::F r) {
    typename C::F s = r * r;
    if (c.half_precision()) return multiply_add(c, s * r, polynomial(c, s, k::sin_short), r);
    if constexpr (C::is_f64) return multiply_add(c, s * r, polynomial(c, s, k::sin_f64), r);
    // With fma the second coefficient is one unit lower. This, and the order of the factors, is what rounding near pi / 2 errs least
    // with, by trial.
    constexpr double lower[] = {k::sin_f32[0], 0.0083333496, k::sin_f32[2], k::sin_f32[3], k::sin_f32[4]};
    if (c.fused_fma()) return c.fma(s * r, polynomial(c, s, lower), r);
    return r * polynomial(c, s, k::sin_f32) * s + r;
}

/// tan(r + odd pi / 2) for |r| <= pi / 4. In a quotient the roundings of r and tan r would count double: they are carried along.
template <class C> typename C::F tan_of_remainder(C& c, Remainder<C> remainder, typename C::I odd) {
    typename C::F r = remainder.r, s = r * r;
    typename C::F p = polynomial(c, s, pick<C>(k::tan_f32, k::tan_f64));
    typename C::F over = multiply_add(c, remainder.over, s, remainder.over);
    typename C::F tail = multiply_add(c, s * r, p, -over), t = r + tail, lost = tail - (t - r);
    typename C::F quotient = c.quotient(c.f(-1), t);
    return c.select(odd != c.i(0), multiply_add(c, lost * quotient, quotient, quotient), t);
}

/// Parity of a rounded number, as the top bit.
template <class C> typename C::I parity(const Rounded<C>& n) { return n.biased << (Format<C>::width - 1); }

/// True where x needs reduce_large, infinities and NaN included.
template <class C> typename C::M beyond_reduced(C& c, typename C::F x) {
    return !(c.abs(x) <= c.f(reduced_limit(c)));
}
template <class C> bool within_reduced(C& c, Interval range) {
    return range.inside(-reduced_limit(c), reduced_limit(c));
}

constexpr double unreduced_limit = 1.2;

/// sin x for |x| up to unreduced_limit, there at most 1.6 ulp off: a product with a factor near 1, which keeps a zero's sign.
template <class C> typename C::F sin_unreduced(C& c, typename C::F x) {
    typename C::F s = x * x;
    typename C::F p = c.half_precision() ? polynomial(c, s, k::sin_short)
                                         : polynomial(c, s, pick<C>(k::sin_f32, k::sin_f64));
    return x * multiply_add(c, s, p, c.f(1));
}

template <class C> typename C::F sin(C& c, typename C::F x, Interval range = {}) {
    if (range.inside(-unreduced_limit, unreduced_limit)) return sin_unreduced(c, x);
    Rounded<C> turns = round_product(c, x, inverse_pi, 0);
    typename C::F r = subtract_pi_rounded(c, x, turns.n);
    typename C::F y = with_sign_of(c, sin_of_remainder(c, r), r); // of -0 the sum is +0
    typename C::F usual = flip_sign(c, y, parity(turns));
    if (within_reduced(c, range)) return usual;
    return c.rarely(beyond_reduced(c, x), usual, [&] {
        Reduced<C> large = reduce_large(c, c.abs(x), AngleUnit::pi);
        return flip_sign(c, sin_of_remainder(c, large.remainder.r - large.remainder.over),
                         large.odd ^ sign_bit(c, x));
    });
}

template <class C> typename C::F cos(C& c, typename C::F x, Interval range = {}) {
    typename C::F magic = c.f(Format<C>::round_magic);
    typename C::F shifted = multiply_add(c, x, c.f(inverse_pi), c.f(0.5)) + magic;
    typename C::F r = subtract_pi_rounded(c, x, shifted - magic - c.f(0.5));
    typename C::F usual = flip_sign(c, sin_of_remainder(c, r), c.bits(shifted) << (Format<C>::width - 1));
    if (within_reduced(c, range)) return usual;
    return c.rarely(beyond_reduced(c, x), usual, [&] {
        Reduced<C> large = reduce_large(c, c.abs(x), AngleUnit::pi_offset_half);
        return flip_sign(c, sin_of_remainder(c, large.remainder.r - large.remainder.over), large.odd);
    });
}

template <class C> typename C::F tan(C& c, typename C::F x, Interval range = {}) {
    Rounded<C> turns = round_product(c, x, 2 * inverse_pi, 0);
    typename C::F usual = tan_of_remainder(c, subtract_pi(c, x, turns.n, 0.5), turns.biased & c.i(1));
    if (within_reduced(c, range)) return usual;
    return c.rarely(beyond_reduced(c, x), usual, [&] {
        Reduced<C> large = reduce_large(c, c.abs(x), AngleUnit::half_pi);
        return flip_sign(c, tan_of_remainder(c, large.remainder, large.odd), sign_bit(c, x));
    });
}

} // namespace heddle::passes::math
