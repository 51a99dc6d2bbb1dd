#pragma once
// erf: x + x p(x^2) up to 1, above that 1 - q(|x|)^4, where q approximates the fourth root of erfc: a polynomial falls off
// fast enough only after a power, and an error of q counts 4 q^3, which is small.

#include "passes/math/expansion.h"

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

} // namespace heddle::passes::math
