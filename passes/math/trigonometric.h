#pragma once
// sin, cos, tan: x = (n [+ 1/2]) pi + r with |r| <= pi / 2, then an odd polynomial in r and the sign of n's parity.
// |x| up to reduced_limit is reduced by three products with parts of pi, larger ones by reduce_large.

#include "passes/math/expansion.h"

namespace heddle::passes::math {

/// x - n pi for |n| below 2^16 (fused) or 2^12: with fma n times a full-precision part is exact, without the parts are short enough.
template <class C> typename C::F subtract_pi(C& c, typename C::F x, typename C::F n) {
    if (c.fused_fma()) {
        typename C::F r = c.fma(n, c.f(-3.14159274), x);
        r = c.fma(n, c.f(8.74227766e-08), r);
        return c.fma(n, c.f(3.43024902e-15), r);
    }
    typename C::F r = x - n * c.f(3.140625);
    r = r - n * c.f(0.00096750259);
    r = r - n * c.f(1.50990672e-07);
    return r - (n * c.f(5.12656584e-12) + n * c.f(1.22464685e-16));
}

template <class C> typename C::F sin_of_remainder(C& c, typename C::F r) {
    typename C::F s = r * r;
    if (c.half_precision())
        return multiply_add(c, s * r, polynomial(c, s, {-0.166658506, 0.00831423327, -0.000185408193}),
                            r); // sin_short
    // sin_f32, but for the second coefficient, which is one unit lower: rounding near pi / 2 errs less on that side
    typename C::F p =
        polynomial(c, s, {-0.166666672, 0.0083333496, -0.000198430935, 2.76270612e-6, -2.55032848e-8});
    return multiply_add(c, s * r, p, r);
}

template <class C> typename C::F sin_reduced(C& c, typename C::F x) {
    Rounded<C> turns = round_product(c, x, 0.31830988618379067, 0);
    typename C::F y = sin_of_remainder(c, subtract_pi(c, x, turns.n));
    return c.from_bits(c.bits(y) ^ (turns.biased << (Format<C>::width - 1)));
}

template <class C> typename C::F cos_reduced(C& c, typename C::F x) {
    typename C::F ahead = multiply_add(c, x, c.f(0.31830988618379067), c.f(0.5));
    typename C::F magic = c.f(Format<C>::round_magic);
    typename C::F shifted = ahead + magic;
    typename C::F n = shifted - magic - c.f(0.5);
    typename C::F y = sin_of_remainder(c, subtract_pi(c, x, n));
    return c.from_bits(c.bits(y) ^ (c.bits(shifted) << (Format<C>::width - 1)));
}

} // namespace heddle::passes::math
