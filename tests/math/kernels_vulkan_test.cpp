// The math rows in kernels on the Vulkan device, against double precision. Drivers round division and square root as
// correct-division leaves them (the nearest float or its neighbour), so results are measured here, not compared bit for bit.

#include "tests/codegen/spirv_run.h"
#include "tests/math/functions.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <gtest/gtest.h>
#include <iostream>
#include <random>
#include <span>

namespace heddle::tests {
namespace {

using namespace codegen::testing;
using ir::NodeId;

/// Every exponent of a normal number, both signs, a few random fractions; and numbers of ordinary size.
std::vector<float> inputs() {
    std::mt19937 random(31);
    std::vector<float> result{0.0f, -0.0f, INFINITY, -INFINITY, NAN, 1.0f, -1.0f};
    for (std::uint32_t exponent = 1; exponent < 255; ++exponent)
        for (std::uint32_t k = 0; k < 8; ++k)
            result.push_back(std::bit_cast<float>((k & 1) << 31 | exponent << 23 |
                                                  (static_cast<std::uint32_t>(random()) & 0x7fffff)));
    while (result.size() < 8192) result.push_back(std::uniform_real_distribution<float>(-4, 4)(random));
    return result;
}

class MathOnVulkan : public testing::TestWithParam<std::string_view> {};

TEST_P(MathOnVulkan, IsWithinTwoUlpAndWhatDivisionMayAdd) {
    const UnaryFunction& function = *find_unary(GetParam());
    const std::vector<float> x = inputs();
    Bytes in = bytes_of(x), out(in.size());
    TestKernel k("math");
    const NodeId px = k.build.pointer("x", Dtype::f32), py = k.build.pointer("y", Dtype::f32);
    const NodeId n = k.size("n"), i = k.build.mul(k.global_index(), k.build.index(4));
    k.below(i, n, [&] {
        const NodeId a = k.build.load(px, i, 4, {.align = 16});
        k.build.store(k.build.unary(*ir::op_named(GetParam()), a), py, i, {.align = 16});
    });
    const auto count = static_cast<i64>(x.size());
    codegen::testing::run(k, {&in, &out}, {{"n", count}, {"blocks", count / 256}});
    const std::vector<float> y = values_of<float>(out);
    std::vector<double> exact(x.size());
    function.reference(x, exact);
    Worst worst;
    for (std::size_t j = 0; j < x.size(); ++j) {
        if (std::fabs(exact[j]) < 0x1p-126 && std::fabs(y[j]) <= 0x1p-126f && exact[j] != 0)
            continue; // may be flushed
        worst.include(ulps_between(y[j], exact[j]), x[j]);
    }
    std::cout << vulkan_device().info().name << ": " << worst.error << " ulp at " << worst.at << "\n";
    RecordProperty("ulp", std::to_string(worst.error));
    EXPECT_LE(worst.error, 2.5) << "at " << std::hexfloat << worst.at;
}

/// What is stored of `body` of two inputs, four lanes at a time.
template <class Body> std::vector<float> stored(std::span<const float> a, std::span<const float> b,
                                                u32 results, const Body& body,
                                                const ir::Target& target = vulkan_device().info().target) {
    Bytes in_a = bytes_of(std::vector(a.begin(), a.end())), in_b = bytes_of(std::vector(b.begin(), b.end()));
    Bytes out(results * in_a.size());
    TestKernel k("quotient");
    const NodeId pa = k.build.pointer("a", Dtype::f32), pb = k.build.pointer("b", Dtype::f32);
    const NodeId py = k.build.pointer("y", Dtype::f32);
    const NodeId n = k.size("n"), i = k.build.mul(k.global_index(), k.build.index(4));
    k.below(i, n, [&] {
        const std::vector<NodeId> values =
            body(k.build, k.build.load(pa, i, 4, {}), k.build.load(pb, i, 4, {}));
        for (u32 r = 0; r < results; ++r)
            k.build.store(values[r], py, k.build.add(i, k.build.mul(n, k.build.index(r))), {});
    });
    const auto count = static_cast<i64>(a.size());
    codegen::testing::run(k, {&in_a, &in_b, &out}, {{"n", count}, {"blocks", count / 256}}, target);
    return values_of<float>(out);
}

/// Subnormal and normal arguments: right, or where subnormals are flushed as of zero.
void expect_logarithms(const ir::Target& target) {
    std::vector<float> x;
    for (std::uint32_t k = 0; k < 2048; ++k) x.push_back(std::bit_cast<float>(1 + k * 8191));
    const auto logarithms = [](ir::KernelBuilder& k, NodeId a, NodeId) {
        return std::vector{k.unary(ir::Op::log, a), k.unary(ir::Op::log2, a), k.unary(ir::Op::log10, a)};
    };
    const std::vector<float> y = stored(x, x, 3, logarithms, target);
    for (std::size_t j = 0; j < x.size(); ++j) {
        const bool flushed = target.flushes_subnormals && std::fpclassify(x[j]) == FP_SUBNORMAL;
        const double log = flushed ? -INFINITY : std::log(static_cast<double>(x[j]));
        const double exact[] = {log, log / std::log(2.0), log / std::log(10.0)};
        for (std::size_t r = 0; r < 3; ++r)
            EXPECT_LE(ulps_between(y[r * x.size() + j], exact[r]), 2.0) << std::hexfloat << x[j];
    }
}

TEST(LogarithmsOnVulkan, OfSubnormalsAreRightWhereTheDeviceKeepsThem) {
    expect_logarithms(vulkan_device().info().target);
    RecordProperty("flushes_subnormals", vulkan_device().info().target.flushes_subnormals);
}
TEST(LogarithmsOnVulkan, OfSubnormalsAreThoseOfZeroWhereTheyAreFlushedHoweverTheDeviceCompares) {
    ir::Target target = vulkan_device().info().target;
    target.flushes_subnormals = true;
    expect_logarithms(target);
}

/// Where nothing on the way is subnormal a quotient is the nearest float or its neighbour, or what IEEE says of zeros and infinities.
template <class Divisor> void expect_quotients(const Divisor& divisor_of) {
    const std::vector<float> a = inputs();
    std::vector<float> b = a;
    std::ranges::shuffle(b, std::mt19937(7));
    const std::vector<float> y = stored(a, b, 2, [&](ir::KernelBuilder& k, NodeId x, NodeId z) {
        const NodeId divisor = divisor_of(k, z);
        return std::vector{k.binary(ir::Op::div, x, divisor), divisor};
    });
    for (std::size_t j = 0; j < a.size(); ++j) {
        const float divisor = y[a.size() + j];
        const double exact = static_cast<double>(a[j]) / static_cast<double>(divisor);
        // There residuals or corrections are subnormal, and may be flushed.
        const bool corrected = std::fabs(exact) >= 0x1p-100 && std::fabs(a[j]) >= 0x1p-100f;
        if (!corrected && exact != 0 && std::isfinite(exact)) continue;
        EXPECT_LE(ulps_between(y[j], exact), 1.0)
            << std::hexfloat << a[j] << " / " << divisor << " = " << y[j];
    }
}

TEST(QuotientsOnVulkan, ByWhatIsOneOrMore) {
    expect_quotients([](ir::KernelBuilder& k, NodeId x) {
        return k.add(k.unary(ir::Op::abs, x), k.number(Dtype::f32, 1));
    });
}
TEST(QuotientsOnVulkan, ByARoot) {
    expect_quotients([](ir::KernelBuilder& k, NodeId x) {
        return k.mul(k.unary(ir::Op::sqrt, x), k.number(Dtype::f32, 0.2));
    });
}
TEST(QuotientsOnVulkan, ByAnything) {
    expect_quotients([](ir::KernelBuilder&, NodeId x) { return x; });
}

/// The error in units of a 16-bit float: 2^-24 (bf16 2^-133) at least.
double units_of(Dtype dtype, double got, double exact) {
    const bool half = dtype == Dtype::f16;
    const double largest = half ? 65504 : 0x1.fep127;
    if (std::isnan(exact) || std::isnan(got)) return std::isnan(exact) && std::isnan(got) ? 0 : INFINITY;
    if (std::isinf(got)) return std::fabs(exact) > largest ? 0 : INFINITY;
    const int exponent = std::max(exact == 0 ? -1000 : std::ilogb(exact), half ? -14 : -126);
    return std::fabs(got - exact) / std::ldexp(1.0, exponent - (half ? 10 : 7));
}

class RoundedMathOnVulkan : public testing::TestWithParam<std::string_view> {};

TEST_P(RoundedMathOnVulkan, IsWithinThreeQuartersOfAUnit) {
    const std::vector<float> x = inputs();
    std::vector<double> exact(x.size());
    find_unary(GetParam())->reference(x, exact);
    for (Dtype dtype : {Dtype::f16, Dtype::bf16}) {
        const std::vector<float> y = stored(x, x, 1, [&](ir::KernelBuilder& k, NodeId a, NodeId) {
            return std::vector{k.cast(k.cast(k.unary(*ir::op_named(GetParam()), a), dtype), Dtype::f32)};
        });
        for (std::size_t j = 0; j < x.size(); ++j) {
            if (std::fabs(exact[j]) < 0x1p-126) continue; // may be flushed
            EXPECT_LE(units_of(dtype, y[j], exact[j]), 0.75)
                << name_of(dtype) << " " << std::hexfloat << x[j] << " gives " << y[j];
        }
    }
}

std::vector<std::string_view> names() {
    std::vector<std::string_view> result;
    for (const UnaryFunction& function : unary_functions()) result.push_back(function.name);
    return result;
}
INSTANTIATE_TEST_SUITE_P(All, MathOnVulkan, testing::ValuesIn(names()),
                         [](const auto& info) { return std::string(info.param); });
INSTANTIATE_TEST_SUITE_P(All, RoundedMathOnVulkan, testing::ValuesIn(names()),
                         [](const auto& info) { return std::string(info.param); });

} // namespace
} // namespace heddle::tests
