// The math rows in kernels on the Vulkan device, against double precision. Drivers round division and square root as
// correct-division leaves them (the nearest float or its neighbour), so results are measured here, not compared bit for bit.

#include "tests/codegen/spirv_run.h"
#include "tests/math/functions.h"

#include <bit>
#include <cmath>
#include <gtest/gtest.h>
#include <iostream>
#include <random>

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

std::vector<std::string_view> names() {
    std::vector<std::string_view> result;
    for (const UnaryFunction& function : unary_functions()) result.push_back(function.name);
    return result;
}
INSTANTIATE_TEST_SUITE_P(All, MathOnVulkan, testing::ValuesIn(names()),
                         [](const auto& info) { return std::string(info.param); });

} // namespace
} // namespace heddle::tests
