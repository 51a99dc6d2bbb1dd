// Calls of a function that is one kernel of known sizes: those after the first take a shorter way, which nobody sees but by the clock.

#include "fixture.h"
#include "frontend/value.h"

#include <thread>
#include <vector>

using namespace heddle;
using namespace heddle::tests;

namespace {

class RepeatedCalls : public ::testing::TestWithParam<const char*> {
protected:
    Context context{ContextOptions{.device = GetParam(), .cache_directory = ""}};
    Context::Scope scope{context};
    static Array filled(std::int64_t count, float value) {
        return Array::from(std::vector<float>(static_cast<std::size_t>(count), value)).to(GetParam()).eval();
    }
    static std::vector<float> of(std::int64_t count, float value) {
        return std::vector<float>(static_cast<std::size_t>(count), value);
    }
};

TEST_P(RepeatedCalls, compute_with_the_arrays_and_numbers_of_each) {
    const auto f = compile("f", [](Array x, Array y) { return x * y + 1.0f; });
    const Array a = filled(67, 2), b = filled(67, 3);
    for (int k = 0; k < 20; ++k) {
        EXPECT_EQ(floats(f(a, b)), of(67, 7));
        EXPECT_EQ(floats(f(b, b)), of(67, 10));
        EXPECT_EQ(floats(f(a, static_cast<float>(k))), of(67, 2 * static_cast<float>(k) + 1));
        EXPECT_EQ(floats(f(a, k)), of(67, 2 * static_cast<float>(k) + 1));
    }
    EXPECT_EQ(f.traces(), 3u);
}

TEST_P(RepeatedCalls, keep_what_they_gave_before) {
    const auto f = compile("f", [](Array x) { return x + 1.0f; });
    Array x = filled(16, 0);
    std::vector<Array> results;
    for (int k = 0; k < 100; ++k) results.push_back(x = f(x));
    for (int k = 0; k < 100; ++k)
        EXPECT_EQ(floats(results[static_cast<std::size_t>(k)]), of(16, static_cast<float>(k + 1)));
}

TEST_P(RepeatedCalls, take_arrays_that_begin_anywhere) {
    const auto f = compile("f", [](Array x, Array y) { return x + y; });
    std::vector<float> numbers(256);
    for (std::size_t k = 0; k < numbers.size(); ++k) numbers[k] = static_cast<float>(k);
    const Array all = Array::from(numbers).to(GetParam()).eval();
    auto part = [&](std::size_t begin) { // in the same memory
        const detail::Value& whole = *all.value();
        detail::Extents shape;
        shape.rank = 1;
        shape.sizes[0] = 64;
        return Array::adopt_value(
            detail::new_concrete(Dtype::f32, shape, whole.buffer, whole.offset + begin * sizeof(float)));
    };
    for (int round = 0; round < 3; ++round)
        for (std::size_t begin : {0, 4, 1, 64, 3, 191}) {
            const std::vector<float> got = floats(f(part(begin), part(0)));
            for (std::size_t k = 0; k < 64; ++k)
                EXPECT_EQ(got[k], static_cast<float>(begin + 2 * k)) << begin;
        }
}

TEST_P(RepeatedCalls, write_to_what_was_given_away) {
    const auto f = compile("f", [](Array x) { return x * 2.0f; });
    Array x = filled(1000, 1);
    const std::uint64_t memory = x.value()->buffer->address();
    for (int k = 0; k < 10; ++k) {
        x = f(std::move(x));
        EXPECT_EQ(x.value()->buffer->address(), memory);
        x.wait();
    }
    EXPECT_EQ(floats(x), of(1000, 1024));
}

// The short way finds the stream busy at most of them, when the result has its memory already.
TEST_P(RepeatedCalls, in_a_row_write_to_what_was_given_away) {
    const auto f = compile("f", [](Array x) { return x + 1.0f; });
    Array x = filled(16, 0);
    const std::uint64_t memory = x.value()->buffer->address();
    for (int k = 0; k < 200; ++k) {
        x = f(std::move(x));
        EXPECT_EQ(x.value()->buffer->address(), memory);
    }
    EXPECT_EQ(floats(x), of(16, 200));
}

TEST_P(RepeatedCalls, use_what_the_function_captured) {
    {
        const auto f =
            compile("f", [weight = filled(16, 3), bias = filled(16, 5)](Array scale, Array x, Array y) {
                return std::vector<Array>{x * weight + bias * scale, y - weight};
            });
        for (int k = 0; k < 50; ++k) {
            const std::vector<Array> both =
                f(static_cast<float>(k), filled(16, 2), filled(16, static_cast<float>(k)));
            if (k % 7 == 0) context.synchronize();
            EXPECT_EQ(floats(both[0]), of(16, 6 + 5 * static_cast<float>(k)));
            EXPECT_EQ(floats(both[1]), of(16, static_cast<float>(k) - 3));
        }
        EXPECT_EQ(f.traces(), 1u);
    }
    context.synchronize();
    EXPECT_EQ(context.live_buffers(), 0u);
}

TEST_P(RepeatedCalls, leave_nothing_behind) {
    const auto f = compile("f", [](Array x, Array y) { return std::vector<Array>{x + y, x - y}; });
    const Array a = filled(16, 2), b = filled(16, 1);
    (void)f(a, b);
    context.synchronize();
    const std::uint64_t arrays = live_arrays(), buffers = context.live_buffers(),
                        bytes = context.live_bytes();
    const std::uint64_t calls = context.statistics().calls;
    for (int k = 0; k < 1000; ++k) (void)f(a, b);
    context.synchronize();
    EXPECT_EQ(live_arrays(), arrays);
    EXPECT_EQ(context.live_buffers(), buffers);
    EXPECT_EQ(context.live_bytes(), bytes);
    EXPECT_EQ(context.statistics().calls, calls + 1000);
}

TEST_P(RepeatedCalls, from_many_threads_on_the_same_arrays_are_right) {
    const auto f = compile("f", [](Array x, Array y) { return x * 3.0f + y; });
    const Array a = filled(333, 2), b = filled(333, 1);
    EXPECT_EQ(floats(f(a, b)), of(333, 7));
    float chained = 7;
    for (int k = 0; k < 20; ++k) {
        chained *= 3;
        chained += 1;
    }
    std::vector<std::thread> threads;
    std::vector<int> wrong(20, 0); // more than there are streams
    for (std::size_t t = 0; t < wrong.size(); ++t)
        threads.emplace_back([&, t, x = a, y = b] {
            const Context::Scope here(context);
            for (int k = 0; k < 50; ++k) wrong[t] += floats(f(x, y)) != of(333, 7);
            Array own = f(x, y);
            for (int k = 0; k < 20; ++k) own = f(own, y);
            wrong[t] += floats(own) != of(333, chained);
        });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, std::vector<int>(wrong.size(), 0));
}

INSTANTIATE_TEST_SUITE_P(Devices, RepeatedCalls, ::testing::Values("cpu", "vulkan"));

} // namespace
