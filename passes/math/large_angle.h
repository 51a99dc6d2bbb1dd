#pragma once
// Reduction of large angles (Payne and Hanek, "Radian reduction for trigonometric functions", 1983): |x| = m 2^e times those
// bits of 1 / pi that matter to the fraction and the parity, in 32-bit integers alone. Rare, so short rather than fast.

#include "passes/math/expansion.h"

#include <array>

namespace heddle::passes::math {

/// What is left of an angle: r - over, where over is what r gained by rounding.
template <class C> struct Remainder {
    typename C::F r;
    typename C::F over;
};

/// |x| = (n + offset) unit + remainder, at most unit / 2. `odd` has n's parity as its top bit.
template <class C> struct Reduced {
    Remainder<C> remainder;
    typename C::I odd;
};

enum class AngleUnit { pi, pi_offset_half, half_pi };

/// High 32 bits of a b, a below 2^24, both unsigned.
template <class C> typename C::I multiply_high(C& c, typename C::I a, typename C::I b) {
    typename C::I low_mask = c.i(0xffff);
    typename C::I a_low = a & low_mask, a_high = c.shift_right_logical(a, 16);
    typename C::I b_low = b & low_mask, b_high = c.shift_right_logical(b, 16);
    typename C::I middle = a_high * b_low + c.shift_right_logical(a_low * b_low, 16);
    typename C::I other = a_low * b_high + (middle & low_mask);
    return a_high * b_high + c.shift_right_logical(middle, 16) + c.shift_right_logical(other, 16);
}

/// 96 bits of 1 / pi from bit `first` on (0: 31 zero bits before the point's), for 0 <= first < 160.
template <class C> std::array<typename C::I, 3> bits_of_inverse_pi(C& c, typename C::I first) {
    constexpr std::int64_t words[8] = {0,          0x517cc1b7, 0x27220a94, 0xfe13abe8,
                                       0xfa9a6ee0, 0x6db14acc, 0x9e21c820, 0xff28b1d5};
    typename C::I word = first >> 5, shift = first & c.i(31);
    std::array<typename C::I, 4> window = {c.i(words[0]), c.i(words[1]), c.i(words[2]), c.i(words[3])};
    for (int w = 1; w <= 4; ++w) {
        typename C::M beyond = word >= c.i(w);
        for (int k = 0; k < 4; ++k) window[k] = c.select(beyond, c.i(words[w + k]), window[k]);
    }
    std::array<typename C::I, 3> bits = {window[0], window[1], window[2]};
    for (int k = 0; k < 3; ++k) {
        typename C::I next = c.shift_right_logical(c.shift_right_logical(window[k + 1], 1), c.i(31) - shift);
        bits[k] = (window[k] << shift) | next;
    }
    return bits;
}

/// For finite |x| >= 2^-8 (f32); infinities and NaN give NaN.
template <class C> Reduced<C> reduce_large(C& c, typename C::F magnitude, AngleUnit unit) {
    static_assert(!C::is_f64);
    typename C::I pattern = c.bits(magnitude);
    typename C::I mantissa = (pattern & c.i(0x7fffff)) | c.i(0x800000);
    // Bit `first` of 1 / pi has weight 1 when multiplied by the mantissa: the product mod 2 is all that counts.
    std::array<typename C::I, 3> window = bits_of_inverse_pi(c, (pattern >> 23) - c.i(127 - 8));
    typename C::I low_product = mantissa * window[1];
    typename C::I middle = low_product + multiply_high(c, mantissa, window[2]);
    typename C::I top = c.i(0x80000000);
    typename C::I carry = c.select((middle ^ top) < (low_product ^ top), c.i(1), c.i(0));
    typename C::I high = mantissa * window[0] + multiply_high(c, mantissa, window[1]) + carry;
    // high:middle is |x| / pi mod 2, with 63 bits after the point.
    if (unit == AngleUnit::half_pi) {
        high = (high << 1) | c.shift_right_logical(middle, 31);
        middle = middle << 1;
    }
    if (unit == AngleUnit::pi_offset_half) high = high + c.i(0x40000000);
    typename C::I odd = (high + c.i(0x40000000)) & top;
    typename C::I fraction = (high << 1) | c.shift_right_logical(middle, 31), rest = middle << 1;
    typename C::I negative = fraction & top, flip = fraction >> 31;
    fraction = fraction ^ flip;
    rest = rest ^ flip;
    // Five pieces of 12 bits; products of the upper two with a short pi are exact, so that only the last sum rounds.
    double scale = unit == AngleUnit::half_pi ? 0.5 : 1.0;
    auto piece = [&](typename C::I bits, double weight) { return c.to_float(bits) * c.f(weight * scale); };
    typename C::F first = piece(fraction >> 20, 0x1p-12);
    typename C::F second = piece((fraction >> 8) & c.i(0xfff), 0x1p-24);
    typename C::F third = piece(((fraction & c.i(0xff)) << 4) | c.shift_right_logical(rest, 28), 0x1p-36);
    typename C::F fourth = piece(c.shift_right_logical(rest, 4) & c.i(0xffffff), 0x1p-60);
    typename C::F pi = c.f(3.14159274), pi_high = c.f(3.1416015625), pi_low = c.f(-8.90891021e-06);
    typename C::F r = fourth * pi + third * pi;
    r = second * pi_high + (second * pi_low + r);
    typename C::F large = first * pi_high, small = first * pi_low + r;
    r = large + small + (magnitude - magnitude); // NaN of infinity
    typename C::F over = (r - large) - small;
    return {{flip_sign(c, r, negative), flip_sign(c, over, negative)}, odd};
}

} // namespace heddle::passes::math
