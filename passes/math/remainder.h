#pragma once
// floor_divide and remainder of floats, as Python's // and %: the remainder is exact and has the divisor's sign, also where it is
// zero; the quotient is the floor of the exact one, rounded to a float where it has more digits. Both are NaN for a divisor 0
// (the quotient: a / 0) and for an infinite dividend.

#include "passes/math/expansion.h"

namespace heddle::passes::math {

/// a - q b exactly, for an integer q of at most a significand's bits that is a / b but for its fraction.
template <class C> typename C::F subtract_multiple(C& c, typename C::F a, typename C::F q, typename C::F b) {
    if (c.fused_fma()) return c.fma(-q, b, a);
    Pair<C> product = exact_product(c, q, b);
    return (a - product.high) - product.low;
}

/// |a| mod |b| for 0 <= a, 0 < b finite: long division, 21 (48) bits of the quotient a step. Steps whose multiple of b
/// exceeds what is left (or overflows) do nothing.
template <class C> typename C::F long_remainder(C& c, typename C::F a, typename C::F b) {
    using F = Format<C>;
    constexpr int third = C::is_f64 ? 16 : 7;
    constexpr int steps = C::is_f64 ? 44 : 14;
    return c.countdown(steps, c.spread(a, b), [&](typename C::I step, typename C::F left) {
        typename C::F power = c.from_bits((step * c.i(third) + c.i(F::bias)) << F::fraction_bits);
        typename C::F multiple = b * power * power * power;
        typename C::F quotient = c.trunc(left / multiple);
        typename C::F next = subtract_multiple(c, left, quotient, multiple);
        next = c.select(next < c.f(0), next + multiple, next); // the rounded quotient may be one too large
        return c.select(multiple <= left, next, left);
    });
}

/// a mod b with the sign of a, zero included; NaN where there is none.
template <class C> typename C::F truncated_remainder(C& c, typename C::F a, typename C::F b) {
    using F = Format<C>;
    typename C::F dividend = c.abs(a), divisor = c.abs(b), quotient = dividend / divisor;
    typename C::F whole = c.trunc(quotient);
    typename C::F usual = subtract_multiple(c, dividend, whole, divisor);
    usual = c.select(usual < c.f(0), usual + divisor, usual);
    usual = c.select(divisor == c.f(F::infinity), dividend, usual);
    typename C::F result = c.rarely(!(quotient < c.f(C::is_f64 ? 0x1p50 : 0x1p22)), usual,
                                    [&] { return long_remainder(c, dividend, divisor); });
    typename C::M defined = (dividend < c.f(F::infinity)) & (divisor > c.f(0));
    return with_sign_of(c, c.select(defined, result, c.f(F::nan)), a);
}

template <class C> typename C::F remainder(C& c, typename C::F a, typename C::F b) {
    typename C::F rest = truncated_remainder(c, a, b), zero = c.f(0);
    typename C::M opposite = (c.bits(a) ^ c.bits(b)) < c.i(0);
    typename C::F moved = c.select(opposite & (rest != zero), rest + b, rest);
    return c.select(moved == zero, with_sign_of(c, zero, b), moved);
}

template <class C> typename C::F floor_divide(C& c, typename C::F a, typename C::F b) {
    using F = Format<C>;
    typename C::F quotient = a / b, whole = c.floor(quotient);
    // A quotient that was rounded up to an integer leaves a remainder of the other sign.
    typename C::F rest = subtract_multiple(c, a, whole, b);
    typename C::M above = c.select(b > c.f(0), rest, -rest) < c.f(0);
    typename C::F result = c.select(above, whole - c.f(1), whole);
    typename C::M large = c.abs(quotient) >= c.f(C::is_f64 ? 0x1p53 : 0x1p24); // an integer itself
    result = c.select(large, quotient, result);
    typename C::M tiny = (c.abs(quotient) < c.f(1)) & (quotient == c.f(0)) & (a != c.f(0));
    result = c.select(tiny, c.select((c.bits(a) ^ c.bits(b)) < c.i(0), c.f(-1), c.f(0)), result);
    return c.select((c.abs(a) == c.f(F::infinity)) & (b != c.f(0)), c.f(F::nan), result);
}

} // namespace heddle::passes::math
