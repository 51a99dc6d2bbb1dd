// Work whose completion a test holds back: what is dropped meanwhile stays for the kernels (R4, R5), and a context may be destroyed or shut
// down over it.

#include "fixture.h"

#include "frontend/value.h"
#include "tests/poisoning.h"

#include <heddle/error.h>

#include <memory>
#include <optional>

using namespace heddle;
using namespace heddle::tests;

namespace {

class InFlight : public OnDevice {
protected:
    const Compiled<Array(Array)> twice = compile<Array(Array)>("twice", [](Array x) { return x + x; });
    /// Evaluated, uploaded and compiled for before the queue is held.
    Array ready(float value) {
        const Array x = Array::from(filled(256, value));
        twice(x).wait();
        context.synchronize();
        return x;
    }
};

TEST_P(InFlight, nothing_completes_while_the_queue_is_held) {
    const Array x = ready(1);
    ASSERT_TRUE(device.hold_queue(true));
    const Array y = twice(x), z = twice(y);
    EXPECT_FALSE(y.value()->buffer->written().complete());
    EXPECT_FALSE(device.submitted().complete());
    device.hold_queue(false);
    EXPECT_EQ(floats(z), filled(256, 4));
    EXPECT_TRUE(y.value()->buffer->written().complete());
}

TEST_P(InFlight, R4_everything_may_be_dropped_before_the_kernels_run) {
    Array x = ready(1);
    const std::uint64_t buffers = context.live_buffers();
    device.hold_queue(true);
    Array total = twice(x);
    for (int k = 0; k < 20; ++k) {
        Array next = twice(total);
        total = twice(x); // the memory of what was dropped would be taken by this if it were free
        next = Array();
    }
    x = Array();
    EXPECT_GT(context.live_buffers(), buffers + 20) << "nobody but the submissions holds them";
    device.hold_queue(false);
    EXPECT_EQ(floats(total), filled(256, 2));
    context.synchronize();
    EXPECT_EQ(context.live_buffers(), buffers) << "the result, and no longer x";
}

TEST_P(InFlight, a_thread_that_waits_goes_on_when_another_lets_the_queue_go) {
    const Array x = ready(3);
    device.hold_queue(true);
    const Array y = twice(x);
    std::vector<float> got;
    {
        std::jthread reader([&] {
            const Context::Scope inside(context);
            got = floats(y);
        });
        device.hold_queue(false);
    }
    EXPECT_EQ(got, filled(256, 6));
}

TEST_P(InFlight, a_context_is_destroyed_over_work_in_flight_and_its_results_arrive) {
    std::optional<Context> doomed(std::in_place, ContextOptions{.device = GetParam(), .cache_directory = ""});
    Array kept, dropped;
    std::optional<Compiled<Array(Array)>> f;
    {
        const Context::Scope inside(*doomed);
        f.emplace("late", [](Array x) { return x * 2.0f; }, CompileOptions{});
        const Array x = Array::from(filled(256, 5));
        (*f)(x).wait();
        doomed->synchronize();
        doomed->state()->device()->hold_queue(true);
        kept = (*f)(x);
        dropped = (*f)(kept);
    }
    dropped = Array();
    doomed.reset();
    f.reset(); // the last that holds the context: its device waits for what it was given
    EXPECT_EQ(floats(kept), filled(256, 10)) << "memory outlives the context";
}

TEST_P(InFlight, shutdown_waits_for_what_is_in_flight_and_handles_give_errors_then) {
    Context closing(ContextOptions{.device = GetParam(), .cache_directory = ""});
    const Context::Scope inside(closing);
    const auto f = compile("late", [](Array x) { return x * 2.0f; });
    const Array x = Array::from(filled(256, 5));
    f(x).wait();
    closing.synchronize();
    const runtime::DeviceRef held = closing.state()->device();
    held->hold_queue(true);
    const Array y = f(x), pending = y + 1.0f;
    std::atomic<bool> released{false}, early{false};
    {
        std::jthread closer([&] {
            closing.shutdown();
            early = !released;
        });
        released = true;
        held->hold_queue(false);
    }
    EXPECT_FALSE(early);
    EXPECT_EQ(floats(y), filled(256, 10)) << "it was computed";
    EXPECT_THROW(f(y), UsageError);
    EXPECT_THROW(pending.eval(), UsageError);
    EXPECT_THROW((void)(y + 1.0f).eval(), UsageError);
}

HEDDLE_ON_DEVICES(InFlight);

// ---- R5: with the queue held back, the operand's last handle goes and its memory is poisoned.

class Retention : public ::testing::TestWithParam<const char*> {
protected:
    /// How many of a hundred runs give 256 times `expected`.
    static int runs_that_give(float expected, bool retain) {
        Poisoning on(GetParam(), retain);
        const auto twice = compile("twice", [](Array x) { return x + x; });
        int count = 0;
        for (int k = 0; k < 100; ++k) {
            Array x = Array::from(filled(256, 1));
            twice(x).wait();
            on.context.synchronize();
            on.device->hold_queue(true);
            const Array y = twice(x);
            x = Array();
            on.device->hold_queue(false);
            count += floats(y) == filled(256, expected);
        }
        return count;
    }
};

TEST_P(Retention, R5_a_hundred_of_a_hundred_runs_read_what_they_were_given) {
    const int right = runs_that_give(2, true);
    RecordProperty("runs_that_passed", right);
    EXPECT_EQ(right, 100);
}

TEST_P(Retention, R5_a_hundred_of_a_hundred_runs_without_retention_read_poison) {
    const int poisoned = runs_that_give(poison() + poison(), false);
    RecordProperty("runs_that_read_poison", poisoned);
    EXPECT_EQ(poisoned, 100);
}

TEST_P(Retention, R1_what_a_function_captured_stays_until_its_calls_are_done) {
    Poisoning on(GetParam(), true);
    const Array x = Array::from(filled(256, 1));
    const std::uint64_t before = on.context.live_buffers();
    Array weight = Array::from(filled(256, 5));
    std::optional<Compiled<Array(Array)>> scaled(compile("scaled", [weight](Array a) { return a * weight; }));
    (*scaled)(x).wait();
    on.context.synchronize();
    on.device->hold_queue(true);
    const Array first = (*scaled)(x), second = (*scaled)(first);
    weight = Array();
    scaled.reset();
    on.device->hold_queue(false);
    EXPECT_EQ(floats(second), filled(256, 25));
    on.context.synchronize();
    EXPECT_EQ(on.context.live_buffers(), before + 2) << "both results, and no longer the weight";
}

HEDDLE_ON_DEVICES(Retention);

} // namespace
