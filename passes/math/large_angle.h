#pragma once
// Reduction of large angles (Payne and Hanek, "Radian reduction for trigonometric functions", 1983): |x| = m 2^e times those
// bits of 1 / pi that matter to the fraction and the parity, in integers of the float's size. Rare, so short rather than fast.

#include "passes/math/expansion.h"

#include <array>
#include <cstdint>
#include <iterator>
#include <limits>

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

/// The high word of a b, unsigned, for an a of no more bits than a significand has.
template <class C> typename C::I multiply_high(C& c, typename C::I a, typename C::I b) {
    constexpr int half = Format<C>::width / 2;
    typename C::I low_mask = c.i((std::int64_t{1} << half) - 1);
    typename C::I a_low = a & low_mask, a_high = c.shift_right_logical(a, half);
    typename C::I b_low = b & low_mask, b_high = c.shift_right_logical(b, half);
    typename C::I middle = a_high * b_low + c.shift_right_logical(a_low * b_low, half);
    typename C::I other = a_low * b_high + (middle & low_mask);
    return a_high * b_high + c.shift_right_logical(middle, half) + c.shift_right_logical(other, half);
}

/// 1 / pi in words, after a word of zeros.
inline constexpr std::uint64_t inverse_pi_f32[] = {0,          0x517cc1b7, 0x27220a94, 0xfe13abe8,
                                                   0xfa9a6ee0, 0x6db14acc, 0x9e21c820, 0xff28b1d5};
inline constexpr std::uint64_t inverse_pi_f64[] = {0,
                                                   0x517cc1b727220a94,
                                                   0xfe13abe8fa9a6ee0,
                                                   0x6db14acc9e21c820,
                                                   0xff28b1d5ef5de2b0,
                                                   0xdb92371d2126e970,
                                                   0x0324977504e8c90e,
                                                   0x7f0ef58e5894d39f,
                                                   0x74411afa975da242,
                                                   0x74ce38135a2fbf20,
                                                   0x9cc8eb1cc1a99cfa,
                                                   0x4e422fc5defc941d,
                                                   0x8ffc4bffef02cc07,
                                                   0xf79788c5ad05368f,
                                                   0xb69b3f6793e584db,
                                                   0xa7a31fb34f2ff516,
                                                   0xba93dd63f5f2f8bd,
                                                   0x9e839cfbc5294975,
                                                   0x35fdafd88fc6ae84,
                                                   0x2b0198237e3db5d5};

/// Three words of 1 / pi from bit `first` on, where the table's word of zeros ends at the binary point.
template <class C> std::array<typename C::I, 3> bits_of_inverse_pi(C& c, typename C::I first) {
    constexpr int width = Format<C>::width, log_width = C::is_f64 ? 6 : 5;
    constexpr int count = C::is_f64 ? std::size(inverse_pi_f64) : std::size(inverse_pi_f32);
    const auto word_at = [&](int k) {
        return c.i(static_cast<std::int64_t>(C::is_f64 ? inverse_pi_f64[k] : inverse_pi_f32[k]));
    };
    typename C::I word = first >> log_width, shift = first & c.i(width - 1);
    std::array<typename C::I, 4> window = {word_at(0), word_at(1), word_at(2), word_at(3)};
    for (int w = 1; w + 4 <= count; ++w) {
        typename C::M beyond = word >= c.i(w);
        for (int k = 0; k < 4; ++k) window[k] = c.select(beyond, word_at(w + k), window[k]);
    }
    std::array<typename C::I, 3> bits = {window[0], window[1], window[2]};
    for (int k = 0; k < 3; ++k) {
        typename C::I next =
            c.shift_right_logical(c.shift_right_logical(window[k + 1], 1), c.i(width - 1) - shift);
        bits[k] = (window[k] << shift) | next;
    }
    return bits;
}

/// A fraction of a turn, high:low with the point before the top bit: fraction * pi * scale.
template <class C> Remainder<C> times_pi(C& c, typename C::I high, typename C::I low, double scale) {
    // Pieces of half a significand; products of the upper two with a short pi are exact, so that only the last sum rounds.
    constexpr int width = Format<C>::width, piece = C::is_f64 ? 26 : 12, rest = width - 2 * piece,
                  last = C::is_f64 ? 50 : 24;
    const auto part = [&](typename C::I bits, int places) {
        double weight = scale;
        for (int k = 0; k < places; ++k) weight *= 0.5;
        return c.to_float(bits) * c.f(weight);
    };
    typename C::I mask = c.i((std::int64_t{1} << piece) - 1), rest_mask = c.i((std::int64_t{1} << rest) - 1);
    typename C::F first = part(high >> (width - piece), piece);
    typename C::F second = part((high >> rest) & mask, 2 * piece);
    typename C::I middle =
        ((high & rest_mask) << (piece - rest)) | c.shift_right_logical(low, width - piece + rest);
    typename C::F third = part(middle, 3 * piece);
    typename C::I end = c.shift_right_logical(low, C::is_f64 ? 0 : 4) & c.i((std::int64_t{1} << last) - 1);
    typename C::F fourth = part(end, 3 * piece + last);
    typename C::F pi = c.f(pick<C>(3.14159274, 3.14159265358979312));
    typename C::F pi_high = c.f(pick<C>(3.1416015625, 3.14159268140792847));
    typename C::F pi_low = c.f(pick<C>(-8.90891021e-06, -2.78181352283342329e-8));
    typename C::F sum = second * pi_high + (second * pi_low + (fourth * pi + third * pi));
    typename C::F large = first * pi_high, small = first * pi_low + sum, r = large + small;
    return {r, (r - large) - small};
}

/// For finite |x| >= 1; infinities and NaN give NaN.
template <class C> Reduced<C> reduce_large(C& c, typename C::F magnitude, AngleUnit unit) {
    using F = Format<C>;
    constexpr int width = F::width;
    typename C::I pattern = c.bits(magnitude), hidden = c.i(std::int64_t{1} << F::fraction_bits);
    typename C::I mantissa = (pattern & (hidden - c.i(1))) | hidden;
    // Bit `first` of 1 / pi has weight 1 when multiplied by the mantissa: the product mod 2 is all that counts.
    typename C::I exponent = (pattern >> F::fraction_bits) - c.i(F::bias);
    std::array<typename C::I, 3> window = bits_of_inverse_pi(c, exponent - c.i(F::fraction_bits + 1 - width));
    typename C::I low_product = mantissa * window[1];
    typename C::I middle = low_product + multiply_high(c, mantissa, window[2]);
    typename C::I top = c.i(std::numeric_limits<std::int64_t>::min() >> (64 - width));
    typename C::I quarter = c.i(std::int64_t{1} << (width - 2));
    typename C::I carry = c.select((middle ^ top) < (low_product ^ top), c.i(1), c.i(0));
    typename C::I high = mantissa * window[0] + multiply_high(c, mantissa, window[1]) + carry;
    // high:middle is |x| / pi mod 2, with the point after the top bit.
    if (unit == AngleUnit::half_pi) {
        high = (high << 1) | c.shift_right_logical(middle, width - 1);
        middle = middle << 1;
    }
    if (unit == AngleUnit::pi_offset_half) high = high + quarter;
    typename C::I odd = (high + quarter) & top;
    typename C::I fraction = (high << 1) | c.shift_right_logical(middle, width - 1), rest = middle << 1;
    typename C::I negative = fraction & top, flip = fraction >> (width - 1);
    Remainder<C> result = times_pi(c, fraction ^ flip, rest ^ flip, unit == AngleUnit::half_pi ? 0.5 : 1.0);
    typename C::F r = c.select(magnitude < c.f(F::infinity), flip_sign(c, result.r, negative), c.f(F::nan));
    return {{r, flip_sign(c, result.over, negative)}, odd};
}

} // namespace heddle::passes::math
