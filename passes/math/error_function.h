#pragma once
// erf: x + x p(x^2) up to 1, above that 1 - q(|x|)^4, where q approximates the fourth root of erfc: a polynomial falls off
// fast enough only after a power, and an error of q counts 4 q^3, which is small.

#include "passes/math/logarithm.h"

namespace heddle::passes::math {

template <class C> typename C::F erf(C& c, typename C::F x) {
    if (c.half_precision()) { // erf_short
        x = at_least(c, at_most(c, x, 2.8), -2.8);
        typename C::F s = x * x;
        return x * polynomial(c, s, {1.12838066, 0.153893679, 0.0429655761, 0.00073667051}) /
               polynomial(c, s, {1, 0.469749868, 0.0945313573, 0.00920154154});
    }
    typename C::F magnitude = at_most(c, c.abs(x), 3.95);
    typename C::F s = magnitude * magnitude;
    typename C::F small = polynomial(c, s,
                                     {0.128379166, -0.37612626, 0.112835787, -0.0268533472, // erf_small_f32
                                      0.0051871622, -0.00079978531, 7.80690389e-5});
    small = multiply_add(c, magnitude, small, magnitude);
    typename C::F q = polynomial(c, magnitude,
                                 {1.00397706, -0.302571893, -0.0740857348, -0.0405303165, // erf_large_f32
                                  0.0606695041, -0.0204599183, 0.00292792777, -0.000157092247});
    q = q * q;
    typename C::F large = c.fused_fma() ? c.fma(-q, q, c.f(1)) : c.f(1) - q * q;
    return with_sign_of(c, c.select(magnitude < c.f(1), small, large), x);
}

/// x + x p, where p is a polynomial in x^2 up to 1/2, then in w = -log(1 - x^2) up to 5, then in sqrt(w), as which erfinv grows.
template <class C> typename C::F erfinv(C& c, typename C::F x) {
    using F = Format<C>;
    typename C::F rest = c.fused_fma() ? c.fma(-x, x, c.f(1)) : (c.f(1) - x) * (c.f(1) + x);
    typename C::F w = -log_of_split(c, split_at_one(c, rest, Interval{F::smallest_normal, 1}));
    typename C::F small =
        polynomial(c, x * x,
                   {-0.113773085, 0.232016772, 0.127414867, 0.0888630375, // erfinv_small_f32_6
                    0.048349712, 0.103067979});
    typename C::F middle =
        polynomial(c, w - c.f(2.5), // erfinv_f32_10
                   {0.501409352, 0.246640295, -0.00417734729, -0.00125276006, 0.000218308298, -4.94946971e-6,
                    -3.45162903e-6, 4.62065941e-7, 2.21505836e-8, -8.38933012e-9});
    typename C::F tail =
        polynomial(c, c.sqrt(w) - c.f(3), // erfinv_tail_f32_10
                   {1.83297682, 1.00167501, 0.00944482442, -0.00763764232, 0.00568995532, -0.00359762553,
                    0.00147782918, -5.3231317e-5, -0.000303713634, 0.000111583264});
    typename C::F p = c.select(c.abs(x) < c.f(0.5), small, c.select(w < c.f(5), middle, tail));
    typename C::F result = with_sign_of(c, multiply_add(c, x, p, x), x); // p is negative at first: -0
    typename C::M inside = c.abs(x) < c.f(1);
    return c.select(inside, result, c.select(c.abs(x) == c.f(1), x * c.f(F::infinity), c.f(F::nan)));
}

} // namespace heddle::passes::math
