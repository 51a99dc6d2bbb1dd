#pragma once
// asin, acos, atan, atan2: odd polynomials on short ranges, and the identities that lead there.

#include "passes/math/expansion.h"

namespace heddle::passes::math {

/// asin(x) for 0 <= x <= 0.58, given x^2.
template <class C> typename C::F asin_small(C& c, typename C::F x, typename C::F square) {
    typename C::F p = polynomial(c, square, pick<C>(k::asin_f32, k::asin_f64));
    return multiply_add(c, square * x, p, x);
}

/// asin(x) above 0.57 is pi/2 - 2 asin(sqrt((1 - x) / 2)): the subtrahend is below 1 there, so it errs less than the result.
template <class C> typename C::F asin(C& c, typename C::F x) {
    typename C::F magnitude = c.abs(x);
    typename C::M small = magnitude < c.f(0.57);
    typename C::F square = c.select(small, magnitude * magnitude, (c.f(1) - magnitude) * c.f(0.5));
    typename C::F y = asin_small(c, c.select(small, magnitude, c.sqrt(square)), square);
    typename C::F large = c.f(pick<C>(1.57079637, 1.57079632679489656)) -
                          (y + (y + c.f(pick<C>(4.37113883e-08, -6.12323399573676604e-17))));
    return with_sign_of(c, c.select(small, y, large), x);
}

template <class C> typename C::F acos(C& c, typename C::F x) {
    typename C::F magnitude = c.abs(x);
    typename C::M small = magnitude < c.f(0.57);
    typename C::F square = c.select(small, magnitude * magnitude, (c.f(1) - magnitude) * c.f(0.5));
    typename C::F y = asin_small(c, c.select(small, magnitude, c.sqrt(square)), square);
    typename C::F middle = c.f(pick<C>(1.57079637, 1.57079632679489656)) -
                           (with_sign_of(c, y, x) + c.f(pick<C>(4.37113883e-08, -6.12323399573676604e-17)));
    typename C::F twice = y + y;
    typename C::F large = c.select(x > c.f(0), twice,
                                   c.f(pick<C>(3.14159274, 3.14159265358979312)) -
                                       (twice + c.f(pick<C>(8.74227766e-08, -1.22464679914735321e-16))));
    return c.select(small, middle, large);
}

/// atan(x) for 0 <= x <= 1.
template <class C> typename C::F atan_small(C& c, typename C::F x) {
    typename C::F s = x * x;
    typename C::F p = polynomial(c, s, pick<C>(k::atan_f32, k::atan_f64));
    return multiply_add(c, s * x, p, x);
}

/// atan(1 / x) = pi/2 - atan(x).
template <class C> typename C::F atan(C& c, typename C::F x) {
    typename C::F magnitude = c.abs(x);
    typename C::M large = magnitude > c.f(1);
    typename C::F y = atan_small(c, c.select(large, c.f(1) / magnitude, magnitude));
    return with_sign_of(c,
                        c.select(large,
                                 c.f(pick<C>(1.57079637, 1.57079632679489656)) -
                                     (y + c.f(pick<C>(4.37113883e-08, -6.12323399573676604e-17))),
                                 y),
                        x);
}

/// Angle of the point (x, y), from the smaller of the two over the larger, then three reflections.
template <class C> typename C::F atan2(C& c, typename C::F y, typename C::F x) {
    typename C::F across = c.abs(x), up = c.abs(y);
    typename C::M steep = up > across;
    typename C::F larger = c.select(steep, up, across), smaller = c.select(steep, across, up);
    typename C::F ratio = c.select(smaller == larger, c.f(1), smaller / larger); // infinity over infinity too
    ratio = c.select(larger == c.f(0), c.f(0), ratio);
    typename C::F angle = atan_small(c, ratio);
    angle = c.select(steep,
                     c.f(pick<C>(1.57079637, 1.57079632679489656)) -
                         (angle + c.f(pick<C>(4.37113883e-08, -6.12323399573676604e-17))),
                     angle);
    typename C::M behind = c.bits(x) < c.i(0); // -0 too
    angle = c.select(behind,
                     c.f(pick<C>(3.14159274, 3.14159265358979312)) -
                         (angle + c.f(pick<C>(8.74227766e-08, -1.22464679914735321e-16))),
                     angle);
    // By bits: a device that does not promise to keep NaN may fold x != x.
    typename C::I infinity = c.bits(c.f(Format<C>::infinity));
    typename C::M unordered = (c.bits(across) > infinity) | (c.bits(up) > infinity);
    return c.select(unordered, c.f(Format<C>::nan), with_sign_of(c, angle, y));
}

} // namespace heddle::passes::math
