#pragma once
// power: 2^(y log2|x|) with the logarithm as a sum of two numbers, since its error counts |y log2 x| times. log(m) is
// 2 atanh(s), s = (m - 1) / (m + 1), where all but the last terms are carried in two parts.

#include "passes/math/exponential.h"
#include "passes/math/logarithm.h"

namespace heddle::passes::math {

template <class C> Pair<C> product_of_pairs(C& c, Pair<C> a, Pair<C> b) {
    Pair<C> product = exact_product(c, a.high, b.high);
    return {product.high, product.low + (a.high * b.low + a.low * b.high)};
}

/// (m - 1) / (m + 1) for m = 1 + f.
template <class C> Pair<C> ratio_to_one(C& c, typename C::F f) {
    Pair<C> divisor = exact_sum(c, c.f(2), f);
    typename C::F quotient = c.quotient(f, divisor.high);
    Pair<C> back = exact_product(c, quotient, divisor.high);
    typename C::F rest = ((f - back.high) - back.low) - quotient * divisor.low;
    return {quotient, c.quotient(rest, divisor.high)};
}

/// log2 of a finite x > 0, to some 2^-34 (f64: 2^-65) of its size.
template <class C> Pair<C> log2_in_pairs(C& c, typename C::F x) {
    Split<C> split = split_at_one(c, x, Interval{});
    Pair<C> s = ratio_to_one(c, split.f), square = product_of_pairs(c, s, s);
    typename C::F p = polynomial(c, square.high, pick<C>(k::power_f32, k::power_f64));
    Pair<C> factor = exact_sum(c, c.f(pick<C>(0.333333343, 0.33333333333333331)), square.high * p);
    factor.low = factor.low + c.f(pick<C>(-9.93410776e-09, 1.8503717077085943e-17));
    Pair<C> tail = product_of_pairs(c, s, product_of_pairs(c, square, factor));
    Pair<C> half = exact_sum(c, s.high, tail.high); // log(m) / 2
    half.low = half.low + (s.low + tail.low);
    Pair<C> scale = {c.f(pick<C>(2.88539004, 2.8853900817779268)),
                     c.f(pick<C>(3.85192607e-08, 4.0710547481862066e-17))};
    Pair<C> log2m = product_of_pairs(c, half, scale), sum = exact_sum(c, split.exponent, log2m.high);
    return exact_sum(c, sum.high, sum.low + log2m.low);
}

/// 2^(power.high + power.low), at most an ulp off for a low part below an ulp of the high.
template <class C> typename C::F exp2_of_pair(C& c, Pair<C> power) {
    using F = Format<C>;
    constexpr double bound = pick<C>(160, 1100);
    typename C::F low = c.select(c.abs(power.high) < c.f(bound), power.low, c.f(0));
    typename C::F high = at_most(c, at_least(c, power.high, -bound), bound);
    Rounded<C> n = round_product(c, high, 1, 2 * F::bias);
    return scale_in_halves(c, exp2_of_remainder(c, (high - n.n) + low), n.biased);
}

/// As C's pow: 1 for y = 0 or x = 1 whatever the other is, NaN for a finite x < 0 and a y that is no integer.
template <class C> typename C::F power(C& c, typename C::F x, typename C::F y) {
    using F = Format<C>;
    typename C::F magnitude = c.abs(x), zero = c.f(0), infinity = c.f(F::infinity);
    Pair<C> log = log2_in_pairs(c, magnitude);
    typename C::M regular = is_positive(c, magnitude) & (magnitude < infinity);
    log.high = c.select(regular, log.high, c.select(magnitude < infinity, -infinity, magnitude));
    log.low = c.select(regular, log.low, zero);
    Pair<C> product = exact_product(c, y, log.high);
    typename C::F result = exp2_of_pair(c, Pair<C>{product.high, product.low + y * log.low});
    typename C::F half = y * c.f(0.5);
    typename C::M whole = c.floor(y) == y, odd = whole & (c.floor(half) != half);
    result = c.select(odd, with_sign_of(c, result, x), result);
    result = c.select(is_negative(c, x) & (magnitude < infinity) & !whole, c.f(F::nan), result);
    result = c.select((magnitude == c.f(1)) & (c.abs(y) == infinity), c.f(1), result);
    return c.select((y == zero) | (x == c.f(1)), c.f(1), result);
}

} // namespace heddle::passes::math
