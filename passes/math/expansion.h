#pragma once
// How the math library is written. Every function is a template over a context C and computes on the context's values:
// C::F (floats), C::I (integers of the same size), C::M (masks). The context decides what an operation does: the kernel
// builder's context makes kernel IR, the tests' context computes, a third one counts. Elementary operations only:
//
//     F  + - * / and unary -, < <= > >= == != (with NaN only != is true)      I  + - * & | ^ << >> (arithmetic), compares
//     M  & | !                                                                c.f(number)  c.i(number)  constants
//     c.fma(a, b, c)     a b + c, rounded once if c.fused_fma(), else twice; a * b + c is always two roundings
//     c.quotient(a, b)   a / b to one ulp, for finite a and b with |a|, |b| and |a / b| within 2^-96 and 2^96 (a = 0 gives some 0)
//     c.native_rsqrt()   c.rsqrt(x), to 2 ulp for normal x > 0 and infinity, is the cheap way to rsqrt
//     c.native_exp2()    c.exp2(x), to 3 + 2 |x| ulp where the result is no subnormal, is the cheap way to exp2
//     c.sqrt(x) and /    correctly rounded, on a GPU the nearest float or its neighbour
//     c.abs(x)  c.floor(x)  c.trunc(x)  c.round_even(x)
//     c.to_float(i)      rounded to nearest even      c.bits(x)  c.from_bits(i)  the same bits
//     c.select(m, a, b)  of F or I                    c.shift_right_logical(i, count)
//     c.rarely(m, usual, compute)   select(m, compute(), usual), where compute need only run if a lane asks for it
//     c.countdown(n, state, body)   state = body(k, state) for k = n - 1, ..., 0; no state may have more lanes than the first
//     c.spread(a, b)     a, in as many lanes as b where b has more
//     c.flushes_subnormals() those are zeros to arithmetic, though perhaps not to comparisons: what they give is what zeros give
//     c.half_precision() results are only ever rounded to f16 or bf16: relative error 2^-13 is enough
//
// Coefficients are those of coefficients.h, made by scripts/math/remez.py.

#include "passes/math/coefficients.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

namespace heddle::passes::math {

/// What is known of an argument; functions leave out what its bounds make unnecessary.
struct Interval {
    double low = -std::numeric_limits<double>::infinity();
    double high = std::numeric_limits<double>::infinity();
    /// Magnitudes of what is finite and no zero lie within these.
    double least = 0;
    double greatest = std::numeric_limits<double>::infinity();
    bool operator==(const Interval&) const = default;
    bool inside(double from, double to) const { return low >= from && high <= to; }
    bool is_never_below(double size) const { return low >= size || least >= size; }
    bool is_never_above(double size) const { return (low >= -size && high <= size) || greatest <= size; }
};

/// The numbers of a float format.
template <class C> struct Format {
    static constexpr int fraction_bits = C::is_f64 ? 52 : 23;
    static constexpr int bias = C::is_f64 ? 1023 : 127;
    static constexpr int width = C::is_f64 ? 64 : 32;
    static constexpr double round_magic =
        C::is_f64 ? 6755399441055744.0 : 12582912.0; ///< 1.5 * 2^fraction_bits
    static constexpr double largest = C::is_f64 ? 1.7976931348623157e308 : 3.4028234663852886e38;
    static constexpr double smallest_normal = C::is_f64 ? 2.2250738585072014e-308 : 1.1754943508222875e-38;
    static constexpr double infinity = std::numeric_limits<double>::infinity();
    static constexpr double nan = std::numeric_limits<double>::quiet_NaN();
};

/// Is x above 0, which subnormals that are flushed are not?
template <class C> typename C::M is_positive(C& c, typename C::F x) {
    return c.flushes_subnormals() ? x >= c.f(Format<C>::smallest_normal) : x > c.f(0);
}
template <class C> typename C::M is_negative(C& c, typename C::F x) {
    return c.flushes_subnormals() ? x <= c.f(-Format<C>::smallest_normal) : x < c.f(0);
}
/// Is it 0, or flushed? For what is not positive.
template <class C> typename C::M is_zero(C& c, typename C::F x) {
    return c.flushes_subnormals() ? x > c.f(-Format<C>::smallest_normal) : x == c.f(0);
}

/// a b + c, fused where that is one operation; either rounding will do.
template <class C> typename C::F multiply_add(C& c, typename C::F a, typename C::F b, typename C::F addend) {
    return c.fused_fma() ? c.fma(a, b, addend) : a * b + addend;
}

template <class C, std::size_t N, std::size_t... place>
typename C::F horner(C& c, typename C::F x, const double (&k)[N], std::index_sequence<place...>) {
    typename C::F sum = c.f(k[N - 1]);
    ((sum = multiply_add(c, sum, x, c.f(k[N - 2 - place]))), ...);
    return sum;
}

/// k[0] + k[1] x + k[2] x^2 + ...; unrolled by hand, since loops around it are to vectorise.
template <class C, std::size_t N> typename C::F polynomial(C& c, typename C::F x, const double (&k)[N]) {
    return horner(c, x, k, std::make_index_sequence<N - 1>{});
}

/// The array of the context's format: pick<C>(k::exp_f32, k::exp_f64).
template <class C, std::size_t N, std::size_t M>
constexpr const auto& pick(const double (&f32)[N], const double (&f64)[M]) {
    if constexpr (C::is_f64)
        return f64;
    else
        return f32;
}
template <class C> constexpr double pick(double f32, double f64) { return C::is_f64 ? f64 : f32; }

/// A number as the unevaluated sum of two, |low| at most half an ulp of high or so.
template <class C> struct Pair {
    typename C::F high;
    typename C::F low;
};

/// a + b exactly, for |a| >= |b| or a = 0 (Dekker's fast two-sum).
template <class C> Pair<C> exact_sum(C&, typename C::F a, typename C::F b) {
    typename C::F sum = a + b;
    return {sum, b - (sum - a)};
}

/// The upper half of x's significand, cut off by a mask: it cannot overflow, as Veltkamp's product can.
template <class C> Pair<C> halve_digits(C& c, typename C::F x) {
    typename C::F high =
        c.from_bits(c.bits(x) & c.i(C::is_f64 ? -(std::int64_t{1} << 27) : -(std::int64_t{1} << 12)));
    return {high, x - high};
}

/// a b exactly (f64 without fma: to 2^-104), where nothing underflows.
template <class C> Pair<C> exact_product(C& c, typename C::F a, typename C::F b) {
    typename C::F product = a * b;
    if (c.fused_fma()) return {product, c.fma(a, b, -product)};
    Pair<C> x = halve_digits(c, a), y = halve_digits(c, b);
    return {product, ((x.high * y.high - product) + x.high * y.low + x.low * y.high) + x.low * y.low};
}

/// The smaller (larger) of a limit and x; NaN stays. One instruction where the machine has it.
template <class C> typename C::F at_most(C& c, typename C::F x, double limit) {
    return c.select(c.f(limit) < x, c.f(limit), x);
}
template <class C> typename C::F at_least(C& c, typename C::F x, double limit) {
    return c.select(c.f(limit) > x, c.f(limit), x);
}

/// The sign bit of x, as an integer with all other bits clear.
template <class C> typename C::I sign_bit(C& c, typename C::F x) {
    return c.bits(x) & c.i(std::numeric_limits<std::int64_t>::min() >> (64 - Format<C>::width));
}

/// `magnitude` (not negative, or x's sign already) with the sign of x.
template <class C> typename C::F with_sign_of(C& c, typename C::F magnitude, typename C::F x) {
    return c.from_bits(c.bits(magnitude) | sign_bit(c, x));
}

/// The magnitude of `value` with the sign of x.
template <class C> typename C::F copy_sign(C& c, typename C::F value, typename C::F x) {
    return with_sign_of(c, c.abs(value), x);
}

/// x, negated where the top bit of the integer is set (its other bits are clear).
template <class C> typename C::F flip_sign(C& c, typename C::F x, typename C::I top_bit) {
    return c.from_bits(c.bits(x) ^ top_bit);
}

/// Rounds to an integer n by adding 1.5 * 2^fraction_bits, whose low bits then hold n. `biased` are those bits with `bias`
/// added: shifted left by fraction_bits they are 2^(n + bias - Format::bias), with anything above dropped.
template <class C> struct Rounded {
    typename C::F n;
    typename C::I biased;
};
template <class C> Rounded<C> round_product(C& c, typename C::F x, double factor, int bias) {
    typename C::F magic = c.f(Format<C>::round_magic + bias);
    typename C::F shifted = multiply_add(c, x, c.f(factor), magic);
    return {shifted - magic, c.bits(shifted)};
}

} // namespace heddle::passes::math
