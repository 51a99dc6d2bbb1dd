#pragma once
// erf: x + x p(x^2) up to 17/16, above that 1 - q(|x|)^4, where q approximates the fourth root of erfc: a polynomial falls off
// fast enough only after a power, and an error of q counts 4 q^3, which is small.

#include "passes/math/logarithm.h"

namespace heddle::passes::math {

/// For what is only added to 1 or more: within 2^-23 absolutely (unfused 2^-22.8), 2 ulp of erf where that is 1/2, and of sums below 1. One
/// polynomial will do, of the square root of erfc; from 4 on it gives 1.
template <class C> typename C::F erf_added(C& c, typename C::F x) {
    typename C::F q = polynomial(c, at_most(c, c.abs(x), 4), k::erf_added_f32);
    return copy_sign(c, multiply_add(c, q, q, c.f(-1)), x);
}

template <class C> typename C::F erf(C& c, typename C::F x, double added_to = 0) {
    if (c.half_precision()) {
        x = at_least(c, at_most(c, x, 2.8), -2.8);
        typename C::F s = x * x, below = multiply_add(c, polynomial(c, s, k::erf_short_below), s, c.f(1));
        return c.quotient(x * polynomial(c, s, k::erf_short), below);
    }
    if (!C::is_f64 && added_to >= 1) return erf_added(c, x);
    typename C::F magnitude = at_most(c, c.abs(x), pick<C>(3.95, 6));
    typename C::F small = polynomial(c, magnitude * magnitude, pick<C>(k::erf_small_f32, k::erf_small_f64));
    small = multiply_add(c, magnitude, small, magnitude);
    typename C::F q = magnitude;
    if constexpr (C::is_f64) q = q - c.f(3);
    q = polynomial(c, q, pick<C>(k::erf_large_f32, k::erf_large_f64));
    q = q * q;
    typename C::F large = multiply_add(c, -q, q, c.f(1));
    return with_sign_of(c, c.select(magnitude < c.f(1.0625), small, large), x);
}

/// x + x p, rounded as one: with fma it is, without it what both roundings lose is added again.
template <class C> typename C::F grown_by(C& c, typename C::F x, typename C::F p) {
    if (c.fused_fma()) return c.fma(x, p, x);
    const Pair<C> product = exact_product(c, x, p);
    const typename C::F sum = x + product.high, of_x = sum - product.high;
    const typename C::F lost = (x - of_x) + (product.high - (sum - of_x)); // Knuth's two-sum
    return sum + (lost + product.low);
}

/// x + x p, where p is a polynomial in x^2 up to 1/2, then in w = -log(1 - x^2) up to 5, then in sqrt(w), as which erfinv grows.
template <class C> typename C::F erfinv(C& c, typename C::F x) {
    using F = Format<C>;
    // 1 - x^2 = 2a - a^2 with a = 1 - |x|, which is exact where this matters, so that only the last operation rounds much.
    typename C::F a = c.f(1) - c.abs(x), rest = a + a - a * a;
    typename C::F w = -log_of_split(c, split_at_one(c, rest, Interval{F::smallest_normal, 1}));
    typename C::F root = c.sqrt(w);
    typename C::F p = polynomial(c, root - c.f(3), pick<C>(k::erfinv_tail_f32, k::erfinv_tail_f64));
    if constexpr (C::is_f64) p = c.select(root < c.f(4), p, polynomial(c, root - c.f(5), k::erfinv_far_f64));
    p = c.select(w < c.f(5), polynomial(c, w - c.f(2.5), pick<C>(k::erfinv_middle_f32, k::erfinv_middle_f64)),
                 p);
    typename C::F near = polynomial(c, x * x, pick<C>(k::erfinv_small_f32, k::erfinv_small_f64));
    p = c.select(c.abs(x) < c.f(0.5), near, p);
    typename C::F result = with_sign_of(c, grown_by(c, x, p), x); // p is negative at first: -0
    typename C::M inside = c.abs(x) < c.f(1);
    return c.select(inside, result, c.select(c.abs(x) == c.f(1), x * c.f(F::infinity), c.f(F::nan)));
}

} // namespace heddle::passes::math
