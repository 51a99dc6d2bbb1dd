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

/// Is what results are only ever added to so large that e^-86 (f64: e^-707) will do for all that are smaller?
inline bool vanishes_beside(double added_to) { return added_to >= 0x1p-10; }

/// 2^(x factor) to 2^-14, with the device's exp2, which is within 3 + 2 |x| ulp. It need not keep subnormal results, hence the square.
template <class C>
typename C::F exp2_native(C& c, typename C::F x, double factor, Interval range, double added_to) {
    const auto power = [&](double times) { return c.exp2(times == 1 ? x : x * c.f(times)); };
    if (vanishes_beside(added_to) || range.low * factor >= -124) return power(factor);
    typename C::F root = power(factor / 2);
    return root * root;
}

/// What is known of the powers of two that scale results.
enum class Powers {
    any,
    at_most_one,
    normal_halves, ///< half of the result is normal, but it may overflow
    normal,
};

/// fraction(n) 2^n with n the integer nearest to factor x, where fraction gives what is near 1.
template <class C, class Fraction>
typename C::F scaled(C& c, typename C::F x, double factor, Powers powers, Fraction fraction) {
    constexpr int bias = Format<C>::bias;
    const auto at_bias = [&](int n) { return round_product(c, x, factor, n); };
    const auto once = [&](const Rounded<C>& power) { return scale_once(c, fraction(power.n), power.biased); };
    switch (powers) {
    case Powers::normal: return once(at_bias(bias));
    // 2^64 too large while in the exponent; the last product rounds a subnormal once
    case Powers::at_most_one: return once(at_bias(bias + 64)) * c.f(0x1p-64);
    // a half may be twice as large as the largest number
    case Powers::normal_halves: return once(at_bias(bias - 1)) * c.f(2);
    case Powers::any: break;
    }
    const Rounded<C> power = at_bias(2 * bias);
    return scale_in_halves(c, fraction(power.n), power.biased);
}

/// The arguments of an exponential function from which on results are no zero, are normal, halves of them are, are finite, infinite.
struct Limits {
    double zero_below, normal_from, half_normal_from, normal_to, infinite_above;
};

/// x without what makes no difference, and what that says of the powers of two.
template <class C>
Powers limit(C& c, typename C::F& x, Interval range, double added_to, const Limits& limits) {
    if (vanishes_beside(added_to) && !(range.low >= limits.half_normal_from)) {
        x = at_least(c, x, limits.half_normal_from);
        range.low = limits.half_normal_from;
    }
    if (!(range.low >= limits.zero_below)) x = at_least(c, x, limits.zero_below);
    if (!(range.high <= limits.infinite_above)) x = at_most(c, x, limits.infinite_above);
    if (range.inside(limits.normal_from, limits.normal_to)) return Powers::normal;
    if (range.high <= 0) return Powers::at_most_one;
    return range.low >= limits.half_normal_from ? Powers::normal_halves : Powers::any;
}

template <class C> typename C::F exp(C& c, typename C::F x, Interval range = {}, double added_to = 0) {
    if (c.half_precision() && c.native_exp2()) return exp2_native(c, x, log2e, range, added_to);
    constexpr Limits limits = C::is_f64 ? Limits{-746, -708, -707, 709, 710} : Limits{-104, -87, -86, 88, 89};
    const Powers powers = limit(c, x, range, added_to, limits);
    if (c.half_precision()) { // e^(x/2) squared: halves the exponent's range and the polynomial's
        Rounded<C> halves = round_product(c, x, log2e / 2, Format<C>::bias);
        typename C::F r = multiply_add(c, halves.n, c.f(-1.3862943611198906), x); // = 2 remainders
        typename C::F root = scale_once(c, polynomial(c, r, k::exp_short), halves.biased);
        return root * root;
    }
    return scaled(c, x, log2e, powers,
                  [&](typename C::F n) { return exp_of_remainder(c, subtract_ln2(c, x, n)); });
}

/// 2^r for |r| <= 1/2.
template <class C> typename C::F exp2_of_remainder(C& c, typename C::F r) {
    return multiply_add(c, polynomial(c, r, pick<C>(k::exp2_f32, k::exp2_f64)), r, c.f(1));
}

template <class C> typename C::F exp2(C& c, typename C::F x, Interval range = {}, double added_to = 0) {
    if (c.half_precision() && c.native_exp2()) return exp2_native(c, x, 1, range, added_to);
    constexpr Limits limits =
        C::is_f64 ? Limits{-1076, -1021, -1020, 1023, 1025} : Limits{-151, -125, -124, 127, 129};
    const Powers powers = limit(c, x, range, added_to, limits);
    if (c.half_precision()) { // as exp
        Rounded<C> halves = round_product(c, x, 0.5, Format<C>::bias);
        typename C::F r = multiply_add(c, halves.n, c.f(-2), x);
        typename C::F root = scale_once(c, polynomial(c, r, k::exp2_short), halves.biased);
        return root * root;
    }
    return scaled(c, x, 1, powers, [&](typename C::F n) { return exp2_of_remainder(c, x - n); });
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
