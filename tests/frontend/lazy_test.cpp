// Arrays and ops outside a trace: literals, host data, printing, lazy graphs.

#include "fixture.h"

#include <heddle/error.h>

#include <cmath>
#include <sstream>

using namespace heddle;
using namespace heddle::tests;

namespace {

class Lazy : public FrontendTest {};

TEST_F(Lazy, literals_have_the_dtype_and_shape_of_their_elements) {
    EXPECT_EQ((Array{1.f, 2.f}).dtype(), Dtype::f32);
    EXPECT_EQ((Array{1, 2, 3}).dtype(), Dtype::i32);
    EXPECT_EQ((Array{true, false}).dtype(), Dtype::boolean);
    EXPECT_EQ((Array{1.0, 2.0}).dtype(), Dtype::f64);
    EXPECT_EQ(Array(2.5f).rank(), 0);
    const Array nested{{1.f, 2.f, 3.f}, {4.f, 5.f, 6.f}};
    EXPECT_EQ(nested.shape().text(), "[2, 3]");
    EXPECT_EQ(floats(nested)[4], 5);
}

TEST_F(Lazy, a_ragged_literal_is_a_located_error) {
    const std::string message = message_of<ShapeError>([] { Array{{1.f, 2.f}, {3.f}}; });
    EXPECT_TRUE(contains(message, "row 1"));
    EXPECT_TRUE(contains(message, "lazy_test.cpp:"));
}

TEST_F(Lazy, host_data_goes_in_and_out) {
    const std::vector<float> data{1, 2, 3, 4, 5, 6};
    EXPECT_EQ(floats(Array::from(data, {2, 3})), data);
    EXPECT_TRUE(contains(message_of<ShapeError>([&] { Array::from(data, {2, 2}); }), "6"));
    auto owner = std::make_shared<std::vector<float>>(data);
    const Array adopted = Array::adopt(Dtype::f32, {6}, owner->data(), owner);
    EXPECT_EQ(adopted.data(), owner->data());
    EXPECT_EQ(floats(adopted + 1.0f)[5], 7);
    EXPECT_THROW((void)adopted.to_vector<int>(), DtypeError);
    EXPECT_THROW((void)adopted.item<float>(), ShapeError);
    EXPECT_EQ(Array(41).item<int>(), 41);
}

TEST_F(Lazy, prints_as_numpy_does) {
    auto text = [](const Array& array) { return array.text(); };
    EXPECT_EQ(text(Array{1.f, 2.5f, -3.f}), "[ 1.   2.5 -3. ]");
    EXPECT_EQ(text(Array{{1, 20}, {-3, 4}}), "[[ 1 20]\n [-3  4]]");
    EXPECT_EQ(text(Array{true, false}), "[ True False]");
    EXPECT_EQ(text(Array(0.1f)), "0.1");
    EXPECT_EQ(text(Array{1e-10f, 1.f}), "[1.e-10 1.e+00]");
    EXPECT_EQ(text(Array{NAN, INFINITY, -1.f}), "[nan inf -1.]");
    EXPECT_EQ(text(zeros({0})), "[]");
    EXPECT_EQ(text(arange(2000)), "[   0    1    2 ... 1997 1998 1999]");
}

TEST_F(Lazy, nothing_runs_until_a_value_is_read_and_then_as_one_graph) {
    const Array x{1.f, 2.f};
    const Array y = exp(x) * 2.0f + x;
    EXPECT_FALSE(y.is_evaluated());
    EXPECT_EQ(context.statistics().calls, 0u);
    EXPECT_NEAR(floats(y)[0], 2 * std::exp(1.0) + 1, 1e-5);
    EXPECT_TRUE(y.is_evaluated());
    EXPECT_EQ(context.statistics().calls, 1u);
    floats(y);
    EXPECT_EQ(context.statistics().calls, 1u);
}

TEST_F(Lazy, values_on_the_way_that_are_held_are_kept) {
    const Array x{1.f, 2.f};
    const Array a = x + 1.0f;
    const Array b = a * 2.0f;
    b.eval();
    EXPECT_TRUE(a.is_evaluated());
    EXPECT_EQ(floats(a), (std::vector<float>{2, 3}));
    EXPECT_EQ(context.statistics().calls, 1u);
}

TEST_F(Lazy, a_thousand_updates_with_a_changing_number_compile_once) {
    Array x{1.f, 2.f};
    for (int k = 0; k < 1000; ++k) {
        x = x * (1.0f / static_cast<float>(k + 1)) + static_cast<float>(k);
        x.eval();
    }
    EXPECT_EQ(context.statistics().programs, 1u);
    EXPECT_EQ(context.statistics().calls, 1000u);
    Array y{1.f, 2.f};
    for (int k = 0; k < 1000; ++k) y = y * 0.5f + static_cast<float>(k);
    EXPECT_GT(floats(y)[0], 1.0f);
    EXPECT_EQ(context.statistics().programs, 2u);
}

TEST_F(Lazy, a_long_chain_is_flushed_at_a_bound_and_freed_without_recursion) {
    const std::uint64_t before = live_arrays();
    {
        Array x{1.f};
        for (int k = 0; k < 20000; ++k) x = x + 1.0f;
        EXPECT_EQ(floats(x)[0], 20001);
    }
    EXPECT_EQ(live_arrays(), before);
    EXPECT_EQ(context.live_buffers(), 0u);
}

TEST_F(Lazy, compound_assignment_rebinds_and_leaves_other_handles_alone) {
    Array x{1.f, 2.f};
    const Array old = x;
    x += 1.0f;
    x *= old;
    EXPECT_EQ(floats(x), (std::vector<float>{2, 6}));
    EXPECT_EQ(floats(old), (std::vector<float>{1, 2}));
}

TEST_F(Lazy, several_values_run_together) {
    const Array x{1.f, 2.f};
    const Array a = x + 1.0f, b = x * 3.0f;
    eval({a, b});
    EXPECT_EQ(context.statistics().calls, 1u);
    EXPECT_TRUE(a.is_evaluated() && b.is_evaluated());
}

TEST_F(Lazy, an_empty_handle_is_an_error_not_a_crash) {
    const Array nothing;
    EXPECT_THROW(nothing.eval(), UsageError);
    EXPECT_THROW(nothing + 1.0f, UsageError);
    EXPECT_THROW(nothing.shape(), UsageError);
}

TEST_F(Lazy, errors_name_op_line_and_operands) {
    const std::string message = message_of<ShapeError>([] { Array{1.f, 2.f} + Array{1.f, 2.f, 3.f}; });
    for (const char* part : {"add", "lazy_test.cpp:", "f32[2]", "f32[3]"})
        EXPECT_TRUE(contains(message, part));
    EXPECT_THROW((Array{1, 2} + std::int64_t{1} * 5000000000), DtypeError); // does not fit i32
}

TEST_F(Lazy, an_op_that_fails_holds_on_to_nothing) {
    const std::uint64_t before = live_arrays();
    {
        const Array x = (ones({2}) + 1.0f).eval();
        EXPECT_THROW(sum(x, 5), ShapeError);
        EXPECT_THROW(x + ones({3}).eval(), ShapeError);
    }
    EXPECT_EQ(live_arrays(), before);
    EXPECT_EQ(context.live_buffers(), 0u);
}

TEST_F(Lazy, after_shutdown_handles_give_errors) {
    Array x{1.f, 2.f};
    auto f = compile("f", [](Array a) { return a + 1.0f; });
    f(x);
    context.shutdown();
    EXPECT_THROW(f(x), UsageError);
    EXPECT_THROW((x + 1.0f).eval(), UsageError);
    EXPECT_THROW((Array{1.f}), UsageError);
}

} // namespace
