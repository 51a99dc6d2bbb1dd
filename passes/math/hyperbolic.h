#pragma once
// Hyperbolic functions and their inverses.

#include "passes/math/exponential.h"

namespace heddle::passes::math {

/// With E = e^(2x) - 1 = 2^n (1 + 2h) - 1, h = (e^(2r) - 1) / 2, x = n ln 2 / 2 + r and D = E/2 + 1: tanh x = 1 - 1 / D, and near 0
/// tanh x = E/2 - E/2 (E/2 / D), in which the rounding of D and of the quotient hardly counts; they share the division.
template <class C> typename C::F tanh(C& c, typename C::F x) {
    if (c.half_precision()) { // tanh_short
        x = at_least(c, at_most(c, x, 5), -5);
        typename C::F s = x * x;
        return x * polynomial(c, s, {0.999997973, 0.116618723, 0.00163717207}) /
               polynomial(c, s, {1, 0.449935853, 0.0183041878, 6.44653846e-5});
    }
    constexpr double log2e = 1.4426950408889634;
    typename C::F magnitude = at_most(c, c.abs(x), C::is_f64 ? 20 : 9.5);
    Rounded<C> power = round_product(c, magnitude, 2 * log2e, Format<C>::bias);
    typename C::F r = subtract_ln2(c, magnitude, power.n, 0.5);
    typename C::F h =
        polynomial(c, r, {0.99999994, 0.666661859, 0.333339542, 0.133860052, 0.044383835}); // tanh_f32
    h = multiply_add(c, r * r, h, r);
    typename C::F scale = c.from_bits(power.biased << Format<C>::fraction_bits);
    typename C::F above = multiply_add(c, scale, h, multiply_add(c, scale, c.f(0.5), c.f(-0.5)));
    typename C::F below = multiply_add(c, scale, h, multiply_add(c, scale, c.f(0.5), c.f(0.5)));
    typename C::M small = magnitude < c.f(0.52);
    typename C::F top = c.select(small, above, c.f(1));
    return with_sign_of(c, multiply_add(c, -top, top / below, top), x);
}

} // namespace heddle::passes::math
