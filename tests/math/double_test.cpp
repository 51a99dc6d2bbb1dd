// The f64 functions against 113-bit arithmetic (libquadmath): some 2^17 inputs each, drawn from every exponent, from where
// functions bend, and around the limits of the reductions. Bounds are those of docs/math.md.

#include "passes/math/inverse_trigonometric.h"
#include "passes/math/power.h"
#include "passes/math/remainder.h"
#include "tests/math/context_host.h"
#include "tests/math/functions.h"

#include <gtest/gtest.h>
#include <quadmath.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace heddle::tests {
namespace {

namespace math = passes::math;
using Quad = __float128;

constexpr double infinity = std::numeric_limits<double>::infinity();

/// In units of the last place of a double at `exact`; special values must be alike.
double ulps(double got, Quad exact) {
    if (isnanq(exact) || std::isnan(got)) return isnanq(exact) && std::isnan(got) ? 0 : infinity;
    const Quad limit = scalbnq(1, 1024);
    const auto clamp = [&](Quad x) { return x > limit ? limit : x < -limit ? -limit : x; };
    if (exact == 0) return got == 0 && std::signbit(got) == (signbitq(exact) != 0) ? 0 : infinity;
    const int exponent = std::max(std::min(ilogbq(fabsq(clamp(exact))), 1023), -1022);
    return static_cast<double>(fabsq(clamp(got) - clamp(exact)) / scalbnq(1, exponent - 52));
}

Quad inverse_erf(Quad x) {
    const Quad a = fabsq(x);
    if (!(a < 1)) return a == 1 ? x * infinity : static_cast<Quad>(std::numeric_limits<double>::quiet_NaN());
    if (a == 0) return x;
    const Quad w = -log1pq(-a * a);
    Quad y = w < 5 ? a * 0.886227 * (1 + 0.13 * w) : sqrtq(w) - Quad(0.3);
    for (int k = 0; k < 12; ++k) {
        const Quad miss = a < Quad(0.5) ? erfq(y) - a : (1 - a) - erfcq(y);
        const Quad step = miss / (M_2_SQRTPIq * expq(-y * y));
        y -= step / (1 + y * step);
        if (fabsq(step) < y * Quad(1e-25)) break;
    }
    return copysignq(y, x);
}

struct Reference {
    std::string_view name;
    double bound;
    Quad (*exact)(Quad);
};

const Reference references[] = {
    {"exp", 2, expq},
    {"exp2", 2, exp2q},
    {"expm1", 2, expm1q},
    {"log", 2, logq},
    {"log2", 2, log2q},
    {"log10", 2, log10q},
    {"log1p", 2, log1pq},
    {"sin", 2, sinq},
    {"cos", 2, cosq},
    {"tan", 2, tanq},
    {"asin", 2, asinq},
    {"acos", 2, acosq},
    {"atan", 2, atanq},
    {"sinh", 2, sinhq},
    {"cosh", 2, coshq},
    {"tanh", 2, tanhq},
    {"asinh", 2, asinhq},
    {"acosh", 2, acoshq},
    {"atanh", 2, atanhq},
    {"erf", 2, erfq},
    {"erfinv", 2, inverse_erf},
    {"rsqrt", 2, [](Quad x) { return 1 / sqrtq(x); }},
    {"reciprocal", 0.5, [](Quad x) { return 1 / x; }},
};

std::vector<double> inputs() {
    std::vector<double> result;
    std::mt19937_64 random(20240917);
    for (std::uint64_t exponent = 0; exponent < 4096; ++exponent) { // with the sign
        const std::uint64_t low = exponent << 52;
        for (int k = 0; k < 6; ++k) result.push_back(std::bit_cast<double>(low | (random() >> 12)));
        for (std::uint64_t k : {std::uint64_t{0}, std::uint64_t{1}, (std::uint64_t{1} << 52) - 1})
            result.push_back(std::bit_cast<double>(low | k));
    }
    for (double width : {1.0, 2.0, 8.0, 40.0, 800.0, 1e5, 1e8, 3e9})
        for (int k = 0; k < 6000; ++k)
            result.push_back(std::uniform_real_distribution<double>(-width, width)(random));
    for (int k = 0; k < 4000; ++k)
        result.push_back(1 + std::ldexp(static_cast<double>(random() >> 12), -52 - k % 50));
    return result;
}

class DoubleMath : public testing::TestWithParam<Reference> {};

TEST_P(DoubleMath, IsWithinItsBoundWithAndWithoutFusedMultiplyAdd) {
    const UnaryFunction& function = *find_unary(GetParam().name);
    const std::vector<double> in = inputs();
    std::vector<double> fused(in.size()), unfused(in.size());
    function.f64[0](in, fused);
    function.f64[1](in, unfused);
    double worst[2] = {}, at[2] = {};
    for (std::size_t k = 0; k < in.size(); ++k) {
        const Quad exact = GetParam().exact(in[k]);
        const double errors[2] = {ulps(fused[k], exact), ulps(unfused[k], exact)};
        for (int v = 0; v < 2; ++v)
            if (errors[v] > worst[v]) worst[v] = errors[v], at[v] = in[k];
    }
    RecordProperty("fused_ulp", std::to_string(worst[0]));
    RecordProperty("unfused_ulp", std::to_string(worst[1]));
    EXPECT_LE(worst[0], GetParam().bound) << "fused, at " << std::hexfloat << at[0];
    EXPECT_LE(worst[1], GetParam().bound) << "unfused, at " << std::hexfloat << at[1];
}

INSTANTIATE_TEST_SUITE_P(All, DoubleMath, testing::ValuesIn(references),
                         [](const auto& info) { return std::string(info.param.name); });

template <class Call, class Exact, class Draw> double worst_pair(Call call, Exact exact, Draw draw) {
    std::mt19937_64 random(7);
    double worst = 0;
    for (int k = 0; k < 60000; ++k) {
        const auto [a, b] = draw(random, k);
        worst = std::max(worst, ulps(call(a, b), exact(a, b)));
    }
    return worst;
}

double uniform(std::mt19937_64& random, double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(random);
}

#define EXPECT_PAIRS_WITHIN(bound, name, exact, draw)                                                        \
    do {                                                                                                     \
        const auto fused = [](double a, double b) {                                                          \
            HostContext<double, true> c;                                                                     \
            return math::name(c, Real<double>{a}, Real<double>{b}).v;                                        \
        };                                                                                                   \
        const auto unfused = [](double a, double b) {                                                        \
            HostContext<double, false> c;                                                                    \
            return math::name(c, Real<double>{a}, Real<double>{b}).v;                                        \
        };                                                                                                   \
        EXPECT_LE(worst_pair(fused, exact, draw), bound) << "fused";                                         \
        EXPECT_LE(worst_pair(unfused, exact, draw), bound) << "unfused";                                     \
    } while (false)

std::pair<double, double> draw_power(std::mt19937_64& random, int k) {
    const double base = std::exp2(uniform(random, -1, 1) * (k % 3 == 0 ? 1020 : k % 3 == 1 ? 2 : 0.01));
    const double log = std::log2(base);
    return {base, uniform(random, -1080, 1080) / (log == 0 ? 1 : log)};
}

std::pair<double, double> draw_ratio(std::mt19937_64& random, int k) {
    const double a = uniform(random, 1, 2), b = uniform(random, 1, 2);
    return {std::ldexp(k & 1 ? -a : a, k % 200 - 8), k & 2 ? -b : b};
}

Quad python_remainder(double a, double b) {
    const Quad rest = fmodq(a, b);
    if (rest == 0) return copysignq(0, b);
    return (rest < 0) != (b < 0) ? rest + b : rest;
}

TEST(DoubleMathOfTwo, PowerIsWithinTwoUlp) {
    EXPECT_PAIRS_WITHIN(2, power, [](double a, double b) { return powq(a, b); }, draw_power);
}

TEST(DoubleMathOfTwo, Atan2IsWithinTwoUlp) {
    EXPECT_PAIRS_WITHIN(2, atan2, [](double a, double b) { return atan2q(a, b); }, draw_ratio);
}

TEST(DoubleMathOfTwo, RemainderIsExactButForTheRoundingOfOneSum) {
    EXPECT_PAIRS_WITHIN(0.5, remainder, python_remainder, draw_ratio);
}

TEST(DoubleMathOfTwo, FloorDivideIsTheFloorOfTheExactQuotientRounded) {
    const auto exact = [](double a, double b) -> Quad {
        const Quad floor = rintq((Quad(a) - python_remainder(a, b)) / b);
        return floor == 0 ? copysignq(0, Quad(a) / b) : floor;
    };
    EXPECT_PAIRS_WITHIN(1, floor_divide, exact, draw_ratio);
}

} // namespace
} // namespace heddle::tests
