// What several threads may do at once: C5, C6, C9. That a kernel being compiled holds up nobody else: code_generation_test.cpp.

#include "fixture.h"

#include <heddle/error.h>

#include <atomic>
#include <cmath>
#include <latch>
#include <sstream>
#include <thread>

using namespace heddle;
using namespace heddle::tests;

namespace {

class Threads : public FrontendTest {};

/// Runs `work(k)` on so many threads, each in the test's context.
template <class Work> void on_threads(Context& context, int count, Work work) {
    std::latch start(count);
    std::vector<std::jthread> threads;
    for (int k = 0; k < count; ++k) {
        threads.emplace_back([&, k] {
            Context::Scope scope(context);
            start.arrive_and_wait();
            work(k);
        });
    }
}

TEST_F(Threads, C5_while_one_thread_traces_another_runs) {
    auto other = compile("other", [](Array x) { return x * 3.0f; });
    std::latch tracing(1), done(1);
    auto slow = compile("slow", [&](Array x) {
        tracing.count_down();
        done.wait();
        return x + 1.0f;
    });
    std::jthread thread([&] {
        Context::Scope scope(context);
        EXPECT_EQ(floats(slow(Array{1.f}))[0], 2);
    });
    tracing.wait();
    // This thread is not tracing: values can be read, first and later calls run.
    EXPECT_EQ((Array{1.f} + 1.0f).item<float>(), 2);
    EXPECT_EQ(floats(other(Array{2.f}))[0], 6);
    EXPECT_EQ(floats(other(Array{3.f}))[0], 9);
    EXPECT_EQ(slow.specializations(), 0u);
    done.count_down();
}

TEST_F(Threads, C5_other_signatures_of_the_same_function_do_not_wait) {
    std::latch tracing(1), done(1);
    std::atomic<bool> hold{true};
    auto f = compile("f", [&](Array x) {
        if (x.shape(0) == 1 && hold) {
            tracing.count_down();
            done.wait();
        }
        return x + 1.0f;
    });
    std::jthread thread([&] {
        Context::Scope scope(context);
        f(ones({1}));
    });
    tracing.wait();
    EXPECT_EQ(floats(f(ones({2})))[0], 2);
    EXPECT_EQ(floats(f(ones({2})))[1], 2);
    done.count_down();
}

TEST_F(Threads, C5_traces_on_eight_threads_are_the_same_as_on_one) {
    auto body = [](Array x, Array y) { return softmax(matmul(x, y) + x, -1) * rms_norm(y); };
    auto text_of = [&] {
        auto f = compile("f", body, {.shapeless = true});
        std::ostringstream out;
        f.dump(out, Stage::trace, ones({3, 3}), ones({3, 3}));
        return out.str();
    };
    const std::string expected = text_of();
    std::atomic<int> different{0};
    on_threads(context, 8, [&](int) {
        for (int k = 0; k < 10; ++k) different += text_of() != expected;
    });
    EXPECT_EQ(different, 0);
}

TEST_F(Threads, C6_concurrent_first_calls_trace_once) {
    for (int round = 0; round < 10; ++round) {
        std::atomic<int> runs{0};
        auto f = compile("f", [&](Array x) {
            ++runs;
            std::this_thread::yield();
            return x * 2.0f;
        });
        std::atomic<int> wrong{0};
        on_threads(context, 8, [&](int k) {
            wrong += floats(f(Array{static_cast<float>(k)}))[0] != static_cast<float>(2 * k);
        });
        EXPECT_EQ(runs, 1);
        EXPECT_EQ(wrong, 0);
    }
}

TEST_F(Threads, C6_when_the_trace_throws_each_waiting_caller_gets_the_error_and_the_next_call_tries_again) {
    std::atomic<int> entered{0}, runs{0}, errors{0};
    std::atomic<bool> fail{true};
    constexpr int callers = 6;
    auto f = compile("f", [&](Array x) {
        ++runs;
        // Until all the others have called; they find this trace under way.
        while (fail && entered < callers) std::this_thread::yield();
        if (fail) throw std::domain_error("no");
        return x;
    });
    on_threads(context, callers, [&](int) {
        try {
            const Array x{1.f};
            ++entered;
            f(x);
        } catch (const std::domain_error&) {
            ++errors;
        }
    });
    EXPECT_EQ(errors, callers);
    fail = false;
    runs = 0;
    EXPECT_EQ(floats(f(Array{1.f}))[0], 1);
    EXPECT_EQ(runs, 1);
}

TEST_F(Threads, C9_pins_are_counted_right_from_many_threads) {
    const Array x{1.f};
    on_threads(context, 8, [&](int) {
        const Array mine = x;
        for (int k = 0; k < 1000; ++k) mine.pin();
        for (int k = 0; k < 999; ++k) mine.unpin();
    });
    EXPECT_EQ(x.pins(), 8);
    for (int k = 0; k < 8; ++k) x.unpin();
    EXPECT_THROW(x.unpin(), UsageError);
}

TEST_F(Threads, C14_a_function_may_be_destroyed_on_another_thread) {
    const std::uint64_t arrays = live_arrays();
    for (int k = 0; k < 20; ++k) {
        auto f = std::make_unique<Compiled<Array(Array)>>(
            "f", [k](Array x) { return x + static_cast<float>(k); }, CompileOptions{});
        EXPECT_EQ(floats((*f)(Array{0.f}))[0], static_cast<float>(k));
        std::jthread([moved = std::move(f)]() mutable { moved.reset(); });
    }
    EXPECT_EQ(live_arrays(), arrays);
}

TEST_F(Threads, first_calls_with_other_sizes_lower_kernels_while_others_read_sizes) {
    for (const std::string& device : with_vulkan({"cpu"})) {
        SCOPED_TRACE(device);
        Context own({.device = device, .cache_directory = ""});
        Context::Scope scope(own);
        auto f = compile("f", [](Array x) { return softmax(x, -1) + sum(transpose(x), -1, true); },
                         {.shapeless = true});
        f(ones({2, 2})).wait();
        std::atomic<int> wrong{0};
        on_threads(own, 6, [&](int k) {
            for (std::int64_t n : {3, 64, 100, 300, 2048, 5000}) {
                const std::int64_t size = n + 4 * k;
                const float expected = 1 / static_cast<float>(size) + static_cast<float>(size);
                for (float each : floats(f(ones({size, size})))) wrong += std::fabs(each - expected) > 1e-2f;
                if (size > 128) break;
            }
        });
        EXPECT_EQ(wrong, 0);
    }
}

TEST_F(Threads, a_pending_value_is_evaluated_once_for_all_who_hold_it) {
    for (int round = 0; round < 20; ++round) {
        const Array x = arange(1000, Dtype::f32) * 2.0f + 1.0f;
        const std::uint64_t calls = context.statistics().calls;
        std::atomic<int> wrong{0};
        on_threads(context, 4, [&](int) {
            const Array mine = x;
            wrong += floats(mine)[999] != 1999;
        });
        EXPECT_EQ(wrong, 0);
        EXPECT_EQ(context.statistics().calls, calls + 1);
    }
}

TEST_F(Threads, a_pending_value_of_another_thread_can_be_used) {
    const Array x = arange(10, Dtype::f32) + 1.0f;
    std::atomic<int> wrong{0};
    on_threads(context, 4, [&](int k) {
        const Array mine = x;
        wrong += floats(mine * static_cast<float>(k))[9] != static_cast<float>(10 * k);
    });
    EXPECT_EQ(wrong, 0);
}

} // namespace
