// Every elementwise row on every dtype that it takes, and every conversion, on the CPU against the op table's own definitions.

#include "ir/scalar.h"
#include "support/numeric.h"
#include "tests/codegen/llvm_run.h"

#include <cmath>
#include <gtest/gtest.h>

namespace heddle::codegen::cpu::testing {
namespace {

using namespace ir;

constexpr std::size_t count = 203; ///< odd: every test has a tail

constexpr Dtype dtypes[] = {Dtype::boolean, Dtype::i8,  Dtype::i16, Dtype::i32, Dtype::i64,
                            Dtype::u8,      Dtype::u16, Dtype::u32, Dtype::u64, Dtype::f16,
                            Dtype::bf16,    Dtype::f32, Dtype::f64};

bool takes(OpDomain domain, Dtype dtype) {
    switch (domain) {
    case OpDomain::any: return true;
    case OpDomain::number: return dtype != Dtype::boolean;
    case OpDomain::floating: return is_float(dtype);
    case OpDomain::integer: return is_integer(dtype);
    case OpDomain::bits: return !is_float(dtype);
    case OpDomain::boolean: return dtype == Dtype::boolean;
    }
    return false;
}

bool is_nan(Dtype dtype, u64 bits) { return is_float(dtype) && std::isnan(value_of(dtype, bits)); }

/// Exact, but any NaN is a NaN, and a zero from minimum or maximum may have either sign.
bool same(Op op, Dtype dtype, u64 expected, u64 given) {
    if (expected == given) return true;
    if (is_nan(dtype, expected)) return is_nan(dtype, given);
    if (!is_float(dtype)) return false;
    const double a = value_of(dtype, expected), b = value_of(dtype, given);
    if ((op == Op::minimum || op == Op::maximum || op == Op::maximum_number) && a == 0 && b == 0) return true;
    // f16 and bf16 are computed in f32: a fused multiply-add is rounded twice there.
    if (op == Op::fma && size_of(dtype) == 2)
        return std::abs(static_cast<int>(expected) - static_cast<int>(given)) <= 1;
    return false;
}

struct Row {
    Op op;
    Dtype dtype;
};

/// Rows that are arithmetic; the math rows have bounds of their own, in tests/math.
std::vector<Row> rows() {
    std::vector<Row> result;
#define OP(id, text, arity, kind, domain, traits)                                                            \
    if (is_elementwise(Op::id) && Op::id != Op::cast && Op::id != Op::bitcast)                               \
        for (Dtype dtype : dtypes)                                                                           \
            if (takes(OpDomain::domain, dtype)) result.push_back({Op::id, dtype});
#include "ir/ops.def"
    std::erase_if(result, [](const Row& row) {
        const bool expanded = info(row.op).has(Traits::math) || row.op == Op::floor_divide ||
                              row.op == Op::remainder || row.op == Op::reciprocal;
        return is_float(row.dtype) && expanded;
    });
    return result;
}

class Rows : public ::testing::TestWithParam<Row> {};

TEST_P(Rows, agrees_with_its_definition) {
    const auto [op, dtype] = GetParam();
    const auto arity = static_cast<std::size_t>(info(op).arity);
    std::vector<Dtype> inputs(arity, dtype);
    if (op == Op::select) inputs[0] = Dtype::boolean;
    const bool predicate = info(op).kind == OpKind::predicate;
    for (u32 lanes : {1u, 16u}) {
        Draft draft;
        make_pointwise(draft, inputs, predicate ? Dtype::boolean : dtype, lanes,
                       [&](KernelBuilder& k, std::span<const NodeId> x) {
                           return arity == 1   ? k.unary(op, x[0])
                                  : arity == 2 ? k.binary(op, x[0], x[1])
                                               : k.ternary(op, x[0], x[1], x[2]);
                       });
        std::vector<Elements> buffers;
        for (std::size_t k = 0; k < arity; ++k)
            buffers.push_back({inputs[k], interesting(inputs[k], count, static_cast<u32>(k + 1))});
        buffers.push_back({predicate ? Dtype::boolean : dtype, std::vector<u64>(count)});
        run(draft, buffers, {.symbols = {count}});
        for (std::size_t i = 0; i < count; ++i) {
            Scalar x[3];
            for (std::size_t k = 0; k < arity; ++k) x[k] = scalar_of(inputs[k], buffers[k].bits[i]);
            const auto value = evaluate(op, dtype, x[0], x[1], x[2]);
            ASSERT_TRUE(value.has_value());
            const u64 expected = predicate ? static_cast<u64>(value->whole) : ir::bits_of(dtype, *value);
            EXPECT_TRUE(same(op, predicate ? Dtype::boolean : dtype, expected, buffers[arity].bits[i]))
                << info(op).text << " " << name_of(dtype) << " lanes " << lanes << " at " << i
                << ": operands " << std::hex << buffers[0].bits[i] << " "
                << (arity > 1 ? buffers[1].bits[i] : 0) << " expected " << expected << " given "
                << buffers[arity].bits[i];
        }
    }
}

std::string row_name(const ::testing::TestParamInfo<Row>& info) {
    return std::string(ir::info(info.param.op).text) + "_" + std::string(name_of(info.param.dtype));
}
INSTANTIATE_TEST_SUITE_P(Llvm, Rows, ::testing::ValuesIn(rows()), row_name);

class Casts : public ::testing::TestWithParam<Dtype> {};

TEST_P(Casts, to_every_dtype_agree_with_the_definition) {
    const Dtype from = GetParam();
    for (Dtype to : dtypes) {
        if (from == to) continue;
        Draft draft;
        make_pointwise(draft, std::array{from}, to, 8,
                       [&](KernelBuilder& k, std::span<const NodeId> x) { return k.cast(x[0], to); });
        std::vector<Elements> buffers{{from, interesting(from, 1003, 7)}, {to, std::vector<u64>(1003)}};
        run(draft, buffers, {.symbols = {1003}});
        for (std::size_t i = 0; i < 1003; ++i) {
            const u64 expected = ir::bits_of(to, convert(from, to, scalar_of(from, buffers[0].bits[i])));
            EXPECT_TRUE(same(Op::cast, to, expected, buffers[1].bits[i]))
                << name_of(from) << " to " << name_of(to) << ": " << std::hex << buffers[0].bits[i]
                << " expected " << expected << " given " << buffers[1].bits[i];
        }
    }
}
INSTANTIATE_TEST_SUITE_P(Llvm, Casts, ::testing::ValuesIn(dtypes),
                         [](const auto& info) { return std::string(name_of(info.param)); });

TEST(Llvm, a_chain_in_f16_is_rounded_once) {
    Draft draft;
    make_pointwise(draft, std::array{Dtype::f16}, Dtype::f16, 16,
                   [](KernelBuilder& k, std::span<const NodeId> x) {
                       const NodeId third = k.div(x[0], k.number(Dtype::f16, 3));
                       return k.mul(third, k.number(Dtype::f16, 3));
                   });
    std::vector<Elements> buffers{{Dtype::f16, interesting(Dtype::f16, 100, 3)},
                                  {Dtype::f16, std::vector<u64>(100)}};
    run(draft, buffers, {.symbols = {100}});
    for (std::size_t i = 0; i < 100; ++i) {
        const float x = static_cast<float>(f16_value(static_cast<u16>(buffers[0].bits[i])));
        const u64 expected = f16_bits(x / 3.0f * 3.0f);
        EXPECT_TRUE(same(Op::mul, Dtype::f16, expected, buffers[1].bits[i])) << x;
    }
}

TEST(Llvm, one_large_angle_among_small_ones_takes_the_long_way) {
    const std::vector<float> angles{0.5f, -1, 1e10f, 3, 1e30f, 0, 2, 7};
    Draft draft;
    make_pointwise(draft, std::array{Dtype::f32}, Dtype::f32, 4,
                   [](KernelBuilder& k, std::span<const NodeId> x) { return k.unary(Op::sin, x[0]); });
    std::vector<Elements> buffers{{Dtype::f32, floats(angles)}, {Dtype::f32, std::vector<u64>(8)}};
    run(draft, buffers, {.symbols = {8}});
    for (std::size_t i = 0; i < angles.size(); ++i) {
        // 2 ulp of results up to 1.
        EXPECT_NEAR(value_of(Dtype::f32, buffers[1].bits[i]), std::sin(double{angles[i]}), 1.2e-7)
            << angles[i];
    }
}

TEST(Llvm, bfloat_rounds_to_nearest_even_and_keeps_nan_quiet) {
    Draft draft;
    make_pointwise(draft, std::array{Dtype::f32}, Dtype::bf16, 16,
                   [](KernelBuilder& k, std::span<const NodeId> x) { return k.cast(x[0], Dtype::bf16); });
    // Ties to both sides, overflow to infinity, NaN whose payload lies in the low bits alone.
    std::vector<Elements> buffers{{Dtype::f32,
                                   {0x3F808000, 0x3F818000, 0x3F808001, 0x3F807FFF, 0x7F7FFFFF, 0x7F800001,
                                    0xFF800001, 0x00008000, 0x80000000}},
                                  {Dtype::bf16, std::vector<u64>(9)}};
    run(draft, buffers, {.symbols = {9}});
    EXPECT_EQ(buffers[1].bits,
              (std::vector<u64>{0x3F80, 0x3F82, 0x3F81, 0x3F80, 0x7F80, 0x7FC0, 0xFFC0, 0x0000, 0x8000}));
}

} // namespace
} // namespace heddle::codegen::cpu::testing
