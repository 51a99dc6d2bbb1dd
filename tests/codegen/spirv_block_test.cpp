// What happens between invocations: reductions through subgroups and shared memory, loops, conditions, arrays, long grids.

#include "support/numeric.h"
#include "tests/codegen/spirv_run.h"

#include <array>
#include <bit>
#include <cmath>
#include <gtest/gtest.h>
#include <numeric>

namespace heddle::codegen::testing {
namespace {

using ir::NodeId;
using ir::Op;

std::vector<float> ramp(std::size_t count) {
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>((i * 7919) % 1009) / 16 - 20;
    return values;
}

/// y[row] = reduction of x[row * m ...] by a block a row.
std::vector<float> reduce_rows(Op op, u32 wanted, i64 rows, i64 columns, const std::vector<float>& values) {
    const u32 subgroup = device_subgroup();
    // A block of kernels that ask for a subgroup size has 32 subgroups at most on the software driver.
    const u32 block = std::min(wanted, 32 * subgroup);
    TestKernel k("reduce_rows", block, subgroup);
    const NodeId x = k.build.pointer("x", Dtype::f32), y = k.build.pointer("y", Dtype::f32), m = k.size("m");
    const NodeId row = k.build.grid_index(0), t = k.build.thread_index();
    const NodeId from = k.build.rebase(x, k.build.mul(row, m));
    const NodeId scratch = k.build.shared(Dtype::f32, 1, std::max(1u, block / subgroup));
    const NodeId identity =
        op == Op::add ? k.build.number(Dtype::f32, 0) : k.build.number(Dtype::f32, -INFINITY);
    const auto sum = k.build.for_loop(
        t, m, k.build.index(block), std::array{identity}, [&](NodeId i, std::span<const NodeId> carried) {
            return std::vector{k.build.binary(op, carried[0], k.build.load(from, i, 1))};
        });
    const NodeId total = k.build.block_reduce(sum[0], scratch, op);
    k.build.if_then(k.build.binary(Op::eq, t, k.build.index(0)), [&] {
        k.build.store(total, y, row);
        return std::vector<NodeId>{};
    });
    Bytes xs = bytes_of(values), ys(static_cast<std::size_t>(rows) * 4);
    run(k, {&xs, &ys}, {{"m", columns}, {"blocks", rows}});
    return values_of<float>(ys);
}

class BlockReduce : public ::testing::TestWithParam<u32> {};

TEST_P(BlockReduce, SumsAndMaximaOfRows) {
    const i64 rows = 5, columns = 1001;
    std::vector<float> values = ramp(static_cast<std::size_t>(rows * columns));
    values[2 * 1001 + 17] = NAN;
    const std::vector<float> sums = reduce_rows(Op::add, GetParam(), rows, columns, values);
    const std::vector<float> maxima = reduce_rows(Op::maximum, GetParam(), rows, columns, values);
    for (i64 row = 0; row < rows; ++row) {
        const auto first = values.begin() + row * columns;
        const auto r = static_cast<std::size_t>(row);
        if (row == 2) {
            EXPECT_TRUE(std::isnan(sums[r]));
            EXPECT_TRUE(std::isnan(maxima[r]));
            continue;
        }
        EXPECT_NEAR(sums[r], std::accumulate(first, first + columns, 0.0),
                    0.01); // 1001 addends below 64 in f32
        EXPECT_EQ(maxima[r], *std::max_element(first, first + columns));
    }
}

TEST_P(BlockReduce, SumsHaveTheSameBitsOnEveryRun) {
    const std::vector<float> values = ramp(3 * 777);
    EXPECT_EQ(reduce_rows(Op::add, GetParam(), 3, 777, values),
              reduce_rows(Op::add, GetParam(), 3, 777, values));
}

INSTANTIATE_TEST_SUITE_P(SpirvRun, BlockReduce, ::testing::Values(32u, 64u, 96u, 256u, 512u));

/// Every invocation publishes its number plus one and awaits that of the invocation `ahead` of it in its block.
std::vector<u64> published(Dtype dtype, u32 ahead, u32 tries) {
    constexpr u32 block = 64;
    TestKernel k("published", block);
    const NodeId words = k.build.pointer("words", dtype), y = k.build.pointer("y", dtype),
                 t = k.build.thread_index();
    k.build.publish(k.build.cast(k.build.add(t, k.build.index(1)), dtype), words, t);
    k.build.barrier(ir::BarrierScope::block, true, false);
    k.build.store(k.build.await(words, k.build.add(t, k.build.index(ahead)), tries), y, t);
    const std::size_t size = size_of(dtype);
    Bytes word_bytes(2 * block * size), result(block * size, std::byte{0xEE});
    run(k, {&word_bytes, &result}, {{"blocks", 1}});
    std::vector<u64> values;
    for (u32 i = 0; i < block; ++i) values.push_back(load_bits(dtype, result.data() + i * size));
    return values;
}

TEST(SpirvBlock, APublishedWordIsAwaitedAndOneThatNobodyPublishesIsGivenUp) {
    for (Dtype dtype : {Dtype::u32, Dtype::u64})
        for (u32 tries : {1u, 100u}) {
            const std::vector<u64> values = published(dtype, 16, tries);
            for (u32 i = 0; i < values.size(); ++i)
                EXPECT_EQ(values[i], i + 16 < 64 ? i + 17 : 0u) << name_of(dtype) << " " << i;
        }
}

TEST(SpirvBlock, EveryInvocationOfABlockHasTheReductionOfAnyDtype) {
    for (Dtype dtype : {Dtype::f64, Dtype::i64, Dtype::i32, Dtype::u8, Dtype::i16}) {
        SCOPED_TRACE(name_of(dtype));
        const u32 block = 64, subgroup = device_subgroup();
        TestKernel k("reduce_any", block, subgroup);
        const NodeId y = k.build.pointer("y", dtype), t = k.build.thread_index();
        const NodeId scratch = k.build.shared(dtype, 1, std::max(1u, block / subgroup));
        const NodeId one = k.build.cast(k.build.binary(Op::rem, t, k.build.index(2)), dtype);
        k.build.store(k.build.block_reduce(one, scratch, Op::add), y, t);
        Bytes ys(block * size_of(dtype));
        run(k, {&ys}, {{"blocks", 1}});
        for (u32 i = 0; i < block; ++i) {
            u64 bits = 0;
            std::copy_n(ys.begin() + static_cast<std::ptrdiff_t>(i * size_of(dtype)), size_of(dtype),
                        reinterpret_cast<std::byte*>(&bits));
            EXPECT_EQ(bits, dtype == Dtype::f64 ? std::bit_cast<u64>(32.0) : 32u) << i;
        }
    }
}

TEST(SpirvBlock, ThreadIndicesCoverTheBlockOnce) {
    for (u32 subgroup : {0u, device_subgroup()}) {
        TestKernel k("threads", 128, subgroup);
        const NodeId y = k.build.pointer("y", Dtype::u32), t = k.build.thread_index();
        k.build.store(k.build.cast(t, Dtype::u32), y, t);
        Bytes ys(128 * 4);
        run(k, {&ys}, {{"blocks", 1}});
        std::vector<u32> expected(128);
        std::iota(expected.begin(), expected.end(), 0u);
        EXPECT_EQ(values_of<u32>(ys), expected);
    }
}

TEST(SpirvBlock, SharedMemoryBehindABarrierIsSeenByOthers) {
    TestKernel k("reverse", 256);
    const NodeId x = k.build.pointer("x", Dtype::f32), y = k.build.pointer("y", Dtype::f32);
    const NodeId t = k.build.thread_index(), tile = k.build.shared(Dtype::f32, 1, 1024);
    const NodeId four = k.build.mul(t, k.build.index(4));
    k.build.store(k.build.load(x, four, 4, {.align = 16}), tile, four, {.align = 16});
    k.build.barrier(ir::BarrierScope::block, true, false);
    for (u32 i = 0; i < 4; ++i) {
        const NodeId at = k.build.add(t, k.build.index(256 * i));
        k.build.store(k.build.load(tile, k.build.sub(k.build.index(1023), at), 1), y, at);
    }
    std::vector<float> values = ramp(1024);
    Bytes xs = bytes_of(values), ys(4096);
    run(k, {&xs, &ys}, {{"blocks", 1}});
    std::reverse(values.begin(), values.end());
    EXPECT_EQ(values_of<float>(ys), values);
}

TEST(SpirvBlock, MasksKeepAccessesInsideAndGiveTheOtherValue) {
    for (bool vector_mask : {false, true}) {
        TestKernel k("masked", 32);
        const NodeId x = k.build.pointer("x", Dtype::f32), y = k.build.pointer("y", Dtype::f32),
                     n = k.size("n");
        const NodeId i = k.build.mul(k.global_index(), k.build.index(4));
        const NodeId lanes = k.build.add(i, k.build.lanes(4));
        const NodeId mask = vector_mask ? k.build.binary(Op::lt, lanes, n)
                                        : k.build.binary(Op::le, k.build.add(i, k.build.index(4)), n);
        const NodeId v = k.build.load(x, i, 4, {.mask = mask, .otherwise = k.build.number(Dtype::f32, -7)});
        const NodeId reversed = k.build.sub(k.build.index(127), lanes);
        k.build.store(v, y, reversed);
        k.build.store(k.build.add(v, k.build.number(Dtype::f32, 1)), x, i, {.mask = mask});
        const std::size_t count = 61;
        const std::vector<float> values = ramp(count);
        Bytes xs = bytes_of(values), ys(128 * 4);
        run(k, {&xs, &ys}, {{"n", count}, {"blocks", 1}});
        const std::vector<float> after = values_of<float>(xs), out = values_of<float>(ys);
        for (std::size_t e = 0; e < 128; ++e) {
            const bool in = vector_mask ? e < count : e / 4 * 4 + 4 <= count;
            EXPECT_EQ(out[127 - e], in ? values[e] : -7) << e;
            if (e >= count) continue;
            EXPECT_EQ(after[e], in ? values[e] + 1 : values[e]) << e;
        }
    }
}

/// Sum over j < n of x[8 j ...], odd j counted twice: a carried vector of eight lanes through a condition in a loop.
TEST(SpirvBlock, WideVectorsAreCarriedThroughLoopsAndConditions) {
    TestKernel k("nested", 1);
    const NodeId x = k.build.pointer("x", Dtype::f32), y = k.build.pointer("y", Dtype::f32), n = k.size("n");
    const NodeId zero = k.build.splat(k.build.number(Dtype::f32, 0), 8), first = k.build.index(0),
                 one = k.build.index(1);
    const auto sum = k.build.for_loop(
        first, n, one, std::array{zero, first}, [&](NodeId j, std::span<const NodeId> carried) {
            const NodeId v = k.build.load(x, k.build.mul(j, k.build.index(8)), 8);
            const NodeId odd = k.build.binary(Op::eq, k.build.binary(Op::rem, j, k.build.index(2)), one);
            const auto twice = k.build.if_then(
                odd, [&] { return std::vector{k.build.add(v, v)}; }, [&] { return std::vector{v}; });
            return std::vector{k.build.add(carried[0], twice[0]), k.build.add(carried[1], one)};
        });
    const std::vector<i64> swapped{4, 5, 6, 7, 0, 1, 2, 3};
    k.build.store(k.build.shuffle(sum[0], sum[0], swapped), y, first);
    k.build.store(k.build.cast(sum[1], Dtype::f32), y, k.build.index(8));
    const std::vector<float> values = ramp(8 * 5);
    Bytes xs = bytes_of(values), ys(9 * 4);
    run(k, {&xs, &ys}, {{"n", 5}, {"blocks", 1}});
    const std::vector<float> out = values_of<float>(ys);
    for (std::size_t lane = 0; lane < 8; ++lane) {
        float expected = 0;
        for (std::size_t j = 0; j < 5; ++j) expected += values[j * 8 + lane] * (j % 2 == 1 ? 2.0f : 1.0f);
        EXPECT_EQ(out[(lane + 4) % 8], expected) << lane;
    }
    EXPECT_EQ(out[8], 5);
}

TEST(SpirvBlock, DivisionOfAnIndexByAParameterGoesByItsMagic) {
    for (u32 bits : {32u, 64u}) {
        for (i64 divisor : {1, 3, 7, 64, 1000, 65537, 2147483647}) {
            TestKernel k("divmod", 64, 0, bits);
            const NodeId q = k.build.pointer("q", Dtype::i32), r = k.build.pointer("r", Dtype::i32);
            const NodeId d = k.size("d"), magic = k.build.magic("dm", k.module.dims.symbol("d")),
                         i = k.global_index();
            const auto [quotient, remainder] =
                k.build.divmod(k.build.mul(i, k.build.index(8388607)), d, magic); // up to 2^31
            k.build.store(k.build.cast(quotient, Dtype::i32), q, i);
            k.build.store(k.build.cast(remainder, Dtype::i32), r, i);
            Bytes qs(256 * 4), rs(256 * 4);
            run(k, {&qs, &rs}, {{"d", divisor}, {"blocks", 4}});
            const std::vector<i32> quotients = values_of<i32>(qs), remainders = values_of<i32>(rs);
            for (i64 at = 0; at < 256; ++at) {
                EXPECT_EQ(quotients[static_cast<std::size_t>(at)], at * 8388607 / divisor)
                    << at << " / " << divisor;
                EXPECT_EQ(remainders[static_cast<std::size_t>(at)], at * 8388607 % divisor)
                    << at << " % " << divisor;
            }
        }
    }
}

TEST(SpirvBlock, ArgumentsBeyondThePushConstantsComeFromMemory) {
    TestKernel k("many", 32);
    std::vector<NodeId> pointers;
    for (int p = 0; p < 20; ++p) pointers.push_back(k.build.pointer("p" + std::to_string(p), Dtype::f32));
    const NodeId n = k.size("n"), i = k.global_index();
    k.below(i, n, [&] {
        NodeId sum = k.build.load(pointers[0], i, 1);
        for (int p = 1; p < 19; ++p)
            sum = k.build.add(sum, k.build.load(pointers[static_cast<std::size_t>(p)], i, 1));
        k.build.store(sum, pointers[19], i);
    });
    std::vector<Bytes> storage;
    for (int p = 0; p < 20; ++p) storage.push_back(bytes_of(std::vector<float>(40, static_cast<float>(p))));
    std::vector<Bytes*> buffers;
    for (Bytes& bytes : storage) buffers.push_back(&bytes);
    run(k, buffers, {{"n", 40}, {"blocks", 2}});
    EXPECT_EQ(values_of<float>(storage[19]), std::vector<float>(40, 171));
}

TEST(SpirvBlock, AGridBeyondTheDevicesLimitIsWalkedWhole) {
    TestKernel k("long", 1);
    const NodeId y = k.build.pointer("y", Dtype::u8), i = k.build.grid_index(0);
    k.build.store(k.build.cast(k.build.add(k.build.binary(Op::rem, i, k.build.index(100)), k.build.index(1)),
                               Dtype::u8),
                  y, i);
    const i64 count = 70001;
    Bytes ys(static_cast<std::size_t>(count));
    run(k, {&ys}, {{"blocks", count}});
    for (i64 at = 0; at < count; ++at)
        ASSERT_EQ(static_cast<i64>(ys[static_cast<std::size_t>(at)]), at % 100 + 1) << at;
}

} // namespace
} // namespace heddle::codegen::testing
