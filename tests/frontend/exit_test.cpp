// Programs that end without having waited for what they asked for last.

#include "device_fixture.h"

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

INSTANTIATE_TEST_SUITE_P(Devices, Exit, ::testing::ValuesIn(usable_devices()),
                         [](const auto& info) { return info.param; });

} // namespace
