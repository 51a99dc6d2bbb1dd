// Kernels on the Vulkan device (Mesa's software driver where there is no GPU), compared with the op table's own definitions.

#include "ir/scalar.h"
#include "support/numeric.h"
#include "tests/codegen/spirv_run.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>

namespace heddle::codegen::testing {
namespace {

using ir::NodeId;
using ir::Op;

/// Values that find mistakes: zeros of both signs, ones, extremes, NaN, infinities, and a spread of ordinary ones. Subnormals are left
/// out, which devices may flush.
std::vector<u64> interesting(Dtype dtype) {
    std::vector<u64> values;
    if (is_float(dtype)) {
        const double inf = std::numeric_limits<double>::infinity();
        for (double v : {0.0, -0.0, 1.0, -1.0, 0.5, 1.5, -2.5, 3.0, 7.25, -100.0, 1e4, 0.1, -0.3, 2.0 / 3,
                         123.456, inf, -inf, std::nan("")})
            values.push_back(bits_of(dtype, v));
        if (dtype == Dtype::f32)
            for (double v :
                 {0x1p-126, -0x1p-126, 0x1.fffffep127, 0x1p-100, 0x1p100, 0x1.234568p-97, 0x1.765432p97})
                values.push_back(bits_of(dtype, v));
        return values;
    }
    const i64 lowest = integer_of(dtype, lowest_bits(dtype)),
              highest = integer_of(dtype, highest_bits(dtype));
    for (i64 v : {i64{0}, i64{1}, i64{2}, i64{3}, i64{7}, i64{31}, i64{32}, i64{100}, i64{-1}, i64{-2},
                  i64{-7}, i64{-128}, i64{1} << 40, lowest, lowest + 1, highest, highest - 1})
        values.push_back(bits_of(dtype, v));
    return values;
}

bool same(Dtype dtype, u64 a, u64 b) {
    return a == b || (is_float(dtype) && std::isnan(value_of(dtype, a)) && std::isnan(value_of(dtype, b)));
}

/// Distance in units of the last place, for finite f32.
double ulps(u64 bits, double expected) {
    const double value = value_of(Dtype::f32, bits);
    const double unit = std::ldexp(1.0, std::max(std::ilogb(expected), -126) - 23);
    return std::fabs(value - expected) / unit;
}

struct Case {
    Op op;
    std::vector<Dtype> dtypes;
    double within = 0; ///< ulp, f32 only
};

/// Every pair of interesting values through `op`, V lanes at a time.
void check(const Case& wanted, Dtype dtype, u32 lanes) {
    SCOPED_TRACE(std::string(ir::info(wanted.op).text) + " of " + std::string(name_of(dtype)) + " by " +
                 std::to_string(lanes));
    const std::vector<u64> values = interesting(dtype);
    const bool predicate = ir::info(wanted.op).kind == ir::OpKind::predicate;
    const bool binary = ir::info(wanted.op).arity > 1;
    const Dtype result = predicate ? Dtype::boolean : dtype;
    std::vector<u64> left, right;
    for (u64 a : values)
        for (u64 b : binary ? values : std::vector<u64>{values[0]}) left.push_back(a), right.push_back(b);
    while (left.size() % lanes != 0) left.push_back(values[1]), right.push_back(values[1]);
    const std::size_t size = size_of(dtype), count = left.size();
    Bytes x(count * size), z(count * size), y(count * size_of(result), std::byte{0xEE});
    for (std::size_t i = 0; i < count; ++i) {
        store_bits(dtype, x.data() + i * size, left[i]);
        store_bits(dtype, z.data() + i * size, right[i]);
    }
    TestKernel k("elementwise");
    const NodeId px = k.build.pointer("x", dtype), pz = k.build.pointer("z", dtype),
                 py = k.build.pointer("y", result);
    const NodeId n = k.size("n"), i = k.build.mul(k.global_index(), k.build.index(lanes));
    k.below(i, n, [&] {
        const ir::MemoryOptions aligned{.align = static_cast<u32>(size * lanes)};
        const NodeId a = k.build.load(px, i, lanes, aligned), b = k.build.load(pz, i, lanes, aligned);
        const NodeId c = binary ? k.build.binary(wanted.op, a, b) : k.build.unary(wanted.op, a);
        k.build.store(c, py, i, {.align = static_cast<u32>(size_of(result) * lanes)});
    });
    run(k, {&x, &z, &y}, {{"n", static_cast<i64>(count)}, {"blocks", static_cast<i64>(count / 64 + 1)}});
    for (std::size_t i = 0; i < count; ++i) {
        const ir::Scalar a = ir::scalar_of(dtype, left[i]), b = ir::scalar_of(dtype, right[i]);
        const auto expected = ir::evaluate(wanted.op, dtype, a, b);
        ASSERT_TRUE(expected);
        const u64 bits = ir::bits_of(result, predicate ? *expected : ir::rounded(dtype, *expected));
        const u64 given = load_bits(result, y.data() + i * size_of(result));
        if (same(result, bits, given)) continue;
        // The sign of a zero that is a minimum or maximum is unspecified.
        const bool either_zero =
            wanted.op == Op::minimum || wanted.op == Op::maximum || wanted.op == Op::maximum_number;
        if (either_zero && is_float(dtype) && value_of(dtype, bits) == 0 && value_of(dtype, given) == 0)
            continue;
        if (dtype == Dtype::f32 && std::fabs(expected->real) < 0x1p-126 &&
            std::fabs(value_of(dtype, given)) <= 0x1p-126)
            continue; // flushed
        if (wanted.within > 0 && std::isfinite(expected->real) &&
            ulps(given, expected->real) <= wanted.within)
            continue;
        ADD_FAILURE() << std::hex << left[i] << " and " << right[i] << " give " << given << ", expected "
                      << bits;
        return;
    }
}

const std::vector<Dtype> floats{Dtype::f32, Dtype::f64};
const std::vector<Dtype> integers{Dtype::i8, Dtype::i16, Dtype::i32, Dtype::i64,
                                  Dtype::u8, Dtype::u16, Dtype::u32, Dtype::u64};
std::vector<Dtype> numbers() {
    std::vector<Dtype> all = floats;
    all.insert(all.end(), integers.begin(), integers.end());
    return all;
}

TEST(SpirvRun, ArithmeticIsAsTheOpTableSays) {
    for (const Case& c : {Case{Op::add, numbers()}, Case{Op::sub, numbers()}, Case{Op::mul, numbers()},
                          Case{Op::neg, numbers()}})
        for (Dtype dtype : c.dtypes)
            for (u32 lanes : {1u, 4u, 8u}) check(c, dtype, lanes);
}

TEST(SpirvRun, ComparisonsAreAsTheOpTableSays) {
    for (Op op : {Op::eq, Op::ne, Op::lt, Op::le, Op::gt, Op::ge})
        for (Dtype dtype : numbers()) check({op, {}}, dtype, 4);
}

TEST(SpirvRun, BitRowsAreAsTheOpTableSays) {
    for (Op op : {Op::isnan, Op::isinf, Op::isfinite})
        for (Dtype dtype : floats) check({op, {}}, dtype, 4);
    for (Op op : {Op::abs, Op::sign})
        for (Dtype dtype : numbers()) check({op, {}}, dtype, 4);
    for (Op op : {Op::bit_and, Op::bit_or, Op::bit_xor, Op::bit_not, Op::popcount})
        for (Dtype dtype : integers) check({op, {}}, dtype, 4);
}

TEST(SpirvRun, RoundingIsAsTheOpTableSays) {
    for (Op op : {Op::floor, Op::ceil, Op::round, Op::trunc})
        for (Dtype dtype : floats) check({op, {}}, dtype, 4);
}

TEST(SpirvRun, DivisionAndSquareRootAreWithinAnUlp) {
    check({Op::div, {}, 1.0}, Dtype::f32, 4);
    check({Op::sqrt, {}, 1.0}, Dtype::f32, 4);
    check({Op::div, {}}, Dtype::f64, 4);
    check({Op::sqrt, {}}, Dtype::f64, 4);
}

TEST(SpirvRun, IntegerDivisionAndShiftsHaveAnAnswerForEveryOperand) {
    for (Op op : {Op::div, Op::rem, Op::floor_divide, Op::remainder, Op::shift_left, Op::shift_right})
        for (Dtype dtype : integers) check({op, {}}, dtype, 4);
}

TEST(SpirvRun, MinimumAndMaximumKeepNaN) {
    for (Op op : {Op::minimum, Op::maximum})
        for (Dtype dtype : numbers()) check({op, {}}, dtype, 4);
}

TEST(SpirvRun, TheLargerNumberIsTakenBesideNaN) {
    for (Dtype dtype : {Dtype::f16, Dtype::bf16, Dtype::f32, Dtype::f64})
        for (u32 lanes : {1u, 4u}) check({Op::maximum_number, {}}, dtype, lanes);
}

TEST(SpirvRun, LogicOfBooleansInMemory) {
    for (Op op : {Op::bit_and, Op::bit_or, Op::bit_xor, Op::eq, Op::ne, Op::lt, Op::le, Op::gt, Op::ge,
                  Op::minimum, Op::maximum, Op::bit_not})
        for (u32 lanes : {1u, 4u, 16u}) check({op, {}}, Dtype::boolean, lanes);
}

TEST(SpirvRun, SixteenBitFloatsAreComputedInSingleAndRoundedOnce) {
    for (Dtype dtype : {Dtype::f16, Dtype::bf16}) {
        for (Op op : {Op::add, Op::sub, Op::mul, Op::neg, Op::abs, Op::maximum, Op::lt, Op::isnan, Op::floor})
            for (u32 lanes : {1u, 2u, 4u, 8u, 16u}) check({op, {}}, dtype, lanes);
    }
}

TEST(SpirvRun, MathRowsRunExpanded) {
    for (Op op : {Op::exp, Op::log, Op::tanh, Op::erf}) check({op, {}, 2.0}, Dtype::f32, 4);
    check({Op::rsqrt, {}, 2.0}, Dtype::f32, 4);
}

/// Every interesting value of one dtype, cast to another.
void check_cast(Dtype from, Dtype to, u32 lanes) {
    SCOPED_TRACE(std::string(name_of(from)) + " to " + std::string(name_of(to)) + " by " +
                 std::to_string(lanes));
    std::vector<u64> values = interesting(from);
    while (values.size() % lanes != 0) values.push_back(values[1]);
    Bytes x(values.size() * size_of(from)), y(values.size() * size_of(to), std::byte{0xEE});
    for (std::size_t i = 0; i < values.size(); ++i) store_bits(from, x.data() + i * size_of(from), values[i]);
    TestKernel k("cast");
    const NodeId px = k.build.pointer("x", from), py = k.build.pointer("y", to);
    const NodeId n = k.size("n"), i = k.build.mul(k.global_index(), k.build.index(lanes));
    k.below(i, n, [&] { k.build.store(k.build.cast(k.build.load(px, i, lanes), to), py, i); });
    run(k, {&x, &y}, {{"n", static_cast<i64>(values.size())}, {"blocks", 1}});
    for (std::size_t i = 0; i < values.size(); ++i) {
        const u64 given = load_bits(to, y.data() + i * size_of(to));
        const u64 expected = ir::bits_of(to, ir::convert(from, to, ir::scalar_of(from, values[i])));
        const bool flushed = is_float(to) && std::fabs(value_of(to, expected)) < 0x1p-126;
        EXPECT_TRUE(same(to, given, expected) || (flushed && value_of(to, given) == 0))
            << std::hex << values[i] << " gives " << given << ", expected " << expected;
    }
}

TEST(SpirvRun, ConversionsHaveAnAnswerForEveryValue) {
    std::vector<Dtype> all = numbers();
    all.insert(all.end(), {Dtype::boolean, Dtype::f16, Dtype::bf16});
    for (Dtype from : all)
        for (Dtype to : all) check_cast(from, to, 4);
}

} // namespace
} // namespace heddle::codegen::testing
