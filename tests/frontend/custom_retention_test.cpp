// R7: what a custom kernel binds is owned until it has run. The queue is held back, every handle but the result's is dropped, and memory
// that is given back is overwritten at once: without retention the kernel reads that, every time.

#include "custom_kernels.h"
#include "fixture.h"
#include "frontend/context_state.h"
#include "runtime/device_options.h"

#include <cstdlib>

using namespace heddle;
using namespace heddle::tests;

namespace {

/// Environment variables for as long as it lives.
class Environment {
public:
    explicit Environment(bool retain) {
        setenv("HEDDLE_POISON", "1", 1);
        setenv("HEDDLE_RETAIN_BOUND_BUFFERS", retain ? "1" : "0", 1);
    }
    ~Environment() {
        unsetenv("HEDDLE_POISON");
        unsetenv("HEDDLE_RETAIN_BOUND_BUFFERS");
    }
    Environment(const Environment&) = delete;
    Environment& operator=(const Environment&) = delete;
};

class R7_CustomRetention : public ::testing::TestWithParam<const char*> {
protected:
    /// A call of kernels with inputs, a temporary between them and one inside, all dropped before anything runs. Nothing where the device
    /// cannot hold its queue.
    static std::vector<float> run(bool retain) {
        const Environment environment(retain);
        Context context{ContextOptions{.device = GetParam(), .cache_directory = ""}};
        const Context::Scope scope{context};
        auto function = std::make_unique<Compiled<Array(Array, Array)>>(
            "f", [a = saxpy(), b = reversed()](Array x, Array y) { return b({a({2.0f, x, y})}); },
            CompileOptions{});
        auto fresh = [] { return Array::from(std::vector<float>(1000, 1.0f)).to(GetParam()).wait(); };
        (*function)(fresh(), fresh()).wait(); // compiled
        Array x = fresh(), y = fresh();
        const runtime::DeviceRef device = context.state()->device(GetParam());
        device->synchronize();
        if (!device->hold_queue(true)) return {};
        const Array z = (*function)(x, y);
        x = Array();
        y = Array();
        function.reset();
        device->hold_queue(false);
        return floats(z);
    }
};

TEST_P(R7_CustomRetention, everything_that_is_bound_outlives_its_last_handle) {
    if (run(true).empty()) GTEST_SKIP() << "the device runs what is submitted at once";
    for (int round = 0; round < 10; ++round) EXPECT_EQ(run(true), std::vector<float>(1000, 3.0f));
}

TEST_P(R7_CustomRetention, without_retention_the_kernels_read_what_was_released_every_time) {
    if (run(false).empty()) GTEST_SKIP() << "the device runs what is submitted at once";
    for (int round = 0; round < 10; ++round) {
        const std::vector<float> got = run(false);
        for (float value : got) ASSERT_NE(value, 3.0f);
    }
}

INSTANTIATE_TEST_SUITE_P(On, R7_CustomRetention, ::testing::Values("cpu", "vulkan"),
                         [](const auto& info) { return std::string(info.param); });

} // namespace
