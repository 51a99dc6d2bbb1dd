// Many specializations of one signature: a call finds the one for its sizes without trying the others, from any thread.

#include "fixture.h"

#include <latch>
#include <thread>

using namespace heddle;
using namespace heddle::tests;

namespace {

class Guards : public FrontendTest {};

Array ones_of(int size) { return Array::from(std::vector<float>(static_cast<std::size_t>(size), 1.0f)); }

/// The first element times a number that was a size when it was traced.
Compiled<Array(Array)> times_its_size() {
    return compile("f", [](Array x) { return index(x, 0, 0) * static_cast<float>(x.shape(0).value()); },
                   {.shapeless = true});
}

TEST_F(Guards, C3_each_of_thousands_of_sizes_is_found_by_its_value) {
    const auto f = times_its_size();
    constexpr int sizes = 4001;
    for (int round = 0; round < 2; ++round)
        for (int n = 2; n < 2 + sizes; ++n) ASSERT_EQ(f(ones_of(n)).item<float>(), static_cast<float>(n));
    EXPECT_EQ(f.traces(), sizes);
    EXPECT_EQ(f.specializations(), sizes);
    EXPECT_EQ(f.guard_misses(), 0u);
}

TEST_F(Guards, C3_a_value_of_an_expression_finds_it_too) {
    const auto f =
        compile("f", [](Array x) { return x * static_cast<float>((x.shape(0) * x.shape(1) + 1).value()); },
                {.shapeless = true});
    for (int round = 0; round < 2; ++round)
        for (int n = 2; n < 20; ++n)
            for (int m : {2, n})
                ASSERT_EQ(floats(f(ones({n, m})))[0], static_cast<float>(n * m + 1)) << n << " x " << m;
    EXPECT_EQ(f.guard_misses(), 0u);
}

TEST_F(Guards, C3_comparisons_that_leave_one_value_find_it_too) {
    const auto f = compile("f",
                           [](Array x) {
                               float count = 0;
                               for (Dim k = 0; k < x.shape(0); k += 1) ++count;
                               return x * count;
                           },
                           {.shapeless = true});
    for (int round = 0; round < 2; ++round)
        for (int n = 2; n < 40; ++n) ASSERT_EQ(floats(f(ones({n})))[0], static_cast<float>(n));
    EXPECT_EQ(f.traces(), 38u);
    EXPECT_EQ(f.guard_misses(), 0u);
}

TEST_F(Guards, C3_values_and_ranges_of_one_signature_are_told_apart) {
    // Below 8 a number, from there on one program for all even sizes and one for the odd ones.
    const auto f = compile("f",
                           [](Array x) {
                               const Dim n = x.shape(0);
                               if (n < 8) return x * static_cast<float>(n.value());
                               return n % 2 == 0 ? x * 100.0f : x * 200.0f;
                           },
                           {.shapeless = true});
    auto wanted = [](int n) { return n < 8 ? static_cast<float>(n) : n % 2 == 0 ? 100.0f : 200.0f; };
    for (int round = 0; round < 3; ++round)
        for (int n : {9, 3, 8, 2, 7, 11, 100, 6, 101, 4, 5, 0})
            EXPECT_EQ(floats(f(ones_of(n))), std::vector<float>(static_cast<std::size_t>(n), wanted(n)));
    EXPECT_EQ(f.traces(), 9u);
    EXPECT_EQ(f.specializations(), 9u);
}

TEST_F(Guards, C3_a_guard_that_cannot_be_computed_is_another_call_s) {
    // (?m / ?n = 2) has no value where ?n is 0.
    const auto f = compile("f",
                           [](Array x, Array y) {
                               const Dim n = x.shape(0), m = y.shape(0);
                               if (n == 0) return y * 10.0f;
                               return y * static_cast<float>((m / n).value());
                           },
                           {.shapeless = true});
    auto call = [&](int n, int m) { return floats(f(zeros({n}), ones({m})))[0]; };
    for (int round = 0; round < 2; ++round) {
        EXPECT_EQ(call(2, 4), 2);
        EXPECT_EQ(call(2, 7), 3);
        EXPECT_EQ(call(0, 4), 10);
        EXPECT_EQ(call(3, 8), 2);
    }
    EXPECT_EQ(f.traces(), 3u);
}

TEST_F(Guards, C5_threads_find_sizes_while_others_add_them) {
    const auto f = times_its_size();
    constexpr int sizes = 60, count = 8;
    std::latch start(count);
    {
        std::vector<std::jthread> threads;
        for (int thread = 0; thread < count; ++thread)
            threads.emplace_back([&, thread] {
                Context::Scope scope(context);
                start.arrive_and_wait();
                for (int k = 0; k < 3 * sizes; ++k) {
                    const int n = 2 + (k * 7 + thread * 11) % sizes;
                    EXPECT_EQ(f(ones_of(n)).item<float>(), static_cast<float>(n));
                }
            });
    }
    EXPECT_EQ(f.traces(), sizes);
    EXPECT_EQ(f.guard_misses(), 0u);
}

TEST_F(Guards, sizes_that_give_a_negative_one_are_refused_in_every_call) {
    const auto f =
        compile("shorter", [](Array x) { return zeros({x.shape(0) - 5}) + 1; }, {.shapeless = true});
    EXPECT_EQ(floats(f(ones_of(8))).size(), 3u);
    EXPECT_EQ(floats(f(ones_of(5))).size(), 0u);
    EXPECT_EQ(f.traces(), 1u);
    for (int round = 0; round < 2; ++round)
        EXPECT_TRUE(contains(message_of<ShapeError>([&] { f(ones_of(3)); }),
                             "shorter: zeros: axis 0 of the result has the negative size -2"));
}

TEST_F(Guards, an_axis_that_elements_are_taken_from_is_not_empty) {
    const auto f = compile("first", [](Array x) { return take(x, Array{0, 0}, 0); }, {.shapeless = true});
    EXPECT_EQ(floats(f(ones_of(8))), (std::vector<float>{1, 1}));
    EXPECT_EQ(floats(f(ones_of(4))), (std::vector<float>{1, 1}));
    EXPECT_EQ(f.traces(), 1u);
    EXPECT_TRUE(contains(message_of<ShapeError>([&] { f(ones_of(0)); }), "first: take: axis 0"));
}

TEST_F(Guards, C3_a_size_that_comes_out_as_one_stretches_and_goes) {
    // ?n / 4 is 1 in a trace of 4 elements: what broadcasts for that is guarded by it.
    const auto quarters = [](const Array& x) { return reshape(x, {Dim(4), x.shape(0) / 4}); };
    const auto added =
        compile("added", [&](Array x, Array y) { return quarters(x) + y; }, {.shapeless = true});
    const auto squeezed =
        compile("squeezed", [&](Array x) { return squeeze(quarters(x)); }, {.shapeless = true});
    const auto without =
        compile("without", [&](Array x) { return squeeze(quarters(x), 1); }, {.shapeless = true});
    for (int round = 0; round < 2; ++round) {
        EXPECT_EQ(added(ones_of(4), ones({4, 7})).shape().text(), "[4, 7]");
        EXPECT_EQ(added(ones_of(28), ones({4, 7})).shape().text(), "[4, 7]");
        EXPECT_EQ(added(ones_of(20), ones({4, 5})).shape().text(), "[4, 5]");
        EXPECT_EQ(squeezed(ones_of(8)).shape().text(), "[4, 2]");
        EXPECT_EQ(squeezed(ones_of(4)).shape().text(), "[4]");
        EXPECT_EQ(squeezed(ones_of(12)).shape().text(), "[4, 3]");
        EXPECT_EQ(without(ones_of(4)).shape().text(), "[4]");
    }
    EXPECT_EQ(added.traces(), 2u);
    EXPECT_EQ(squeezed.traces(), 2u);
    EXPECT_TRUE(contains(message_of<ShapeError>([&] { without(ones_of(8)); }), "axis 1 has size 2, not 1"));
    EXPECT_TRUE(contains(message_of<ShapeError>([&] { added(ones_of(8), ones({4, 7})); }),
                         "sizes 2 and 7 do not broadcast"));
}

TEST_F(Guards, C3_several_sizes_that_come_out_as_one_stretch_together) {
    const auto f = compile("f",
                           [](Array x, Array y) {
                               const Dim n = min(x.shape(0), 1), m = min(x.shape(1), 1);
                               return slice(x, {{Dim(0), n}, {Dim(0), m}}) + y;
                           },
                           {.shapeless = true});
    EXPECT_EQ(floats(f(ones({3, 2}), ones({2, 2}))), (std::vector<float>{2, 2, 2, 2}));
    EXPECT_EQ(f(ones({5, 4}), ones({6, 3})).shape().text(), "[6, 3]");
    EXPECT_EQ(f.traces(), 1u);
}

TEST_F(Guards, C3_that_sizes_divide_is_guarded_whatever_they_are) {
    const auto f = compile("pairs",
                           [](Array x) {
                               const Array rest = slice(x, 0, {Dim(1), {}});
                               return sum(reshape(rest, {rest.shape(0) / 2, Dim(2)}), 1);
                           },
                           {.shapeless = true});
    EXPECT_EQ(floats(f(ones_of(5))), (std::vector<float>{2, 2}));
    EXPECT_EQ(floats(f(ones_of(9))), (std::vector<float>{2, 2, 2, 2}));
    EXPECT_EQ(f.traces(), 1u);
    EXPECT_TRUE(contains(message_of<ShapeError>([&] { f(ones_of(8)); }), "7 elements do not fill"));
}

} // namespace
