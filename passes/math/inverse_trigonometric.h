#pragma once
// asin, acos, atan, atan2: odd polynomials on short ranges, and the identities that lead there.

#include "passes/math/expansion.h"

namespace heddle::passes::math {

/// asin(x) for 0 <= x <= 0.58, given x^2.
template <class C> typename C::F asin_small(C& c, typename C::F x, typename C::F square) {
    typename C::F p =
        polynomial(c, square, {0.166666105, 0.075031139, 0.04407309, 0.035087876, 0.00345642166, 0.05119076});
    return multiply_add(c, square * x, p, x); // asin_f32_6
}

/// asin(x) above 0.57 is pi/2 - 2 asin(sqrt((1 - x) / 2)): the subtrahend is below 1 there, so it errs less than the result.
template <class C> typename C::F asin(C& c, typename C::F x) {
    typename C::F magnitude = c.abs(x);
    typename C::M small = magnitude < c.f(0.57);
    typename C::F square = c.select(small, magnitude * magnitude, (c.f(1) - magnitude) * c.f(0.5));
    typename C::F y = asin_small(c, c.select(small, magnitude, c.sqrt(square)), square);
    typename C::F large = c.f(1.57079637) - (y + (y + c.f(4.37113883e-08)));
    return with_sign_of(c, c.select(small, y, large), x);
}

template <class C> typename C::F acos(C& c, typename C::F x) {
    typename C::F magnitude = c.abs(x);
    typename C::M small = magnitude < c.f(0.57);
    typename C::F square = c.select(small, magnitude * magnitude, (c.f(1) - magnitude) * c.f(0.5));
    typename C::F y = asin_small(c, c.select(small, magnitude, c.sqrt(square)), square);
    typename C::F middle = c.f(1.57079637) - (with_sign_of(c, y, x) + c.f(4.37113883e-08));
    typename C::F twice = y + y;
    typename C::F large = c.select(x > c.f(0), twice, c.f(3.14159274) - (twice + c.f(8.74227766e-08)));
    return c.select(small, middle, large);
}

/// atan(x) for 0 <= x <= 1.
template <class C> typename C::F atan_small(C& c, typename C::F x) {
    typename C::F s = x * x;
    typename C::F p =
        polynomial(c, s,
                   {-0.333333284, 0.199997157, -0.142803431, 0.110612333, -0.0882146135, // atan_f32_10
                    0.0676364377, -0.044983115, 0.0227774289, -0.00742524024, 0.00113449048});
    return multiply_add(c, s * x, p, x);
}

/// atan(1 / x) = pi/2 - atan(x).
template <class C> typename C::F atan(C& c, typename C::F x) {
    typename C::F magnitude = c.abs(x);
    typename C::M large = magnitude > c.f(1);
    typename C::F y = atan_small(c, c.select(large, c.f(1) / magnitude, magnitude));
    return with_sign_of(c, c.select(large, c.f(1.57079637) - (y + c.f(4.37113883e-08)), y), x);
}

/// Angle of the point (x, y), from the smaller of the two over the larger, then three reflections.
template <class C> typename C::F atan2(C& c, typename C::F y, typename C::F x) {
    typename C::F across = c.abs(x), up = c.abs(y);
    typename C::M steep = up > across;
    typename C::F larger = c.select(steep, up, across), smaller = c.select(steep, across, up);
    typename C::F ratio = c.select(smaller == larger, c.f(1), smaller / larger); // infinity over infinity too
    ratio = c.select(larger == c.f(0), c.f(0), ratio);
    typename C::F angle = atan_small(c, ratio);
    angle = c.select(steep, c.f(1.57079637) - (angle + c.f(4.37113883e-08)), angle);
    typename C::M behind = c.bits(x) < c.i(0); // -0 too
    angle = c.select(behind, c.f(3.14159274) - (angle + c.f(8.74227766e-08)), angle);
    angle = c.select(x != x, x, angle);
    return c.select(y != y, y, with_sign_of(c, angle, y));
}

} // namespace heddle::passes::math
