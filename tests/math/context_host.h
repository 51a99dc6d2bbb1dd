#pragma once
// A context of the math library that computes at once, on one number; loops over it vectorise. It is what sweeps over all inputs use.

#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

namespace heddle::tests {

struct Mask {
    bool v;
    friend Mask operator&(Mask a, Mask b) { return {static_cast<bool>(a.v & b.v)}; }
    friend Mask operator|(Mask a, Mask b) { return {static_cast<bool>(a.v | b.v)}; }
    friend Mask operator!(Mask a) { return {!a.v}; }
};

template <class T> struct Real {
    T v;
    friend Real operator+(Real a, Real b) { return {a.v + b.v}; }
    friend Real operator-(Real a, Real b) { return {a.v - b.v}; }
    friend Real operator*(Real a, Real b) { return {a.v * b.v}; }
    friend Real operator/(Real a, Real b) { return {a.v / b.v}; }
    friend Real operator-(Real a) { return {-a.v}; }
    friend Mask operator<(Real a, Real b) { return {a.v < b.v}; }
    friend Mask operator<=(Real a, Real b) { return {a.v <= b.v}; }
    friend Mask operator>(Real a, Real b) { return {a.v > b.v}; }
    friend Mask operator>=(Real a, Real b) { return {a.v >= b.v}; }
    friend Mask operator==(Real a, Real b) { return {a.v == b.v}; }
    friend Mask operator!=(Real a, Real b) { return {a.v != b.v}; }
};

/// Two's complement: computed unsigned, compared and shifted right signed.
template <class T> struct Whole {
    T v;
    using U = std::make_unsigned_t<T>;
    friend Whole operator+(Whole a, Whole b) { return {static_cast<T>(U(a.v) + U(b.v))}; }
    friend Whole operator-(Whole a, Whole b) { return {static_cast<T>(U(a.v) - U(b.v))}; }
    friend Whole operator*(Whole a, Whole b) { return {static_cast<T>(U(a.v) * U(b.v))}; }
    friend Whole operator&(Whole a, Whole b) { return {a.v & b.v}; }
    friend Whole operator|(Whole a, Whole b) { return {a.v | b.v}; }
    friend Whole operator^(Whole a, Whole b) { return {a.v ^ b.v}; }
    friend Whole operator<<(Whole a, int count) { return {static_cast<T>(U(a.v) << count)}; }
    friend Whole operator>>(Whole a, int count) { return {a.v >> count}; }
    friend Whole operator<<(Whole a, Whole count) { return {static_cast<T>(U(a.v) << count.v)}; }
    friend Mask operator<(Whole a, Whole b) { return {a.v < b.v}; }
    friend Mask operator<=(Whole a, Whole b) { return {a.v <= b.v}; }
    friend Mask operator>(Whole a, Whole b) { return {a.v > b.v}; }
    friend Mask operator>=(Whole a, Whole b) { return {a.v >= b.v}; }
    friend Mask operator==(Whole a, Whole b) { return {a.v == b.v}; }
    friend Mask operator!=(Whole a, Whole b) { return {a.v != b.v}; }
};

template <class T, bool fused, bool half = false, bool native = false> struct HostContext {
    using F = Real<T>;
    using I = Whole<std::conditional_t<sizeof(T) == 8, std::int64_t, std::int32_t>>;
    using M = Mask;
    static constexpr bool is_f64 = sizeof(T) == 8;

    static constexpr bool fused_fma() { return fused; }
    static constexpr bool half_precision() { return half; }
    static constexpr bool flushes_subnormals() { return false; }

    static F f(double value) { return {static_cast<T>(value)}; }
    static I i(std::int64_t value) { return {static_cast<decltype(I::v)>(value)}; }
    static F fma(F a, F b, F c) { return {std::fma(a.v, b.v, c.v)}; }
    static F sqrt(F a) { return {std::sqrt(a.v)}; }
    static bool native_rsqrt() { return false; }
    static bool native_exp2() { return false; }
    static F rsqrt(F a) { return {1 / std::sqrt(a.v)}; }
    static F exp2(F a) { return {std::exp2(a.v)}; }
    static F quotient(F a, F b) {
        if (!native) return {a.v / b.v};
        const T exact = 1 / b.v;
        const T slope = std::isnormal(exact) ? std::nextafter(exact, T(0))
                        : std::isinf(exact)  ? exact
                                             : exact * 0;
        const T near = a.v * slope;
        return {std::fma(std::fma(-near, b.v, a.v), slope, near)};
    }
    static F abs(F a) { return {std::fabs(a.v)}; }
    static F floor(F a) { return {std::floor(a.v)}; }
    static F trunc(F a) { return {std::trunc(a.v)}; }
    static F round_even(F a) { return {std::nearbyint(a.v)}; }
    static F to_float(I a) { return {static_cast<T>(a.v)}; }
    static I bits(F a) { return {std::bit_cast<decltype(I::v)>(a.v)}; }
    static F from_bits(I a) { return {std::bit_cast<T>(a.v)}; }
    static F select(M m, F a, F b) { return {m.v ? a.v : b.v}; }
    static I select(M m, I a, I b) { return {m.v ? a.v : b.v}; }
    static I shift_right_logical(I a, int count) {
        return {static_cast<decltype(I::v)>(static_cast<typename I::U>(a.v) >> count)};
    }
    static I shift_right_logical(I a, I count) {
        return {static_cast<decltype(I::v)>(static_cast<typename I::U>(a.v) >> count.v)};
    }
    template <class Compute> static F rarely(M m, F usual, Compute compute) {
        if constexpr (fused)
            return m.v ? compute() : usual;
        else
            return select(m, compute(), usual);
    }
    static F spread(F a, F) { return a; }
    template <class Body> static F countdown(int count, F state, Body body) {
        for (int step = count; step-- > 0;) state = body(i(step), state);
        return state;
    }
};

} // namespace heddle::tests
