// Loops, conditions, memory and the grid on the CPU, and what the generated code looks like.

#include "support/numeric.h"
#include "tests/codegen/llvm_run.h"

#include <heddle/error.h>

#include <cmath>
#include <gtest/gtest.h>
#include <numeric>
#include <thread>

namespace heddle::codegen::cpu::testing {
namespace {

using namespace ir;

constexpr i64 sizes[] = {0, 1, 15, 16, 17, 63, 64, 65, 257, 1000};

std::vector<u64> counting(std::size_t count, double step = 1) {
    std::vector<u64> bits;
    for (std::size_t k = 0; k < count; ++k)
        bits.push_back(bits_of(Dtype::f32, static_cast<double>(k) * step));
    return bits;
}

float number(u64 bits) { return static_cast<float>(value_of(Dtype::f32, bits)); }

/// y[row] = sum (or maximum) of x[row, :], vectors of 16 lanes, a masked tail; grid: ?s0 rows of ?s1.
void make_row_reduction(Draft& draft, Op op, u32 interleave) {
    KernelBuilder& k = draft.kernel;
    const NodeId x = k.pointer("x", Dtype::f32), y = k.pointer("y", Dtype::f32),
                 m = k.size("m", draft.symbol(1));
    const NodeId row = k.grid_index(0), start = k.mul(row, m),
                 neutral = k.number(Dtype::f32, op == Op::add ? 0.0 : -INFINITY);
    const NodeId xr = k.rebase(x, start), body_end = k.sub(m, k.binary(Op::rem, m, k.index(16)));
    LoopOptions options;
    options.interleave = interleave;
    options.combine = {op};
    const std::vector<NodeId> initial{k.splat(neutral, 16)};
    const auto step = [&](NodeId place, std::span<const NodeId> carried) {
        return std::vector{k.binary(op, carried[0], k.load(xr, place, 16))};
    };
    const NodeId whole = k.for_loop(k.index(0), body_end, k.index(16), initial, step, options)[0];
    const NodeId inside = k.binary(Op::lt, k.add(k.lanes(16), body_end), m);
    const NodeId tail = k.load(xr, body_end, 16, {.mask = inside, .otherwise = neutral});
    k.store(k.vector_reduce(k.binary(op, whole, tail), op), y, row);
    draft.finish({draft.symbol(0)});
}

TEST(Llvm, reduces_rows_of_any_length_with_and_without_interleaving) {
    for (u32 interleave : {1u, 3u, 4u})
        for (Op op : {Op::add, Op::maximum})
            for (i64 length : sizes) {
                Draft draft;
                make_row_reduction(draft, op, interleave);
                const i64 rows = 3;
                std::vector<Elements> buffers{{Dtype::f32, counting(static_cast<std::size_t>(rows * length))},
                                              {Dtype::f32, std::vector<u64>(3)}};
                run(draft, buffers, {.symbols = {rows, length}});
                for (i64 row = 0; row < rows; ++row) {
                    float expected =
                        op == Op::add ? 0 : -INFINITY; // whole numbers below 2^24: any order gives the same
                    for (i64 k = 0; k < length; ++k) {
                        const float value = static_cast<float>(row * length + k);
                        expected = op == Op::add ? expected + value : std::fmax(expected, value);
                    }
                    EXPECT_EQ(number(buffers[1].bits[static_cast<std::size_t>(row)]), expected)
                        << "row " << row << " of " << length << " interleave " << interleave;
                }
            }
}

TEST(Llvm, a_maximum_over_a_row_with_nan_is_nan) {
    for (std::size_t place : {0u, 5u, 16u, 31u, 40u}) {
        Draft draft;
        make_row_reduction(draft, Op::maximum, 2);
        std::vector<Elements> buffers{{Dtype::f32, counting(41)}, {Dtype::f32, std::vector<u64>(1)}};
        buffers[0].bits[place] = bits_of(Dtype::f32, double{NAN});
        run(draft, buffers, {.symbols = {1, 41}});
        EXPECT_TRUE(std::isnan(number(buffers[1].bits[0]))) << place;
    }
}

TEST(Llvm, masked_stores_leave_what_lies_beyond) {
    for (Dtype dtype : {Dtype::boolean, Dtype::u8, Dtype::f16, Dtype::f32, Dtype::f64}) {
        Draft draft;
        make_pointwise(draft, std::array{dtype}, dtype, 16,
                       [](KernelBuilder&, std::span<const NodeId> x) { return x[0]; });
        std::vector<Elements> buffers{{dtype, std::vector<u64>(19, 1)}, {dtype, std::vector<u64>(40, 0)}};
        run(draft, buffers, {.symbols = {19}});
        for (std::size_t k = 0; k < 40; ++k)
            EXPECT_EQ(buffers[1].bits[k], k < 19 ? 1u : 0u) << name_of(dtype) << " " << k;
    }
}

TEST(Llvm, gathers_and_scatters_by_index_vectors) {
    Draft draft;
    KernelBuilder& k = draft.kernel;
    const NodeId x = k.pointer("x", Dtype::f32), y = k.pointer("y", Dtype::f32),
                 n = k.size("n", draft.symbol(0));
    // y[reversed] = x[n - 1 - place], where place < n: a copy.
    const NodeId place = k.add(k.lanes(8), k.mul(k.grid_index(0), k.index(8)));
    const NodeId mirrored = k.sub(k.sub(n, k.index(1)), place), inside = k.binary(Op::lt, place, n);
    k.store(k.load(x, mirrored, 8, {.mask = inside}), y, mirrored, {.mask = inside});
    draft.finish({draft.module.dims.ceil_divide(draft.symbol(0), draft.module.dims.constant(8))});
    std::vector<Elements> buffers{{Dtype::f32, counting(21)}, {Dtype::f32, std::vector<u64>(21)}};
    run(draft, buffers, {.symbols = {21}});
    EXPECT_EQ(buffers[1].bits, buffers[0].bits);
}

TEST(Llvm, splits_a_grid_of_three_axes_first_axis_fastest) {
    Draft draft;
    KernelBuilder& k = draft.kernel;
    const NodeId y = k.pointer("y", Dtype::i64);
    const NodeId a = k.size("a", draft.symbol(0)), b = k.size("b", draft.symbol(1));
    const NodeId flat = k.add(k.grid_index(0), k.mul(a, k.add(k.grid_index(1), k.mul(b, k.grid_index(2)))));
    const NodeId code = k.add(
        k.grid_index(0), k.add(k.mul(k.grid_index(1), k.index(100)), k.mul(k.grid_index(2), k.index(10000))));
    k.store(k.cast(code, Dtype::i64), y, flat);
    draft.finish({draft.symbol(0), draft.symbol(1), draft.symbol(2)});
    std::vector<Elements> buffers{{Dtype::i64, std::vector<u64>(3 * 5 * 7)}};
    run(draft, buffers, {.symbols = {3, 5, 7}, .traffic_bytes = 1 << 30});
    for (u64 i = 0; i < 105; ++i) EXPECT_EQ(buffers[0].bits[i], i % 3 + i / 3 % 5 * 100 + i / 15 * 10000);
}

TEST(Llvm, the_grid_is_split_by_extents_that_are_no_parameters) {
    Draft draft;
    KernelBuilder& k = draft.kernel;
    const NodeId y = k.pointer("y", Dtype::i32);
    k.store(k.cast(k.grid_index(1), Dtype::i32), y, k.grid_index(0));
    draft.finish({draft.module.dims.add(draft.symbol(0), draft.symbol(1)), draft.symbol(1)});
    std::vector<Elements> buffers{{Dtype::i32, std::vector<u64>(9, 77)}};
    run(draft, buffers, {.symbols = {5, 4}});
    EXPECT_EQ(buffers[0].bits, std::vector<u64>(9, 3));
}

TEST(Llvm, arrays_of_symbolic_size_lie_in_scratch_memory_without_overlap) {
    Draft draft;
    KernelBuilder& k = draft.kernel;
    const NodeId x = k.pointer("x", Dtype::f32), y = k.pointer("y", Dtype::f32),
                 m = k.size("m", draft.symbol(1));
    const NodeId first = k.local(Dtype::f32, 1, draft.symbol(1)),
                 second = k.local(Dtype::f32, 1, draft.symbol(1));
    const NodeId row = k.mul(k.grid_index(0), m);
    const auto each = [&](const std::function<void(NodeId)>& body) {
        k.for_loop(k.index(0), m, k.index(1), {}, [&](NodeId i, std::span<const NodeId>) {
            body(i);
            return std::vector<NodeId>{};
        });
    };
    each([&](NodeId i) { k.store(k.load(x, k.add(row, i), 1), first, i); });
    each([&](NodeId i) { k.store(k.mul(k.load(first, i, 1), k.number(Dtype::f32, 2)), second, i); });
    each([&](NodeId i) { k.store(k.add(k.load(first, i, 1), k.load(second, i, 1)), y, k.add(row, i)); });
    draft.finish({draft.symbol(0)});
    std::vector<Elements> buffers{{Dtype::f32, counting(37 * 11)}, {Dtype::f32, std::vector<u64>(37 * 11)}};
    run(draft, buffers, {.symbols = {37, 11}, .traffic_bytes = 1 << 30});
    EXPECT_EQ(buffers[1].bits, counting(37 * 11, 3));
}

TEST(Llvm, small_arrays_lie_on_the_stack_and_hold_vectors) {
    Draft draft;
    KernelBuilder& k = draft.kernel;
    const NodeId x = k.pointer("x", Dtype::f32), y = k.pointer("y", Dtype::f32);
    const NodeId held = k.local(Dtype::f32, 8, draft.module.dims.constant(4));
    LoopOptions unrolled;
    unrolled.unroll = true;
    k.for_loop(
        k.index(0), k.index(4), k.index(1), {},
        [&](NodeId i, std::span<const NodeId>) {
            k.store(k.load(x, k.mul(i, k.index(8)), 8), held, i);
            return std::vector<NodeId>{};
        },
        unrolled);
    k.for_loop(k.index(0), k.index(4), k.index(1), {}, [&](NodeId i, std::span<const NodeId>) {
        k.store(k.load(held, k.sub(k.index(3), i), 8), y, k.mul(i, k.index(8)));
        return std::vector<NodeId>{};
    });
    draft.finish();
    std::vector<Elements> buffers{{Dtype::f32, counting(32)}, {Dtype::f32, std::vector<u64>(32)}};
    run(draft, buffers);
    for (std::size_t i = 0; i < 32; ++i)
        EXPECT_EQ(number(buffers[1].bits[i]), static_cast<float>((3 - i / 8) * 8 + i % 8));
}

TEST(Llvm, conditions_give_values_and_loops_carry_several) {
    Draft draft;
    KernelBuilder& k = draft.kernel;
    const NodeId y = k.pointer("y", Dtype::i64), n = k.size("n", draft.symbol(0));
    // Fibonacci numbers; odd places are negated.
    const std::vector<NodeId> start{k.constant(Dtype::i64, 0), k.constant(Dtype::i64, 1)};
    const auto step = [&](NodeId i, std::span<const NodeId> v) {
        const NodeId odd = k.binary(Op::eq, k.binary(Op::rem, i, k.index(2)), k.index(1));
        const NodeId shown = k.if_then(
            odd, [&] { return std::vector{k.unary(Op::neg, v[0])}; }, [&] { return std::vector{v[0]}; })[0];
        k.store(shown, y, i);
        return std::vector{v[1], k.add(v[0], v[1])};
    };
    const std::vector<NodeId> end = k.for_loop(k.index(0), n, k.index(1), start, step);
    k.store(end[1], y, n);
    draft.finish();
    std::vector<Elements> buffers{{Dtype::i64, std::vector<u64>(9)}};
    run(draft, buffers, {.symbols = {8}});
    const i64 expected[] = {0, -1, 1, -2, 3, -5, 8, -13, 34};
    for (std::size_t k = 0; k < 9; ++k) EXPECT_EQ(static_cast<i64>(buffers[0].bits[k]), expected[k]);
}

TEST(Llvm, scalar_masks_branch_around_the_access) {
    Draft draft;
    KernelBuilder& k = draft.kernel;
    const NodeId x = k.pointer("x", Dtype::f32), y = k.pointer("y", Dtype::f32),
                 n = k.size("n", draft.symbol(0));
    const NodeId i = k.mul(k.grid_index(0), k.index(4)), inside = k.binary(Op::le, k.add(i, k.index(4)), n);
    const NodeId far = k.select(inside, i, k.index(i64{1} << 40)); // reading there would be fatal
    k.store(k.load(x, far, 4, {.mask = inside, .otherwise = k.number(Dtype::f32, 7)}), y, i,
            {.mask = k.binary(Op::lt, i, n)});
    draft.finish({draft.module.dims.constant(3)});
    std::vector<Elements> buffers{{Dtype::f32, counting(6)}, {Dtype::f32, std::vector<u64>(12)}};
    run(draft, buffers, {.symbols = {6}});
    const float expected[] = {0, 1, 2, 3, 7, 7, 7, 7, 0, 0, 0, 0};
    for (std::size_t k = 0; k < 12; ++k) EXPECT_EQ(number(buffers[1].bits[k]), expected[k]);
}

TEST(Llvm, streamed_results_are_there_when_the_submission_is_complete) {
    Draft draft;
    KernelBuilder& k = draft.kernel;
    const NodeId x = k.pointer("x", Dtype::f32), y = k.pointer("y", Dtype::f32);
    const NodeId i = k.mul(k.grid_index(0), k.index(16));
    k.store(k.load(x, i, 16, {.align = 64}), y, i, {.align = 64, .stream = true});
    draft.finish({draft.symbol(0)});
    std::vector<Elements> buffers{{Dtype::f32, counting(4096)}, {Dtype::f32, std::vector<u64>(4096)}};
    run(draft, buffers, {.symbols = {256}, .traffic_bytes = 1 << 30});
    EXPECT_EQ(buffers[1].bits, buffers[0].bits);
    Draft again;
    KernelBuilder& a = again.kernel;
    const NodeId z = a.pointer("z", Dtype::f32);
    a.store(a.splat(a.number(Dtype::f32, 1), 16), z, a.grid_index(0), {.align = 64, .stream = true});
    again.finish();
    const Compiled compiled = compile(again, true);
    EXPECT_NE(compiled.assembly.find("movnt"), std::string::npos) << compiled.assembly;
    EXPECT_NE(compiled.assembly.find("sfence"), std::string::npos) << compiled.assembly;
}

TEST(Llvm, streamed_stores_look_at_the_address_where_its_alignment_is_unknown) {
    for (i64 shift : {0, 1}) {
        Draft draft;
        KernelBuilder& k = draft.kernel;
        const NodeId x = k.pointer("x", Dtype::f32), y = k.pointer("y", Dtype::f32);
        const NodeId i = k.mul(k.grid_index(0), k.index(16));
        k.store(k.load(x, i, 16), k.rebase(y, k.index(shift)), i, {.stream = true});
        draft.finish({draft.symbol(0)});
        std::vector<Elements> buffers{{Dtype::f32, counting(64)}, {Dtype::f32, std::vector<u64>(65, 7)}};
        run(draft, buffers, {.symbols = {4}});
        const auto first = buffers[1].bits.begin() + shift;
        EXPECT_TRUE(std::equal(first, first + 64, buffers[0].bits.begin())) << shift;
        EXPECT_EQ(buffers[1].bits[shift == 0 ? 64 : 0], 7u);
    }
}

TEST(Llvm, an_output_in_the_place_of_an_input_is_computed_right_and_not_noalias) {
    for (bool inplace : {false, true}) {
        Draft draft;
        make_pointwise(draft, std::array{Dtype::f32}, Dtype::f32, 16,
                       [](KernelBuilder& k, std::span<const NodeId> x) { return k.add(x[0], x[0]); });
        if (inplace) {
            Function& kernel = draft.kernel.function();
            AttributeList list = draft.module.attributes.list(kernel.attributes);
            list.integers(Key::inplace, std::array<i64, 2>{0, 1});
            kernel.attributes = draft.module.attributes.intern(list);
            std::vector<Elements> buffers{{Dtype::f32, counting(100)}, {Dtype::f32, std::vector<u64>(100)}};
            run(draft, buffers, {.symbols = {100}, .same_as = {0, 0}});
            EXPECT_EQ(buffers[0].bits, counting(100, 2));
        } else {
            const Compiled compiled = compile(draft, true);
            EXPECT_NE(compiled.llvm_ir.find("noalias"), std::string::npos);
            EXPECT_NE(compiled.llvm_ir.find("fadd <16 x float>"), std::string::npos) << compiled.llvm_ir;
            EXPECT_EQ(compiled.llvm_ir.find("fadd fast"), std::string::npos);
            // The entry point calls the body; nothing else is called.
            const std::size_t call = compiled.assembly.find("call");
            EXPECT_EQ(compiled.assembly.find("call", call + 1), std::string::npos) << compiled.assembly;
            continue;
        }
        Draft text;
        make_pointwise(text, std::array{Dtype::f32}, Dtype::f32, 16,
                       [](KernelBuilder&, std::span<const NodeId> x) { return x[0]; });
        Function& kernel = text.kernel.function();
        AttributeList list = text.module.attributes.list(kernel.attributes);
        list.integers(Key::inplace, std::array<i64, 2>{0, 1});
        kernel.attributes = text.module.attributes.intern(list);
        EXPECT_EQ(compile(text, true).llvm_ir.find("noalias"), std::string::npos);
    }
}

TEST(Llvm, an_op_that_was_not_legalised_is_an_error_that_names_it) {
    Draft draft;
    make_pointwise(draft, std::array{Dtype::f32}, Dtype::f32, 4,
                   [](KernelBuilder& k, std::span<const NodeId> x) { return k.unary(Op::erf, x[0]); });
    try {
        compiler().compile(draft.kernel.function(), device().info().target);
        FAIL() << "nothing was thrown";
    } catch (const InternalError& error) {
        EXPECT_NE(std::string(error.what()).find("'erf'"), std::string::npos) << error.what();
    }
}

TEST(Llvm, eight_threads_compile_and_run_at_the_same_time) {
    std::vector<std::thread> threads;
    std::atomic<int> right = 0;
    for (int t = 0; t < 8; ++t)
        threads.emplace_back([&, t] {
            for (int round = 0; round < 4; ++round) {
                Draft draft;
                const double factor = t * 10 + round;
                make_pointwise(draft, std::array{Dtype::f32}, Dtype::f32, 16,
                               [&](KernelBuilder& k, std::span<const NodeId> x) {
                                   return k.mul(x[0], k.number(Dtype::f32, factor));
                               });
                std::vector<Elements> buffers{{Dtype::f32, counting(501)},
                                              {Dtype::f32, std::vector<u64>(501)}};
                run(draft, buffers, {.symbols = {501}});
                right += buffers[1].bits == counting(501, factor);
            }
        });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(right, 32);
}

} // namespace
} // namespace heddle::codegen::cpu::testing
