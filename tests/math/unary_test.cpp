// Unary f32 functions, some 2^20 inputs each: all exponents, both signs, the neighbours of every power of two, special values.
// heddle_math_sweep --full tries all 2^32.

#include "passes/math/error_function.h"
#include "passes/math/power.h"
#include "passes/math/trigonometric.h"
#include "tests/math/context_host.h"
#include "tests/math/functions.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace heddle::tests {

namespace math = passes::math;
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

class UnaryMath : public testing::TestWithParam<std::string_view> {
protected:
    const UnaryFunction& function() const { return *find_unary(GetParam()); }
    float at(Variant variant, float x) const {
        float y = 0;
        function().f32[static_cast<int>(variant)](std::span(&x, 1), std::span(&y, 1));
        return y;
    }
};

WorstOfVariants stratified(const UnaryFunction& function) {
    WorstOfVariants worst;
    const auto include = [&](std::uint64_t first, std::uint64_t last, std::uint64_t stride) {
        const WorstOfVariants part = sweep_patterns(function, first, last, stride);
        for (std::size_t v = 0; v < part.size(); ++v) worst[v].include(part[v].error, part[v].at);
    };
    for (std::uint64_t exponent = 0; exponent < 512; ++exponent) { // with the sign
        const std::uint64_t low = exponent << 23, high = low + (1 << 23) - 1;
        include(low, low + 15, 1);
        include(high - 15, high, 1);
        include(low + exponent % 4099, high, 4099);
    }
    return worst;
}

TEST_P(UnaryMath, IsWithinTwoUlpAndItsShortFormWithinTheErrorOfA16BitFloat) {
    const WorstOfVariants worst = stratified(function());
    for (Variant variant : variants) {
        const Worst& of = worst[static_cast<std::size_t>(variant)];
        EXPECT_LE(of.error, variant == Variant::half ? 0x1p-13 : 2.0)
            << name_of(variant) << " at " << std::hexfloat << of.at;
    }
}

/// The largest error of sin over what its bounds let go without a reduction.
template <bool fused> Worst worst_of_unreduced_sin() {
    HostContext<float, fused> c;
    Worst worst;
    const std::uint32_t limit = std::bit_cast<std::uint32_t>(static_cast<float>(math::unreduced_limit));
    for (std::uint32_t bits = 0; bits <= limit; bits += 1009) {
        for (float x : {std::bit_cast<float>(bits), -std::bit_cast<float>(bits)}) {
            const float y = math::sin(c, Real<float>{x}, {-math::unreduced_limit, math::unreduced_limit}).v;
            worst.include(ulps_between(y, std::sin(static_cast<double>(x))), x);
        }
    }
    return worst;
}

TEST(BoundedMath, SineOfASmallAngleIsWithinTwoUlpAndKeepsTheSignOfZero) {
    EXPECT_LE(worst_of_unreduced_sin<true>().error, 1.7)
        << std::hexfloat << worst_of_unreduced_sin<true>().at;
    EXPECT_LE(worst_of_unreduced_sin<false>().error, 1.7)
        << std::hexfloat << worst_of_unreduced_sin<false>().at;
}

/// A device that flushes subnormals, as the expansions see it; the host does not, so comparisons tell them from zeros.
struct FlushingContext : HostContext<float, true> {
    static constexpr bool flushes_subnormals() { return true; }
};

TEST(FlushedMath, LogarithmsOfSubnormalsAreThoseOfZeroAndAllOthersAreWhatTheyAre) {
    FlushingContext flushing;
    HostContext<float, true> keeping;
    const auto expect_equal = [](Real<float> flushed, Real<float> kept, float x) {
        ASSERT_TRUE(flushed.v == kept.v || (std::isnan(flushed.v) && std::isnan(kept.v)))
            << std::hexfloat << x << ": " << flushed.v << " and " << kept.v;
    };
    for (std::uint64_t bits = 0; bits < std::uint64_t{1} << 32; bits += bits % 0x800000 < 16 ? 1 : 4099) {
        const float x = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
        const float seen = std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0f, x) : x;
        expect_equal(math::log(flushing, {x}), math::log(keeping, {seen}), x);
        expect_equal(math::log2(flushing, {x}), math::log2(keeping, {seen}), x);
        expect_equal(math::log10(flushing, {x}), math::log10(keeping, {seen}), x);
        for (float y : {0.5f, -3.0f, 2.0f})
            expect_equal(math::power(flushing, {x}, {y}), math::power(keeping, {seen}, {y}), x);
    }
}

/// The largest absolute error of erf where it is only added to 1 or more.
template <bool fused> double error_of_added_erf() {
    HostContext<float, fused> c;
    double worst = 0;
    for (std::uint32_t bits = 0; bits < 0x7f800000; bits += 1009)
        for (float x : {std::bit_cast<float>(bits), -std::bit_cast<float>(bits)})
            worst = std::max(worst, std::fabs(math::erf(c, Real<float>{x}, 1).v - std::erf(double{x})));
    return worst;
}

TEST(BoundedMath, ErfThatIsOnlyAddedToOneIsWithinTwoUlpOfOneHalf) {
    EXPECT_LE(error_of_added_erf<true>(), 0x1p-23);
    EXPECT_LE(error_of_added_erf<false>(), 0x1.3p-23);
    HostContext<float, true> c;
    EXPECT_EQ(math::erf(c, Real<float>{INFINITY}, 1).v, 1);
    EXPECT_EQ(math::erf(c, Real<float>{-INFINITY}, 1).v, -1);
    EXPECT_TRUE(std::isnan(math::erf(c, Real<float>{NAN}, 1).v));
}

TEST_P(UnaryMath, KeepsNaNOfAnyPayload) {
    for (Variant variant : variants)
        for (std::uint32_t payload : {0x7fc00000u, 0x7f800001u, 0x7fffffffu, 0xffc00123u, 0xff800100u})
            EXPECT_TRUE(std::isnan(at(variant, std::bit_cast<float>(payload))))
                << name_of(variant) << std::hex << payload;
}

TEST_P(UnaryMath, ErrorsAreSeen) {
    // The measure itself: a result two units off is two units off.
    const float x = 0.6f;
    double exact = 0;
    function().reference(std::span(&x, 1), std::span(&exact, 1));
    if (std::isnan(exact)) exact = 1.25; // acosh
    const float off = std::nextafter(std::nextafter(static_cast<float>(exact), infinity), infinity);
    EXPECT_GT(ulps_between(off, exact), 1.4);
    EXPECT_EQ(ulps_between(nan, exact), std::numeric_limits<double>::infinity());
    EXPECT_EQ(ulps_between(0.0f, -0.0), std::numeric_limits<double>::infinity());
}

std::vector<std::string_view> names() {
    std::vector<std::string_view> result;
    for (const UnaryFunction& function : unary_functions()) result.push_back(function.name);
    return result;
}

INSTANTIATE_TEST_SUITE_P(All, UnaryMath, testing::ValuesIn(names()),
                         [](const auto& info) { return std::string(info.param); });

} // namespace
} // namespace heddle::tests
