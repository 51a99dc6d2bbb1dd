// The math rows in kernels, through expand-math and LLVM, are bit for bit what the expansions compute on the host: scalars and
// vectors, f32 and f64, 16-bit floats by the short forms. So the host's sweeps hold for kernels.

#include "passes/expand_math.h"
#include "passes/math/exponential.h"
#include "passes/math/inverse_trigonometric.h"
#include "passes/math/power.h"
#include "passes/math/remainder.h"
#include "support/numeric.h"
#include "tests/codegen/llvm_run.h"
#include "tests/math/context_host.h"
#include "tests/math/functions.h"

#include <bit>
#include <cmath>
#include <gtest/gtest.h>

namespace heddle::tests {
namespace {

namespace math = passes::math;
using codegen::cpu::testing::Draft;
using codegen::cpu::testing::Elements;
using ir::KernelBuilder;
using ir::NodeId;
using ir::Op;

constexpr std::size_t count = 611; ///< odd: a tail, in which masked lanes hold whatever they hold

bool is_fused() { return codegen::cpu::testing::device().info().target.fused_fma; }

/// The results of body on the elements of x (and y), one kernel.
std::vector<u64> run(Dtype dtype, u32 lanes, std::vector<std::vector<u64>> operands,
                     const std::function<NodeId(KernelBuilder&, std::span<const NodeId>)>& body) {
    Draft draft;
    const std::vector<Dtype> inputs(operands.size(), dtype);
    codegen::cpu::testing::make_pointwise(draft, inputs, dtype, lanes, body);
    std::vector<Elements> buffers;
    for (const std::vector<u64>& operand : operands) buffers.push_back({dtype, operand});
    buffers.push_back({dtype, std::vector<u64>(operands[0].size())});
    codegen::cpu::testing::run(draft, buffers, {.symbols = {static_cast<i64>(operands[0].size())}});
    return buffers.back().bits;
}

void expect_same(Dtype dtype, const std::vector<u64>& got, const std::vector<u64>& expected,
                 const std::vector<u64>& x) {
    for (std::size_t i = 0; i < got.size(); ++i) {
        const bool nan = std::isnan(value_of(dtype, expected[i])) && std::isnan(value_of(dtype, got[i]));
        EXPECT_TRUE(nan || got[i] == expected[i])
            << name_of(dtype) << " at " << value_of(dtype, x[i]) << ": " << value_of(dtype, got[i])
            << ", on the host " << value_of(dtype, expected[i]);
    }
}

/// Random numbers and special values, and angles on both sides of the limits of the reduction.
std::vector<u64> inputs(Dtype dtype, u32 seed) {
    std::vector<u64> result = codegen::cpu::testing::interesting(dtype, count - 64, seed);
    for (int k = 0; k < 64; ++k) result.push_back(bits_of(dtype, std::ldexp(k & 1 ? -1.7 : 1.3, k - 30)));
    return result;
}

class MathKernels : public testing::TestWithParam<std::string_view> {
protected:
    const UnaryFunction& function() const { return *find_unary(GetParam()); }
    NodeId apply(KernelBuilder& k, NodeId x) const { return k.unary(*ir::op_named(GetParam()), x); }
};

TEST_P(MathKernels, ComputeWhatTheHostDoesInF32) {
    const std::vector<u64> x = inputs(Dtype::f32, 11);
    std::vector<float> in, out(x.size());
    for (u64 bits : x) in.push_back(std::bit_cast<float>(static_cast<u32>(bits)));
    function().f32[is_fused() ? 0 : 1](in, out);
    std::vector<u64> expected;
    for (float y : out) expected.push_back(std::bit_cast<u32>(y));
    for (u32 lanes : {1u, 4u, 16u})
        expect_same(
            Dtype::f32,
            run(Dtype::f32, lanes, {x}, [&](auto& k, auto operands) { return apply(k, operands[0]); }),
            expected, x);
}

TEST_P(MathKernels, ComputeWhatTheHostDoesInF64) {
    const std::vector<u64> x = inputs(Dtype::f64, 12);
    std::vector<double> in, out(x.size());
    for (u64 bits : x) in.push_back(std::bit_cast<double>(bits));
    function().f64[is_fused() ? 0 : 1](in, out);
    std::vector<u64> expected;
    for (double y : out) expected.push_back(std::bit_cast<u64>(y));
    for (u32 lanes : {1u, 8u})
        expect_same(
            Dtype::f64,
            run(Dtype::f64, lanes, {x}, [&](auto& k, auto operands) { return apply(k, operands[0]); }),
            expected, x);
}

TEST_P(MathKernels, TakeTheShortFormFor16BitFloats) {
    if (!is_fused())
        GTEST_FAIL() << "the host's short forms are the fused ones; this machine has no fused multiply-add";
    for (Dtype dtype : {Dtype::f16, Dtype::bf16}) {
        const std::vector<u64> x = codegen::cpu::testing::interesting(dtype, count, 13);
        std::vector<float> in, out(x.size());
        for (u64 bits : x) in.push_back(static_cast<float>(value_of(dtype, bits)));
        function().f32[static_cast<int>(Variant::half)](in, out);
        std::vector<u64> expected;
        for (float y : out) expected.push_back(bits_of(dtype, static_cast<double>(y)));
        expect_same(dtype, run(dtype, 16, {x}, [&](auto& k, auto operands) { return apply(k, operands[0]); }),
                    expected, x);
    }
}

std::vector<std::string_view> names() {
    std::vector<std::string_view> result;
    for (const UnaryFunction& function : unary_functions()) result.push_back(function.name);
    return result;
}
INSTANTIATE_TEST_SUITE_P(All, MathKernels, testing::ValuesIn(names()),
                         [](const auto& info) { return std::string(info.param); });

#define EXPECT_BINARY(name)                                                                                  \
    do {                                                                                                     \
        const std::vector<u64> x = inputs(Dtype::f32, 14),                                                   \
                               y = codegen::cpu::testing::interesting(Dtype::f32, count, 15);                \
        std::vector<u64> expected;                                                                           \
        for (std::size_t i = 0; i < count; ++i) {                                                            \
            const Real<float> a{std::bit_cast<float>(static_cast<u32>(x[i]))};                               \
            const Real<float> b{std::bit_cast<float>(static_cast<u32>(y[i]))};                               \
            HostContext<float, true> fused;                                                                  \
            HostContext<float, false> unfused;                                                               \
            const float result = is_fused() ? math::name(fused, a, b).v : math::name(unfused, a, b).v;       \
            expected.push_back(std::bit_cast<u32>(result));                                                  \
        }                                                                                                    \
        for (u32 lanes : {1u, 16u}) {                                                                        \
            const auto body = [](auto& k, auto operands) {                                                   \
                return k.binary(*ir::op_named(#name), operands[0], operands[1]);                             \
            };                                                                                               \
            expect_same(Dtype::f32, run(Dtype::f32, lanes, {x, y}, body), expected, x);                      \
        }                                                                                                    \
    } while (false)

TEST(MathKernelsOfTwo, ComputeWhatTheHostDoes) {
    EXPECT_BINARY(power);
    EXPECT_BINARY(atan2);
    EXPECT_BINARY(remainder);
    EXPECT_BINARY(floor_divide);
}

TEST(MathKernelsOfBoundedArguments, TakeTheFormThatTheBoundAllows) {
    const std::vector<u64> x = inputs(Dtype::f32, 16);
    std::vector<u64> expected;
    for (u64 bits : x) {
        HostContext<float, true> c;
        const float value = -std::fabs(std::bit_cast<float>(static_cast<u32>(bits)));
        expected.push_back(
            std::bit_cast<u32>(math::exp(c, Real<float>{value}, math::Interval{-INFINITY, 0}).v));
    }
    if (!is_fused()) GTEST_FAIL() << "this machine has no fused multiply-add";
    const auto body = [](auto& k, auto operands) {
        return k.unary(Op::exp, k.unary(Op::neg, k.unary(Op::abs, operands[0])));
    };
    expect_same(Dtype::f32, run(Dtype::f32, 16, {x}, body), expected, x);
}

/// Nodes of a kernel that applies one op to a load, after expand-math.
std::size_t size_after_expansion(Op op, bool bounded) {
    ir::Module module;
    ir::Function& kernel = module.add_kernel("k");
    ir::set_kernel_info(kernel, {.target = ir::TargetKind::cpu, .grid = {module.dims.constant(1)}});
    KernelBuilder k(kernel);
    const NodeId pointer = k.pointer("x", Dtype::f32), i = k.index(0);
    NodeId x = k.load(pointer, i, 16);
    if (bounded) x = k.unary(Op::tanh, x); // within [-1, 1]
    k.store(k.unary(op, x), pointer, i);
    if (bounded) k.store(x, pointer, i);
    ir::Target target;
    target.fused_fma = true;
    return passes::expand_math(kernel, target).size();
}

TEST(MathKernelsOfBoundedArguments, AreShorter) {
    const std::size_t tanh = size_after_expansion(Op::tanh, false);
    for (Op op : {Op::exp, Op::sin, Op::cos, Op::tan})
        EXPECT_LT(size_after_expansion(op, true), size_after_expansion(op, false) + tanh - 5)
            << ir::info(op).text;
}

} // namespace
} // namespace heddle::tests
