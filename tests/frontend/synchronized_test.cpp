// Exclusive state: O10. No test waits for time to pass: each waits until the others have arrived.

#include "fixture.h"

#include "frontend/context_state.h"
#include "runtime/device.h"

#include <heddle/error.h>

#include <atomic>
#include <concepts>
#include <latch>
#include <memory>
#include <stdexcept>
#include <thread>

using namespace heddle;
using namespace heddle::tests;

namespace {

class SynchronizedTest : public FrontendTest {
protected:
    /// A thread that works in the test's context.
    template <class Work> std::jthread thread(Work work) {
        return std::jthread([this, work] {
            Context::Scope in(context);
            work();
        });
    }
};

static_assert(!std::copy_constructible<Synchronized<int>> && !std::move_constructible<Synchronized<int>>);
static_assert(!std::is_copy_assignable_v<Synchronized<int>> && !std::is_move_assignable_v<Synchronized<int>>);
static_assert(!Sendable<Synchronized<int>>);
static_assert(Sendable<std::shared_ptr<Synchronized<Array>>>);
// What is inside does not leave by reference or pointer.
template <class F>
concept Accepted = requires(Synchronized<int> s, F f) { s.with_lock(f); };
constexpr auto address = [](int& value) { return &value; };
constexpr auto reference = [](int& value) -> int& { return value; };
static_assert(!Accepted<decltype(address)> && Accepted<decltype(reference)>);
static_assert(std::same_as<decltype(std::declval<Synchronized<int>&>().with_lock(reference)), int>);

TEST_F(SynchronizedTest, O10_the_closure_has_the_value_and_its_result_comes_back) {
    Synchronized<std::vector<int>> list(std::vector<int>{1, 2});
    list.with_lock([](std::vector<int>& value) { value.push_back(3); });
    EXPECT_EQ(list.with_lock([](std::vector<int>& value) { return value.size(); }), 3u);
    Synchronized<std::unique_ptr<int>> made(std::in_place, new int(7));
    EXPECT_EQ(*made.with_lock([](std::unique_ptr<int>& value) { return std::move(value); }), 7);
}

TEST_F(SynchronizedTest, O10_one_thread_at_a_time_has_access) {
    Synchronized<int> counter(0);
    std::atomic<int> inside{0}, together{0};
    {
        std::vector<std::jthread> threads;
        for (int k = 0; k < 8; ++k)
            threads.push_back(thread([&] {
                for (int round = 0; round < 50; ++round)
                    counter.with_lock([&](int& value) {
                        together += ++inside != 1;
                        ++value;
                        --inside;
                    });
            }));
    }
    EXPECT_EQ(together, 0);
    EXPECT_EQ(counter.with_lock([](int value) { return value; }), 400);
}

TEST_F(SynchronizedTest, O10_waiting_is_first_come_first_served) {
    Synchronized<std::vector<int>> order(std::vector<int>{});
    {
        std::vector<std::jthread> threads;
        order.with_lock([&](std::vector<int>&) {
            for (int k = 0; k < 8; ++k) {
                threads.push_back(thread(
                    [&order, k] { order.with_lock([k](std::vector<int>& list) { list.push_back(k); }); }));
                while (order.waiting() != static_cast<std::size_t>(k + 1)) std::this_thread::yield();
            }
            EXPECT_FALSE(order.try_with_lock([](std::vector<int>&) {}));
        });
    }
    EXPECT_EQ(order.with_lock([](std::vector<int>& list) { return list; }),
              (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7}));
    EXPECT_EQ(order.waiting(), 0u);
}

TEST_F(SynchronizedTest, O10_it_is_released_when_the_closure_throws) {
    Synchronized<int> state(1);
    EXPECT_THROW(state.with_lock([](int& value) {
        value = 2;
        throw std::domain_error("no");
    }),
                 std::domain_error);
    int seen = 0;
    EXPECT_TRUE(state.try_with_lock([&](int& value) { seen = value; }));
    EXPECT_EQ(seen, 2);
    EXPECT_THROW(state.try_with_lock([](int&) { throw std::domain_error("no"); }), std::domain_error);
    EXPECT_TRUE(state.try_with_lock([](int&) {}));
}

TEST_F(SynchronizedTest, O10_what_the_closure_left_pending_has_run_and_what_was_pending_before_has_not) {
    const Array before = arange(4, Dtype::f32) * 2.0f;
    Synchronized<Array> state(zeros({4}));
    const Array result = state.with_lock([](Array& value) {
        value += 1.0f;
        return value * 3.0f;
    });
    EXPECT_TRUE(result.is_evaluated());
    EXPECT_TRUE(state.with_lock([](Array& value) { return value.is_evaluated(); }));
    EXPECT_FALSE(before.is_evaluated());
    EXPECT_EQ(floats(result)[3], 3);
}

TEST_F(SynchronizedTest, O10_an_error_in_the_work_comes_out_and_releases) {
    Context closing({.device = "interp", .cache_directory = ""});
    Context::Scope scope(closing);
    Synchronized<Array> state(ones({4}));
    EXPECT_THROW(state.with_lock([&](Array& value) {
        value += 1.0f;
        closing.shutdown(); // what is pending cannot run any more
    }),
                 UsageError);
    EXPECT_TRUE(state.try_with_lock([](Array&) {}));
}

TEST_F(SynchronizedTest, O10_locking_again_in_the_closure_is_an_error_and_no_deadlock) {
    Synchronized<int> state(1);
    const std::string message =
        message_of<UsageError>([&] { state.with_lock([&](int&) { state.with_lock([](int&) {}); }); });
    EXPECT_TRUE(contains(message, "wait for itself"));
    EXPECT_TRUE(contains(message, "synchronized_test.cpp"));
    EXPECT_TRUE(state.try_with_lock([](int&) {}));
}

TEST_F(SynchronizedTest, O10_in_a_trace_it_is_an_error) {
    Synchronized<Array> state(ones({2}));
    auto f = compile("stateful",
                     [&](Array x) { return state.with_lock([&](Array& value) { return value + x; }); });
    EXPECT_TRUE(contains(message_of<TraceError>([&] { f(ones({2})); }), "stateful: Synchronized"));
    EXPECT_TRUE(state.try_with_lock([](Array&) {}));
}

/// On a device that runs behind the caller's back and whose queue the test holds.
class SynchronizedOnDevice : public ::testing::Test {
protected:
    Context context{ContextOptions{.device = "vulkan", .cache_directory = ""}};
    Context::Scope scope{context};
    runtime::DeviceRef device = context.state()->device();

    /// `work` runs with the lock on a thread of its own while the queue is held; nobody else may come in before it is let go.
    template <class Work> void expect_held_until_the_device_is_done(Work work) {
        Synchronized<Array> state(Array{1.f, 2.f});
        // Compiled and uploaded before the queue is held.
        state.with_lock([](Array& value) { value = value * 2.0f; });
        device->hold_queue(true);
        std::latch worked(1);
        std::atomic<bool> released{false}, second_entered{false}, entered_early{false};
        std::jthread first([&] {
            Context::Scope in(context);
            try {
                state.with_lock([&](Array& value) {
                    struct CountDown {
                        std::latch& latch;
                        ~CountDown() { latch.count_down(); }
                    } const on_leaving{worked};
                    work(value);
                });
            } catch (const std::domain_error&) {
            }
        });
        worked.wait();
        std::jthread second([&] {
            Context::Scope in(context);
            state.with_lock([&](Array&) {
                second_entered = true;
                entered_early = !released;
            });
        });
        // It comes to wait, or gets in though it should not.
        while (state.waiting() == 0 && !second_entered) std::this_thread::yield();
        EXPECT_FALSE(second_entered);
        EXPECT_FALSE(state.try_with_lock([](Array&) {}));
        released = true;
        device->hold_queue(false);
        first.join();
        second.join();
        EXPECT_FALSE(entered_early);
    }
};

TEST_F(SynchronizedOnDevice, O10_access_is_held_until_submitted_work_has_completed) {
    expect_held_until_the_device_is_done([](Array& value) { (value = value * 2.0f).eval(); });
}

TEST_F(SynchronizedOnDevice, O10_also_work_whose_results_nobody_keeps) {
    expect_held_until_the_device_is_done([](Array& value) { (value * 2.0f).eval(); });
}

TEST_F(SynchronizedOnDevice, O10_also_when_the_closure_throws) {
    expect_held_until_the_device_is_done([](Array& value) {
        (value = value * 2.0f).eval();
        throw std::domain_error("no");
    });
}

} // namespace
