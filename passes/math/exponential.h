#pragma once
// exp, exp2, expm1: x = n ln 2 + r with |r| <= ln 2 / 2, a polynomial in r, then 2^n put into the exponent. Where the result can
// be subnormal or overflow, 2^n is applied in two halves, so that the last product rounds once and gives 0 and infinity.

#include "passes/math/expansion.h"

namespace heddle::passes::math {

constexpr double log2e = 1.4426950408889634;

/// x - n ln 2 (times `scale` 1 or 1/2). n times the high part is exact, so no fused operation is needed.
template <class C> typename C::F subtract_ln2(C& c, typename C::F x, typename C::F n, double scale = 1) {
    const double high = pick<C>(0.693145751953125, 0.693147180559208209) * scale;
    const double low = pick<C>(1.42860676533018704e-06, 7.3710025651677989e-13) * scale;
    return multiply_add(c, n, c.f(-low), multiply_add(c, n, c.f(-high), x));
}

/// y 2^n for y near 1, given bits `biased` by 2 Format::bias. Rounds once, under- and overflows as it should.
template <class C> typename C::F scale_in_halves(C& c, typename C::F y, typename C::I biased) {
    typename C::I first = (biased >> 1) << Format<C>::fraction_bits;
    typename C::I second = (biased << Format<C>::fraction_bits) - first;
    return y * c.from_bits(first) * c.from_bits(second);
}

/// y 2^n, given bits `biased` by Format::bias + shift for 2^(n + shift): a normal number. A product, since NaN must survive it.
template <class C> typename C::F scale_once(C& c, typename C::F y, typename C::I biased) {
    return y * c.from_bits(biased << Format<C>::fraction_bits);
}

/// e^r for |r| <= ln 2 / 2.
template <class C> typename C::F exp_of_remainder(C& c, typename C::F r) {
    typename C::F p = polynomial(c, r, pick<C>(k::exp_f32, k::exp_f64)), one = c.f(1);
    return multiply_add(c, multiply_add(c, p, r, one), r, one);
}

/// What becomes of results far below 1.
enum class Small {
    counts,
    vanishes, ///< e^-86 (f64: e^-707) will do for all that are smaller: they are added to something
};

template <class C>
typename C::F exp(C& c, typename C::F x, Interval range = {}, Small small = Small::counts) {
    using F = Format<C>;
    constexpr double zero_below = C::is_f64 ? -746 : -104, infinite_above = C::is_f64 ? 710 : 89;
    constexpr double normal_from = C::is_f64 ? -708 : -87, normal_to = C::is_f64 ? 709 : 88;
    constexpr double half_normal_from = C::is_f64 ? -707 : -86;
    if (small == Small::vanishes && !(range.low >= half_normal_from)) {
        x = at_least(c, x, half_normal_from);
        range.low = half_normal_from;
    }
    if (!(range.low >= zero_below)) x = at_least(c, x, zero_below);
    if (!(range.high <= infinite_above)) x = at_most(c, x, infinite_above);
    if (c.half_precision()) { // e^(x/2) squared: halves the exponent's range and the polynomial's
        Rounded<C> halves = round_product(c, x, log2e / 2, F::bias);
        typename C::F r = multiply_add(c, halves.n, c.f(-1.3862943611198906), x); // = 2 remainders
        typename C::F root = polynomial(c, r, k::exp_short);
        root = scale_once(c, root, halves.biased);
        return root * root;
    }
    if (range.inside(normal_from, normal_to)) {
        Rounded<C> power = round_product(c, x, log2e, F::bias);
        return scale_once(c, exp_of_remainder(c, subtract_ln2(c, x, power.n)), power.biased);
    }
    if (range.high <= 0) { // 2^64 too large while in the exponent; the last product rounds a subnormal once
        Rounded<C> power = round_product(c, x, log2e, F::bias + 64);
        typename C::F large = scale_once(c, exp_of_remainder(c, subtract_ln2(c, x, power.n)), power.biased);
        return large * c.f(0x1p-64);
    }
    if (range.low >=
        half_normal_from) { // a half of it is normal, and may be twice as large as the largest number
        Rounded<C> power = round_product(c, x, log2e, F::bias - 1);
        return scale_once(c, exp_of_remainder(c, subtract_ln2(c, x, power.n)), power.biased) * c.f(2);
    }
    Rounded<C> power = round_product(c, x, log2e, 2 * F::bias);
    return scale_in_halves(c, exp_of_remainder(c, subtract_ln2(c, x, power.n)), power.biased);
}

/// 2^r for |r| <= 1/2.
template <class C> typename C::F exp2_of_remainder(C& c, typename C::F r) {
    return multiply_add(c, polynomial(c, r, pick<C>(k::exp2_f32, k::exp2_f64)), r, c.f(1));
}

template <class C> typename C::F exp2(C& c, typename C::F x, Interval range = {}) {
    using F = Format<C>;
    constexpr double zero_below = C::is_f64 ? -1076 : -151, infinite_above = C::is_f64 ? 1025 : 129;
    constexpr double normal_from = C::is_f64 ? -1021 : -125, normal_to = C::is_f64 ? 1023 : 127;
    if (!(range.low >= zero_below)) x = at_least(c, x, zero_below);
    if (!(range.high <= infinite_above)) x = at_most(c, x, infinite_above);
    const bool normal = range.inside(normal_from, normal_to);
    Rounded<C> power = round_product(c, x, 1, normal ? F::bias : 2 * F::bias);
    typename C::F y = exp2_of_remainder(c, x - power.n);
    return normal ? scale_once(c, y, power.biased) : scale_in_halves(c, y, power.biased);
}

/// e^r - 1 for |r| <= ln 2 / 2.
template <class C> typename C::F expm1_of_remainder(C& c, typename C::F r) {
    typename C::F p = polynomial(c, r, pick<C>(k::expm1_f32, k::expm1_f64));
    return multiply_add(c, r * r, p, r);
}

/// 2 (2^(n-1) (e^r - 1) + (2^(n-1) - 1/2)), so that 2^n never overflows before the result does.
template <class C> typename C::F expm1(C& c, typename C::F x) {
    constexpr double minus_one_below = C::is_f64 ? -40 : -19, infinite_above = C::is_f64 ? 710 : 89;
    typename C::F limited = at_most(c, at_least(c, x, minus_one_below), infinite_above);
    Rounded<C> power = round_product(c, limited, log2e, Format<C>::bias - 1);
    typename C::F p = expm1_of_remainder(c, subtract_ln2(c, limited, power.n));
    typename C::F scale = c.from_bits(power.biased << Format<C>::fraction_bits);
    typename C::F half = multiply_add(c, scale, p, scale - c.f(0.5));
    // Halving would lose the last bit of a subnormal number, and the sum the sign of zero.
    return c.select(c.abs(x) < c.f(C::is_f64 ? 0x1p-54 : 0x1p-25), x, half + half);
}

} // namespace heddle::passes::math
