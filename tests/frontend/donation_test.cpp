// f(std::move(x)): the result takes over the memory of an argument that nobody else holds, where no kernel reads it after it is written.

#include "fixture.h"
#include "frontend/context_state.h"
#include "frontend/value.h"
#include "runtime/device_options.h"

#include <heddle/error.h>

#include <bit>
#include <cstdlib>
#include <numeric>

using namespace heddle;
using namespace heddle::tests;

namespace {

class Donation : public ::testing::TestWithParam<const char*> {
protected:
    Context context{ContextOptions{.device = GetParam(), .cache_directory = ""}};
    Context::Scope scope{context};

    /// Where the value lies on its device.
    static std::uint64_t place(const Array& array) {
        array.wait();
        return array.value()->buffer->address() + array.value()->offset;
    }
    static Array counting(std::int64_t rows, std::int64_t columns) {
        std::vector<float> values(static_cast<std::size_t>(rows * columns));
        std::iota(values.begin(), values.end(), 0.f);
        return Array::from(values, {rows, columns}).to(GetParam()).eval();
    }
    static Array counting(std::int64_t count) {
        std::vector<float> values(static_cast<std::size_t>(count));
        std::iota(values.begin(), values.end(), 0.f);
        return Array::from(values).to(GetParam()).eval();
    }
};

Array twice_plus_one(Array x) { return x * 2.0f + 1.0f; }

std::vector<float> expected_twice_plus_one(std::size_t count) {
    std::vector<float> values(count);
    for (std::size_t k = 0; k < count; ++k) values[k] = static_cast<float>(k) * 2 + 1;
    return values;
}

TEST_P(Donation, a_pointwise_result_takes_over_the_memory_of_a_moved_argument) {
    for (const bool shapeless : {false, true}) {
        const auto f = compile("f", twice_plus_one, {.shapeless = shapeless});
        for (std::int64_t count : {1, 37, 100003}) {
            Array x = counting(count);
            const std::uint64_t memory = place(x);
            const Array y = f(std::move(x));
            EXPECT_EQ(place(y), memory) << count;
            EXPECT_EQ(floats(y), expected_twice_plus_one(static_cast<std::size_t>(count)));
        }
    }
}

// Invocations at the edge of the domain look at places that others write, but only where they do not write themselves.
TEST_P(Donation, tiles_and_rows_taken_together_read_a_moved_argument_as_it_was) {
    constexpr std::int64_t rows = 35, columns = 66, wide = columns + 1;
    const auto turned = compile("turned", [](Array x, Array z) { return z * 2.0f + transpose(x); });
    const auto below = compile("below", [](Array x, Array z) {
        const auto part = [&](int down, int right) {
            return slice(x, {Slice{down, rows + down}, Slice{right, columns + right}});
        };
        return z * 2.0f + (part(1, 1) - part(0, 0));
    });
    const Array x = counting(columns, rows), wider = counting(rows + 1, wide);
    for (const bool tiles : {true, false}) {
        Array z = counting(rows, columns);
        const std::uint64_t memory = place(z);
        const Array y = tiles ? turned(x, std::move(z)) : below(wider, std::move(z));
        EXPECT_EQ(place(y), memory);
        const std::vector<float> got = floats(y);
        for (std::int64_t k = 0; k < rows * columns; ++k) {
            const std::int64_t read = tiles ? k % columns * rows + k / columns : wide + 1;
            ASSERT_EQ(got[static_cast<std::size_t>(k)], static_cast<float>(read + 2 * k))
                << tiles << " " << k;
        }
    }
}

TEST_P(Donation, memory_is_handed_on_while_the_work_that_uses_it_is_still_in_flight) {
    const auto f = compile("f", twice_plus_one);
    Array x = counting(1001);
    const std::uint64_t memory = place(x);
    const auto device = context.state()->device(GetParam());
    f(counting(1001)).wait(); // compiled
    device->hold_queue(true);
    for (int round = 0; round < 3; ++round) x = f(std::move(x));
    device->hold_queue(false);
    EXPECT_EQ(place(x), memory);
    const std::vector<float> got = floats(x);
    for (std::size_t k = 0; k < got.size(); ++k) EXPECT_EQ(got[k], static_cast<float>(k) * 8 + 7);
}

TEST_P(Donation, an_argument_that_is_kept_keeps_its_memory_and_value) {
    const auto f = compile("f", twice_plus_one);
    const Array x = counting(37);
    const Array other = x;
    Array moved = x;
    EXPECT_NE(place(f(std::move(moved))), place(x));
    EXPECT_NE(place(f(x)), place(x));
    EXPECT_EQ(floats(x), floats(counting(37)));
}

TEST_P(Donation, memory_that_a_value_of_an_op_lies_in_too_is_not_overwritten) {
    const auto same = compile("same", [](Array x) { return x; });
    const auto f = compile("f", twice_plus_one);
    const Array x = (counting(37) + 0.0f).eval();
    Array y = same(x); // another value in the same memory
    ASSERT_EQ(place(y), place(x));
    EXPECT_NE(place(f(std::move(y))), place(x));
    EXPECT_EQ(floats(x), floats(counting(37)));
}

TEST_P(Donation, a_pinned_argument_keeps_its_memory) {
    const auto f = compile("f", twice_plus_one);
    Array x = counting(37);
    const std::uint64_t memory = place(x);
    x.pin();
    const Array watch = x; // to unpin it again
    EXPECT_NE(place(f(std::move(x))), memory);
    watch.unpin();
}

TEST_P(Donation, memory_that_was_adopted_is_not_written_to) {
    const auto f = compile("f", twice_plus_one);
    const auto mine = std::make_shared<std::vector<float>>(1024, 3.0f);
    Array x = Array::adopt(Dtype::f32, {1024}, mine->data(), mine);
    EXPECT_EQ(floats(f(std::move(x))), std::vector<float>(1024, 7.0f));
    EXPECT_EQ(*mine, std::vector<float>(1024, 3.0f));
}

TEST_P(Donation, an_argument_read_elsewhere_than_it_is_written_is_not_overwritten) {
    const auto f = compile("f", [](Array x) { return x + transpose(x); });
    Array x = reshape(counting(49), {7, 7}).eval();
    const std::uint64_t memory = place(x);
    const Array y = f(std::move(x));
    EXPECT_NE(place(y), memory);
    const std::vector<float> got = floats(y);
    for (std::size_t row = 0; row < 7; ++row)
        for (std::size_t column = 0; column < 7; ++column)
            EXPECT_EQ(got[row * 7 + column], static_cast<float>(row * 7 + column + column * 7 + row));
}

TEST_P(Donation, an_argument_read_at_run_time_indices_is_not_overwritten) {
    const auto f = compile("f", [](Array x, Array at) { return x + take(x, at, 0); });
    Array x = counting(5);
    const Array y = f(std::move(x), Array{4, 3, 2, 1, 0}.to(GetParam()));
    EXPECT_EQ(floats(y), (std::vector<float>{4, 4, 4, 4, 4}));
}

TEST_P(Donation, of_two_results_one_takes_the_memory_and_both_are_right) {
    const auto f = compile("f", [](Array x) { return std::tuple(x + 1.0f, x * 2.0f); });
    Array x = counting(1001);
    const std::uint64_t memory = place(x);
    const auto [a, b] = f(std::move(x));
    EXPECT_NE(place(a), place(b));
    EXPECT_TRUE(place(a) == memory || place(b) == memory);
    EXPECT_EQ(floats(a)[1000], 1001.0f);
    EXPECT_EQ(floats(b)[1000], 2000.0f);
    EXPECT_EQ(floats(b)[1], 2.0f);
}

TEST_P(Donation, a_result_of_a_later_kernel_takes_what_earlier_kernels_have_read) {
    // The sum over rows has to be complete before anything is written.
    const auto f = compile("f", [](Array x, Array w) {
        const Array total = sum(x, 0, true);
        return exp(w - max(w)) * sum(total);
    });
    Array x = reshape(counting(12), {3, 4}).eval();
    const Array y = f(x, ones({3, 4}).to(GetParam()).eval());
    const Array z = f(std::move(x), ones({3, 4}).to(GetParam()).eval());
    EXPECT_EQ(floats(y), floats(z));
    EXPECT_EQ(floats(z), std::vector<float>(12, 66.0f));
}

TEST_P(Donation, an_argument_that_is_also_a_result_is_not_overwritten) {
    const auto f = compile("f", [](Array x) { return std::tuple(x, x + 1.0f); });
    Array x = counting(9);
    const auto [same, next] = f(std::move(x));
    EXPECT_NE(place(same), place(next));
    EXPECT_EQ(floats(same), floats(counting(9)));
}

/// One variable of the environment, while it lives.
struct Variable {
    Variable(const char* name, const char* value) : name(name) { setenv(name, value, 1); }
    ~Variable() { unsetenv(name); }
    Variable(const Variable&) = delete;
    Variable& operator=(const Variable&) = delete;
    const char* name;
};

/// The result that took over an argument's memory is read by another call and dropped while both are held back.
float read_after_drop(const char* device_name, const char* retain) {
    const Variable retention("HEDDLE_RETAIN_BOUND_BUFFERS", retain), poison("HEDDLE_POISON", "1");
    Context context{ContextOptions{.device = device_name, .cache_directory = ""}};
    const Context::Scope scope(context);
    const auto f = compile("f", twice_plus_one);
    const auto g = compile("g", [](Array y) { return y * 4.0f; });
    auto threes = [&] { return Array::from(std::vector<float>(1001, 3.0f)).to(device_name).eval(); };
    g(f(threes())).wait(); // compiled
    Array x = threes();
    x.wait();
    const std::uint64_t memory = x.value()->buffer->address();
    const auto device = context.state()->device(device_name);
    device->hold_queue(true);
    Array y = f(std::move(x));
    EXPECT_EQ(y.value()->buffer->address(), memory);
    const Array z = g(y);
    y = Array();
    device->hold_queue(false);
    const std::vector<float> got = floats(z);
    EXPECT_EQ(got, std::vector<float>(1001, got[0]));
    return got[0];
}

TEST_P(Donation, R3_a_result_in_the_memory_of_an_argument_outlives_its_last_handle) {
    for (int k = 0; k < 10; ++k) EXPECT_EQ(read_after_drop(GetParam(), "1"), 28.0f);
}

TEST_P(Donation, R3_without_retention_calls_that_were_held_back_read_poison) {
    const float poison = std::bit_cast<float>(0x01010101u * runtime::poison_byte);
    const float wanted = (poison * 2.0f + 1.0f) * 4.0f;
    for (int k = 0; k < 10; ++k) EXPECT_EQ(read_after_drop(GetParam(), "0"), wanted);
}

INSTANTIATE_TEST_SUITE_P(On, Donation, ::testing::Values("cpu", "vulkan"),
                         [](const auto& info) { return std::string(info.param); });

} // namespace
