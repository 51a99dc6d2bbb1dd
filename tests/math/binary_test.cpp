// power, atan2, remainder and floor_divide: a grid of special values, and random pairs drawn where the functions are interesting.

#include "passes/math/inverse_trigonometric.h"
#include "passes/math/power.h"
#include "passes/math/remainder.h"
#include "tests/math/context_host.h"
#include "tests/math/functions.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace heddle::tests {
namespace {

namespace math = passes::math;

const std::vector<float> special = {0.0f,
                                    1.0f,
                                    2.0f,
                                    3.0f,
                                    0.5f,
                                    1.5f,
                                    7.0f,
                                    100.0f,
                                    0.1f,
                                    0.3f,
                                    1e10f,
                                    1e-10f,
                                    16777216.0f,
                                    16777215.0f,
                                    33554432.0f,
                                    0.99999994f,
                                    1.0000001f,
                                    1e-45f,
                                    1.17549435e-38f,
                                    3.4028235e38f,
                                    std::numeric_limits<float>::infinity(),
                                    std::numeric_limits<float>::quiet_NaN()};

struct WorstPair {
    double error = 0;
    float a = 0, b = 0;
};

template <class Function, class Reference, class Draw>
WorstPair worst_of(Function function, Reference reference, Draw draw) {
    WorstPair worst;
    const auto include = [&](float a, float b) {
        const double error = ulps_between(function(a, b), reference(a, b));
        if (error > worst.error) worst = {error, a, b};
    };
    for (float a : special)
        for (float b : special)
            for (int signs = 0; signs < 4; ++signs) include(signs & 1 ? -a : a, signs & 2 ? -b : b);
    std::mt19937_64 random(20240917);
    for (int k = 0; k < 400000; ++k) {
        const auto [a, b] = draw(random, k);
        include(a, b);
        const std::uint64_t bits = random(); // anything at all
        include(std::bit_cast<float>(static_cast<std::uint32_t>(bits)),
                std::bit_cast<float>(static_cast<std::uint32_t>(bits >> 32)));
    }
    return worst;
}

#define EXPECT_BOTH_WITHIN(bound, name, reference, draw)                                                     \
    do {                                                                                                     \
        const auto fused = [](float a, float b) {                                                            \
            HostContext<float, true> c;                                                                      \
            return math::name(c, Real<float>{a}, Real<float>{b}).v;                                          \
        };                                                                                                   \
        const auto unfused = [](float a, float b) {                                                          \
            HostContext<float, false> c;                                                                     \
            return math::name(c, Real<float>{a}, Real<float>{b}).v;                                          \
        };                                                                                                   \
        const WorstPair first = worst_of(fused, reference, draw),                                            \
                        second = worst_of(unfused, reference, draw);                                         \
        EXPECT_LE(first.error, bound) << "fused, at " << std::hexfloat << first.a << ", " << first.b;        \
        EXPECT_LE(second.error, bound) << "unfused, at " << std::hexfloat << second.a << ", " << second.b;   \
    } while (false)

using Random = std::mt19937_64;

float uniform(Random& random, double low, double high) {
    return static_cast<float>(std::uniform_real_distribution<double>(low, high)(random));
}

/// Bases of all sizes and near 1, exponents that bring the result anywhere between underflow and overflow; some integers.
std::pair<float, float> draw_power(Random& random, int k) {
    const double width = k % 3 == 0 ? 126 : k % 3 == 1 ? 2 : 0.1;
    const float base = std::exp2(uniform(random, -width, width));
    const double log = std::log2(static_cast<double>(base));
    float exponent = static_cast<float>(uniform(random, -160, 160) / (log == 0 ? 1 : log));
    if (k % 5 == 0) exponent = std::nearbyint(exponent);
    return {k % 10 == 0 ? -base : base, exponent};
}

/// Quotients from 2^-8 to 2^40.
std::pair<float, float> draw_ratio(Random& random, int k) {
    const float a = uniform(random, 1, 2), b = uniform(random, 1, 2);
    return {std::ldexp(k & 1 ? -a : a, k % 48 - 8), k & 2 ? -b : b};
}

double python_remainder(double a, double b) {
    const double rest = std::fmod(a, b);
    if (rest == 0) return std::copysign(0.0, b);
    return (rest < 0) != (b < 0) ? rest + b : rest;
}

/// Floor of the exact quotient. The quotient of two floats in 80-bit arithmetic is wrong by less than 1 where it matters.
double python_floor_divide(float a, float b) {
    if (b == 0 || std::isnan(a) || std::isnan(b)) return static_cast<double>(a) / static_cast<double>(b);
    if (std::isinf(a)) return std::numeric_limits<double>::quiet_NaN();
    if (std::isinf(b))
        return a != 0 && (a < 0) != (b < 0) ? -1.0 : static_cast<double>(a) / static_cast<double>(b);
    const long double exact = static_cast<long double>(a) / static_cast<long double>(b);
    long double floor = std::floor(exact);
    if (std::fabs(exact) < 0x1p40L) {
        const long double rest = static_cast<long double>(a) - floor * static_cast<long double>(b);
        if (b > 0 ? rest < 0 : rest > 0) floor -= 1;
    }
    if (floor == 0) return std::copysign(0.0, static_cast<double>(a) * (b < 0 ? -1.0 : 1.0));
    return static_cast<double>(floor);
}

TEST(BinaryMath, PowerIsWithinTwoUlpAndHasTheSpecialValuesOfC) {
    EXPECT_BOTH_WITHIN(
        2, power, [](float a, float b) { return std::pow(static_cast<double>(a), static_cast<double>(b)); },
        draw_power);
}

TEST(BinaryMath, Atan2IsWithinTwoUlpAndHasTheSpecialValuesOfC) {
    EXPECT_BOTH_WITHIN(
        2, atan2, [](float a, float b) { return std::atan2(static_cast<double>(a), static_cast<double>(b)); },
        draw_ratio);
}

TEST(BinaryMath, RemainderIsExactButForTheRoundingOfOneSum) {
    EXPECT_BOTH_WITHIN(0.5, remainder, [](float a, float b) { return python_remainder(a, b); }, draw_ratio);
}

TEST(BinaryMath, FloorDivideIsTheFloorOfTheExactQuotientRounded) {
    EXPECT_BOTH_WITHIN(0.5, floor_divide, python_floor_divide, draw_ratio);
}

} // namespace
} // namespace heddle::tests
