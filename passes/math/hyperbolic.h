#pragma once
// Hyperbolic functions and their inverses.

#include "passes/math/exponential.h"
#include "passes/math/logarithm.h"

namespace heddle::passes::math {

/// With E = e^(2x) - 1 = 2^n (1 + 2h) - 1, h = (e^(2r) - 1) / 2, x = n ln 2 / 2 + r and D = E/2 + 1: tanh x = 1 - 1 / D, and near 0
/// tanh x = E/2 - E/2 (E/2 / D), in which the rounding of D and of the quotient hardly counts; they share the division.
template <class C> typename C::F tanh(C& c, typename C::F x) {
    if (c.half_precision()) { // tanh_short
        x = at_least(c, at_most(c, x, 5), -5);
        typename C::F s = x * x;
        typename C::F below = multiply_add(c, polynomial(c, s, k::tanh_short_below), s, c.f(1));
        return c.quotient(x * polynomial(c, s, k::tanh_short), below);
    }
    typename C::F magnitude = at_most(c, c.abs(x), C::is_f64 ? 20 : 9.5);
    Rounded<C> power = round_product(c, magnitude, 2 * log2e, Format<C>::bias);
    typename C::F r = subtract_ln2(c, magnitude, power.n, 0.5);
    typename C::F h = polynomial(c, r, pick<C>(k::tanh_f32, k::tanh_f64));
    h = multiply_add(c, r * r, h, r);
    typename C::F scale = c.from_bits(power.biased << Format<C>::fraction_bits);
    typename C::F above = multiply_add(c, scale, h, multiply_add(c, scale, c.f(0.5), c.f(-0.5)));
    typename C::F below = multiply_add(c, scale, h, multiply_add(c, scale, c.f(0.5), c.f(0.5)));
    typename C::M small = magnitude < c.f(0.52);
    typename C::F top = c.select(small, above, c.f(1));
    return with_sign_of(c, multiply_add(c, -top, c.quotient(top, below), top), x);
}

/// e^x / 4 for x >= 0, finite: the f32 limit is above where sinh and cosh overflow, and below where 2^n would.
template <class C> typename C::F quarter_exp(C& c, typename C::F x) {
    typename C::F limited = at_most(c, x, C::is_f64 ? 711 : 89.5);
    Rounded<C> power = round_product(c, limited, log2e, Format<C>::bias - 2);
    return scale_once(c, exp_of_remainder(c, subtract_ln2(c, limited, power.n)), power.biased);
}

/// x + x^3 p(x^2) up to 1, above that e^|x| / 2 - e^-|x| / 2.
template <class C> typename C::F sinh(C& c, typename C::F x) {
    typename C::F magnitude = c.abs(x), s = x * x;
    typename C::F p = polynomial(c, s, pick<C>(k::sinh_f32, k::sinh_f64));
    typename C::F small = multiply_add(c, s * magnitude, p, magnitude);
    typename C::F quarter = quarter_exp(c, magnitude);
    typename C::F large = (quarter - c.quotient(c.f(0.125), quarter)) + quarter;
    return with_sign_of(c, c.select(magnitude < c.f(1), small, large), x);
}

template <class C> typename C::F cosh(C& c, typename C::F x) {
    typename C::F quarter = quarter_exp(c, c.abs(x));
    return (quarter + c.quotient(c.f(0.125), quarter)) + quarter;
}

/// log(|x| + sqrt(x^2 + 1)) as log1p(|x| + x^2 / (1 + sqrt(1 + x^2))), log 2|x| for large x, and an odd polynomial up to 1/2.
template <class C> typename C::F asinh(C& c, typename C::F x) {
    typename C::F magnitude = c.abs(x), s = magnitude * magnitude;
    typename C::F p = polynomial(c, s, pick<C>(k::asinh_f32, k::asinh_f64));
    typename C::F small = multiply_add(c, s * magnitude, p, magnitude);
    typename C::M huge = magnitude > c.f(C::is_f64 ? 0x1p55 : 0x1p26);
    typename C::F argument = magnitude + s / (c.f(1) + c.sqrt(c.f(1) + s));
    typename C::F large = log1p_inside(c, c.select(huge, magnitude, argument));
    large = large + c.select(huge, c.f(0.69314718055994531), c.f(0));
    large = c.select(magnitude <= c.f(Format<C>::largest), large, magnitude);
    return with_sign_of(c, c.select(magnitude < c.f(0.5), small, large), x);
}

/// With t = x - 1: log1p(t + sqrt(t (t + 2))), log 2x for large x, and sqrt(2 t) (1 + t p(t)) up to t = 1/2.
template <class C> typename C::F acosh(C& c, typename C::F x) {
    typename C::F t = x - c.f(1);
    typename C::F p = polynomial(c, t, pick<C>(k::acosh_f32, k::acosh_f64));
    typename C::F root = c.sqrt(t + t);
    typename C::F small = multiply_add(c, root * t, p, root);
    typename C::M huge = x > c.f(C::is_f64 ? 0x1p55 : 0x1p26);
    typename C::F large = log1p_inside(c, c.select(huge, x, t + c.sqrt(t * (t + c.f(2)))));
    large = large + c.select(huge, c.f(0.69314718055994531), c.f(0));
    large = c.select(x <= c.f(Format<C>::largest), large, x);
    return c.select(x >= c.f(1), c.select(t < c.f(0.5), small, large), c.f(Format<C>::nan));
}

/// log1p(2|x| / (1 - |x|)) / 2, and an odd polynomial up to 1/2.
template <class C> typename C::F atanh(C& c, typename C::F x) {
    typename C::F magnitude = c.abs(x), s = magnitude * magnitude;
    typename C::F p = polynomial(c, s, pick<C>(k::atanh_f32, k::atanh_f64));
    typename C::F small = multiply_add(c, s * magnitude, p, magnitude);
    typename C::F large = log1p_inside(c, c.quotient(magnitude + magnitude, c.f(1) - magnitude)) * c.f(0.5);
    large = c.select(magnitude < c.f(1), large,
                     c.select(magnitude == c.f(1), c.f(Format<C>::infinity), c.f(Format<C>::nan)));
    return with_sign_of(c, c.select(magnitude < c.f(0.5), small, large), x);
}

} // namespace heddle::passes::math
