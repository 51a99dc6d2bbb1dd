// Launches recorded once and launched often: the same results as encoding them each time, whoever launches them and when; what a
// recording owns; what it refuses.

#include "tests/runtime/vulkan_fixture.h"

#include <heddle/error.h>

#include <thread>

namespace heddle::runtime::testing {
namespace {

constexpr u32 count = 4096;

/// y += 4 * a, with two intermediate results in scratch memory.
class VulkanRecordings : public VulkanFixture {
protected:
    void SetUp() override { open_with({}); }
    void open_with(const DeviceOptions& options) {
        open(options);
        for (u32 padding : {0u, 4096u}) add[padding != 0] = device->load(add_kernel(padding));
    }
    void TearDown() override {
        add[0] = add[1] = nullptr;
        VulkanFixture::TearDown();
    }
    BufferRef scratch() {
        BufferRef memory = device->allocate(2 * count * sizeof(float));
        memory->set_scratch();
        return memory;
    }
    std::vector<Launch> launches(const BufferRef& a, const BufferRef& y, const BufferRef& memory) const {
        std::vector<Launch> made{add_launch(add[0], a, a, memory, count),
                                 add_launch(add[1], memory, memory, memory, count, 4096),
                                 add_launch(add[0], memory, y, y, count)};
        made[1].offsets[2] = made[2].offsets[0] = count * sizeof(float);
        made[1].barrier_before = made[2].barrier_before = true;
        return made;
    }
    static Launch passed(const BufferRef& a, const BufferRef& y) {
        Launch launch;
        launch.buffers = {y, a};
        launch.offsets = {0, 0};
        launch.write_mask = 1;
        return launch;
    }
    /// Ready to be launched.
    Launch recorded(const BufferRef& a, const BufferRef& y) {
        Launch launch = passed(a, y);
        launch.executable = device->record(launches(a, y, scratch()), launch, Recorded::often);
        return launch;
    }

    ExecutableRef add[2]; ///< with pushed arguments, and with a block of them
};

TEST_F(VulkanRecordings, a_recording_does_what_its_launches_do_each_time_it_is_launched) {
    const BufferRef a = filled(count, 1), y = filled(count, 0), z = filled(count, 0);
    const Launch launch = recorded(a, y);
    for (int k = 1; k <= 5; ++k) {
        device->submit({launch});
        device->submit(launches(a, z, scratch()));
        EXPECT_EQ(download(y), std::vector<float>(count, static_cast<float>(4 * k)));
        EXPECT_EQ(download(y), download(z));
    }
}

TEST_F(VulkanRecordings, contents_may_change_between_launches) {
    const BufferRef a = filled(count, 1), y = filled(count, 0);
    const Launch launch = recorded(a, y);
    float expected = 0;
    for (float value : {1.0f, 2.0f, -3.0f}) {
        const std::vector<float> values(count, value);
        device->upload(a, 0, std::as_bytes(std::span(values)));
        device->submit({launch});
        expected += 4 * value;
        EXPECT_EQ(download(y), std::vector<float>(count, expected));
    }
}

TEST_F(VulkanRecordings, a_recording_is_in_flight_many_times) {
    const BufferRef a = filled(count, 1), y = filled(count, 0);
    const Launch launch = recorded(a, y);
    device->synchronize();
    device->hold_queue(true);
    for (int k = 0; k < 200; ++k) device->submit({launch});
    device->hold_queue(false);
    EXPECT_EQ(download(y), std::vector<float>(count, 800));
}

TEST_F(VulkanRecordings, encoded_launches_before_and_after_it_are_ordered) {
    const BufferRef a = filled(count, 1), y = filled(count, 0);
    const Launch launch = recorded(a, y);
    for (int k = 0; k < 50; ++k) {
        device->submit({add_launch(add[0], a, y, y, count)});
        device->submit({launch});
        device->submit({add_launch(add[0], y, a, y, count), launch});
    }
    // Between launches of one call it is the caller who says where barriers stand.
    std::vector<Launch> call{launch, add_launch(add[0], y, a, y, count), launch};
    call[1].barrier_before = call[2].barrier_before = true;
    device->submit(std::move(call));
    const std::vector<float> values = download(y);
    EXPECT_EQ(values, std::vector<float>(count, values[0]));
    EXPECT_GE(values[0], 50 * 5 + 9);
}

TEST_F(VulkanRecordings, threads_launch_one_recording_at_once) {
    const BufferRef a = filled(count, 1), y = filled(count, 0);
    const Launch launch = recorded(a, y);
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t)
        threads.emplace_back([&] {
            for (int k = 0; k < 25; ++k) device->submit({launch});
        });
    for (std::thread& thread : threads) thread.join();
    device->synchronize(); // y's own events tell of one of the threads
    EXPECT_EQ(download(y), std::vector<float>(count, 800));
}

TEST_F(VulkanRecordings, what_a_recording_uses_outlives_every_handle) {
    DeviceOptions options;
    options.poison_released = true;
    add[0] = add[1] = nullptr;
    open_with(options);
    const BufferRef y = filled(count, 0);
    BufferRef a = filled(count, 1);
    Launch launch = recorded(a, y);
    device->synchronize();
    device->hold_queue(true);
    device->submit({std::move(launch)});
    launch = {};
    a = nullptr;
    add[0] = add[1] = nullptr;
    EXPECT_EQ(device->live_buffers(), 3u) << "the submission has them";
    device->hold_queue(false);
    EXPECT_EQ(download(y), std::vector<float>(count, 4));
    device->synchronize();
    EXPECT_EQ(device->live_buffers(), 1u);
}

TEST_F(VulkanRecordings, it_owns_no_memory_that_its_launches_bring) {
    BufferRef a = filled(count, 1);
    const BufferRef y = filled(count, 0);
    const ExecutableRef kept = recorded(a, y).executable;
    device->synchronize(); // of copies to them
    EXPECT_EQ(a.use_count(), 1);
    a = nullptr;
    EXPECT_EQ(device->live_buffers(), 2u) << "y and the scratch memory";
}

TEST_F(VulkanRecordings, buffers_elsewhere_than_when_it_was_recorded_are_refused) {
    const BufferRef a = filled(count, 1), y = filled(count, 0), other = filled(count, 2);
    const Launch launch = recorded(a, y);
    auto refused = [&](auto change) {
        Launch wrong = launch;
        change(wrong);
        EXPECT_THROW(device->submit({wrong}), UsageError);
    };
    refused([&](Launch& wrong) { wrong.buffers[1] = other; });
    refused([&](Launch& wrong) { wrong.buffers[1] = nullptr; });
    refused([](Launch& wrong) { wrong.offsets[0] = 4; });
    refused([](Launch& wrong) { wrong.buffers.pop_back(); });
    EXPECT_THROW(device->record({launch}, launch, Recorded::often), UsageError)
        << "a recording of a recording";
    EXPECT_THROW(device->record({}, {}, Recorded::often), UsageError);
    EXPECT_EQ(download(y), std::vector<float>(count, 0));
    device->submit({launch});
    EXPECT_EQ(download(y), std::vector<float>(count, 4));
}

TEST_F(VulkanRecordings, a_recording_that_the_driver_refuses_leaves_nothing_behind) {
    BufferRef a = filled(count, 1), y = filled(count, 0);
    const PFN_vkEndCommandBuffer real = vulkan->core().vk.vkEndCommandBuffer;
    vulkan->core().vk.vkEndCommandBuffer = [](VkCommandBuffer) { return VK_ERROR_OUT_OF_HOST_MEMORY; };
    EXPECT_THROW((void)recorded(a, y), OutOfMemory);
    vulkan->core().vk.vkEndCommandBuffer = real;
    EXPECT_EQ(device->live_buffers(), 2u);
    device->submit({recorded(a, y)});
    EXPECT_EQ(download(y), std::vector<float>(count, 4));
}

TEST_F(VulkanRecordings, recording_on_several_threads_at_once) {
    const BufferRef a = filled(count, 1);
    std::vector<BufferRef> results(8);
    for (BufferRef& y : results) y = filled(count, 0);
    std::vector<std::thread> threads;
    for (const BufferRef& y : results)
        threads.emplace_back([&, y] {
            for (int k = 0; k < 20; ++k) {
                Launch launch = passed(a, y);
                launch.executable = device->record(launches(a, y, scratch()), launch, Recorded::once);
                device->submit({std::move(launch)});
            }
        });
    for (std::thread& thread : threads) thread.join();
    for (const BufferRef& y : results) EXPECT_EQ(download(y), std::vector<float>(count, 80));
}

class CountingKeeper final : public Keeper {
public:
    explicit CountingKeeper(BufferRef memory) : kept(std::move(memory)) {}
    bool release_kept() override {
        const bool any = kept != nullptr;
        kept = nullptr;
        return any;
    }
    BufferRef kept;
};

TEST_F(VulkanRecordings, what_is_kept_for_speed_goes_before_an_allocation_fails) {
    DeviceOptions options;
    options.memory_limit = 64 << 20;
    add[0] = add[1] = nullptr;
    open_with(options);
    const auto keeper = std::make_shared<CountingKeeper>(device->allocate(48 << 20));
    const auto gone = std::make_shared<CountingKeeper>(nullptr);
    device->add_keeper(keeper);
    device->add_keeper(gone);
    BufferRef large = device->allocate(40 << 20);
    EXPECT_EQ(keeper->kept, nullptr);
    EXPECT_THROW((void)device->allocate(40 << 20), OutOfMemory);
    large = nullptr;
    keeper->kept = device->allocate(4096);
    device->trim();
    EXPECT_EQ(keeper->kept, nullptr);
}

} // namespace
} // namespace heddle::runtime::testing
