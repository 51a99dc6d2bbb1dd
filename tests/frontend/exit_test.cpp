// Programs that end without having waited for what they asked for last.

#include "device_fixture.h"

#include <atomic>
#include <cstdlib>
#include <thread>

using namespace heddle;
using namespace heddle::tests;

namespace {

/// Each runs in a process of its own, which tells nothing but how it ended: a driver that was taken apart under what it runs crashes
/// in some of them.
class Exit : public ::testing::TestWithParam<std::string> {
protected:
    static constexpr int processes = 8;
    void SetUp() override {
        GTEST_FLAG_SET(death_test_style, "threadsafe");
        // Of the processes to come: what is left to their end on purpose counts as lost.
        setenv("LSAN_OPTIONS", "detect_leaks=0", 1);
    }

    /// Work on a context that is never destroyed, as the default one, or only with the static objects.
    [[noreturn]] static void leave(bool from_thread, bool destroyed) {
        static auto* const context = new Context(ContextOptions{.device = GetParam(), .cache_directory = ""});
        static std::unique_ptr<Context> owner;
        if (destroyed) owner.reset(context);
        const auto work = [] {
            const Context::Scope scope(*context);
            static Array kept;
            kept = compile("f", [](Array x) { return exp(x) + 1.0f; })(ones({1000}));
        };
        if (from_thread)
            std::thread(work).join();
        else
            work();
        std::exit(0);
    }
};

TEST_P(Exit, with_work_in_flight) {
    for (int k = 0; k < processes; ++k) EXPECT_EXIT(leave(false, false), ::testing::ExitedWithCode(0), "");
}

TEST_P(Exit, with_work_in_flight_of_a_thread_that_has_ended) {
    for (int k = 0; k < processes; ++k) EXPECT_EXIT(leave(true, false), ::testing::ExitedWithCode(0), "");
}

TEST_P(Exit, with_a_context_among_the_static_objects) {
    for (int k = 0; k < processes; ++k) EXPECT_EXIT(leave(false, true), ::testing::ExitedWithCode(0), "");
}

/// Calls without end, and without waiting, until the static objects go: the last of them ends it.
struct Joined {
    std::atomic<bool> stop{false};
    std::thread thread;
    ~Joined() {
        stop = true;
        if (thread.joinable()) thread.join();
    }
};

TEST_P(Exit, while_a_thread_calls_that_a_static_object_ends) {
    const auto leave = [] {
        static Joined caller;
        static auto* const context = new Context(ContextOptions{.device = GetParam(), .cache_directory = ""});
        static std::atomic<int> calls{0};
        caller.thread = std::thread([] {
            const Context::Scope scope(*context);
            const auto f = compile("f", [](Array x) { return exp(x) + 1.0f; });
            const Array x = ones({1000});
            for (Array y = f(x); !caller.stop; y = f(x)) ++calls;
        });
        while (calls < 100) std::this_thread::yield();
        std::exit(0);
    };
    EXPECT_EXIT(leave(), ::testing::ExitedWithCode(0), "");
}

TEST_P(Exit, with_a_recorded_program_among_the_static_objects) {
    const auto leave = [] {
        static auto* const context = new Context(ContextOptions{.device = GetParam(), .cache_directory = ""});
        const Context::Scope scope(*context);
        static const auto f = compile("f",
                                      [](Array x) {
                                          for (int k = 0; k < 24; ++k)
                                              x = x * 0.75f + sum(x, {k % 2}, true) * 0.0125f;
                                          return x;
                                      },
                                      {.shapeless = true});
        static Array kept;
        for (int k = 0; k < 12; ++k) kept = f(ones({8, 16}));
        const bool recorded = GetParam() != "vulkan" || context->statistics().replays != 0;
        std::exit(recorded ? 0 : 3);
    };
    EXPECT_EXIT(leave(), ::testing::ExitedWithCode(0), "");
}

INSTANTIATE_TEST_SUITE_P(Devices, Exit, ::testing::ValuesIn(usable_devices()),
                         [](const auto& info) { return info.param; });

} // namespace
