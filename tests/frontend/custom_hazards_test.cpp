// A custom kernel writes what its description calls outputs and temporaries, and reads its inputs: barriers follow from that. Each that is left out
// is seen by the synchronisation checks, so each is needed, and with all of them nothing is found.

#include "custom_kernels.h"
#include "fixture.h"
#include "frontend/context_state.h"
#include "tests/runtime/hazards.h"

using namespace heddle;
using namespace heddle::tests;

namespace {

/// There must be a Vulkan driver, and the layers.
class R7_CustomHazards : public runtime::testing::HazardTest {
protected:
    void SetUp() override {
        setenv("HEDDLE_VALIDATION", "1", 1);
        setenv("HEDDLE_DESCRIPTORS", "1", 1);
    }
    void TearDown() override {
        unsetenv("HEDDLE_VALIDATION");
        unsetenv("HEDDLE_DESCRIPTORS");
    }

    /// Messages about a custom kernel that reads what ops made, and ops that read what it made, in one batch.
    static std::vector<std::string> messages_without(int number) {
        Context context{ContextOptions{.device = "vulkan", .cache_directory = ""}};
        const Context::Scope scope{context};
        const CustomKernel kernel = reversed();
        const auto f = compile("around", [kernel](Array x) { return kernel({x * 2.0f}) + x; });
        const Array x = ones({64}).eval();
        EXPECT_EQ(floats(f(x)), std::vector<float>(64, 3)) << "also makes the kernels known";
        auto& device = dynamic_cast<runtime::vulkan::VulkanDevice&>(*context.state()->device());
        leave_out(device, number);
        f(x).wait();
        return messages_of(device);
    }
};

TEST_F(R7_CustomHazards, a_barrier_before_it_or_behind_it_that_is_left_out_is_seen) {
    EXPECT_EQ(messages_without(0), std::vector<std::string>{});
    EXPECT_EQ(barriers, 4) << "at the batch's start, before and behind the kernel, for the host";
    expect_hazard(messages_without(2));
    expect_hazard(messages_without(3));
}

} // namespace
