// Calls of one kernel that are what an earlier one was: their commands are not recorded again. What they own, wait for and
// fail with is that of any call.

#include "runtime/faults.h"
#include "tests/runtime/vulkan_fixture.h"

#include <heddle/error.h>

#include <atomic>

namespace heddle::runtime::testing {
namespace {

constexpr u32 count = 1000;

PFN_vkBeginCommandBuffer real_begin;
std::atomic<int> begun;

class VulkanRepeated : public VulkanFixture {
protected:
    void SetUp() override {
        open({});
        if (!device->info().target.buffer_addresses) GTEST_SKIP() << "descriptors are made for each launch";
        add = device->load(add_kernel());
        vulkan::Core& core = vulkan->core();
        real_begin = core.vk.vkBeginCommandBuffer;
        core.vk.vkBeginCommandBuffer = [](VkCommandBuffer commands, const VkCommandBufferBeginInfo* info) {
            ++begun;
            return real_begin(commands, info);
        };
    }
    void TearDown() override {
        add = nullptr;
        VulkanFixture::TearDown();
    }
    /// How many command buffers were begun in it; the device is idle before and after.
    template <class Work> int recorded_in(const Work& work) {
        device->synchronize();
        begun = 0;
        work();
        device->synchronize();
        return begun;
    }
    void run(const BufferRef& a, const BufferRef& b, const BufferRef& y, u32 elements = count) {
        device->submit({add_launch(add, a, b, y, elements)});
        device->synchronize();
    }

    ExecutableRef add;
};

TEST_F(VulkanRepeated, a_call_that_was_made_before_is_not_recorded_again) {
    const BufferRef a = filled(count, 1), b = filled(count, 2), y = filled(count, 0);
    EXPECT_EQ(recorded_in([&] { run(a, b, y); }), 1);
    EXPECT_EQ(download(y), std::vector<float>(count, 3));
    for (float value : {5.0f, -1.0f, 7.0f}) {
        const std::vector<float> values(count, value);
        device->upload(a, 0, std::as_bytes(std::span(values)));
        EXPECT_EQ(recorded_in([&] { run(a, b, y); }), 0);
        EXPECT_EQ(download(y), std::vector<float>(count, value + 2));
    }
}

TEST_F(VulkanRepeated, several_calls_by_turns_are_recorded_once_each) {
    const BufferRef a = filled(count, 1), b = filled(count, 2), y = filled(count, 0), z = filled(count, 0);
    auto turn = [&] {
        run(a, b, y);
        run(b, b, z);
        run(y, z, y, 7);
    };
    EXPECT_EQ(recorded_in(turn), 3);
    EXPECT_EQ(recorded_in([&] {
                  for (int k = 0; k < 5; ++k) turn();
              }),
              0);
    std::vector<float> expected(count, 3);
    std::fill_n(expected.begin(), 7, 7.0f);
    EXPECT_EQ(download(y), expected);
}

TEST_F(VulkanRepeated, another_place_size_or_kernel_is_recorded) {
    const BufferRef a = filled(count, 1), y = filled(count, 0), z = filled(count, 0);
    run(a, a, y);
    EXPECT_EQ(recorded_in([&] { run(a, a, z); }), 1) << "another address";
    EXPECT_EQ(recorded_in([&] { run(a, a, z, 3); }), 1) << "another size";
    Launch moved = add_launch(add, a, a, z, 3);
    moved.offsets[2] = 16;
    EXPECT_EQ(recorded_in([&] { device->submit({moved}); }), 1) << "another offset";
    // One may lie where the first lay.
    add = nullptr;
    add = device->load(add_kernel());
    EXPECT_EQ(recorded_in([&] { run(a, a, y); }), 1) << "another kernel";
    std::vector<float> expected(count, 2);
    EXPECT_EQ(download(y), expected);
    EXPECT_EQ(download(z), expected);
}

TEST_F(VulkanRepeated, calls_that_were_submitted_together_are_recorded) {
    const BufferRef a = filled(count, 1), y = filled(count, 0), z = filled(count, 0);
    auto both = [&] {
        device->submit({add_launch(add, a, a, y, count), add_launch(add, a, a, z, count)});
        device->synchronize();
    };
    both();
    EXPECT_EQ(recorded_in(both), 1);
    EXPECT_EQ(recorded_in([&] { run(a, a, y); }), 1);
}

TEST_F(VulkanRepeated, many_different_calls_leave_a_bounded_number_of_command_buffers) {
    static PFN_vkAllocateCommandBuffers real;
    static int allocated;
    allocated = 0;
    real = vulkan->core().vk.vkAllocateCommandBuffers;
    vulkan->core().vk.vkAllocateCommandBuffers = [](VkDevice of, const VkCommandBufferAllocateInfo* info,
                                                    VkCommandBuffer* made) {
        ++allocated;
        return real(of, info, made);
    };
    const BufferRef a = filled(count, 1), y = filled(count, 0);
    for (u32 elements = 1; elements <= 300; ++elements) run(a, a, y, elements);
    EXPECT_LE(allocated, 16);
    EXPECT_EQ(recorded_in([&] { run(a, a, y, 300); }), 0);
    EXPECT_EQ(recorded_in([&] { run(a, a, y, 1); }), 1);
}

TEST_F(VulkanRepeated, after_many_others_a_call_is_recorded_once) {
    const BufferRef a = filled(count, 1), y = filled(count, 0), z = filled(count, 0);
    // As many calls as are kept, and batches of several, of which nothing is.
    for (u32 elements = 1; elements <= 60; ++elements) run(a, a, y, elements);
    device->hold_queue(true);
    for (int k = 0; k < 200; ++k)
        device->submit({add_launch(add, a, a, y, count), add_launch(add, a, a, z, count)});
    device->hold_queue(false);
    for (u32 elements = 1; elements <= 60; ++elements) run(a, a, y, elements);
    EXPECT_EQ(recorded_in([&] {
                  for (int k = 0; k < 5; ++k) run(a, a, z, 100);
              }),
              1);
}

TEST_F(VulkanRepeated, it_owns_what_it_binds_until_it_is_complete) {
    BufferRef a = filled(count, 1), y = filled(count, 0);
    device->synchronize();
    run(a, a, y);
    const u64 live = device->live_buffers();
    device->hold_queue(true);
    begun = 0;
    device->submit({add_launch(add, a, a, y, count)});
    EXPECT_EQ(begun, 0);
    const std::weak_ptr<Buffer> watched = a;
    EXPECT_EQ(a.use_count(), 2) << "once, though it is bound twice";
    EXPECT_FALSE(y->written().complete());
    a = nullptr;
    const std::weak_ptr<Executable> kernel = add;
    add = nullptr;
    EXPECT_EQ(device->live_buffers(), live);
    EXPECT_FALSE(watched.expired());
    EXPECT_FALSE(kernel.expired());
    device->hold_queue(false);
    device->synchronize();
    EXPECT_TRUE(watched.expired());
    EXPECT_TRUE(kernel.expired());
    EXPECT_EQ(device->live_buffers(), live - 1);
    EXPECT_EQ(download(y), std::vector<float>(count, 2));
}

TEST_F(VulkanRepeated, a_busy_device_gets_them_with_the_others) {
    const BufferRef a = filled(count, 1), y = filled(count, 0);
    run(a, a, y);
    device->hold_queue(true);
    for (int k = 0; k < 10; ++k) device->submit({add_launch(add, a, y, y, count)});
    device->hold_queue(false);
    EXPECT_EQ(download(y), std::vector<float>(count, 12));
}

TEST_F(VulkanRepeated, one_that_the_queue_refuses_fails_like_any_other) {
    const BufferRef a = filled(count, 1), y = filled(count, 0);
    run(a, a, y);
    device->faults().fail_submission(1, Fault::refused);
    try {
        device->submit({add_launch(add, a, a, y, count)});
        ADD_FAILURE();
    } catch (const DeviceError& error) {
        EXPECT_NE(std::string(error.what()).find("kernel add"), std::string::npos) << error.what();
    }
    device->faults().stop();
    EXPECT_THROW(y->written().wait(), DeviceError);
    device->synchronize();
    EXPECT_EQ(y.use_count(), 1);
    const BufferRef z = filled(count, 0);
    run(a, a, z);
    EXPECT_EQ(recorded_in([&] { run(a, a, z); }), 0);
    EXPECT_EQ(download(z), std::vector<float>(count, 2)) << "the device stays usable";
}

} // namespace
} // namespace heddle::runtime::testing
