// The Vulkan device's memory: pools, copies, exhaustion.

#include "tests/runtime/vulkan_fixture.h"

#include <heddle/error.h>

#include <thread>
#include <tuple>

namespace heddle::runtime::testing {
namespace {

constexpr u64 mebibyte = 1 << 20;

class VulkanMemory : public VulkanFixture, public ::testing::WithParamInterface<bool> {
protected:
    static DeviceOptions options() {
        DeviceOptions options;
        options.force_staging = GetParam();
        return options;
    }
    void SetUp() override { open(options()); }
};
INSTANTIATE_TEST_SUITE_P(Memory, VulkanMemory, ::testing::Bool(),
                         [](const auto& staged) { return staged.param ? "staged" : "direct"; });

TEST_P(VulkanMemory, odd_sizes_and_offsets_are_copied_both_ways) {
    for (std::size_t bytes : {1, 3, 255, 257, 4099, 1'000'003}) {
        std::vector<std::byte> sent(bytes), got(bytes);
        for (std::size_t i = 0; i < bytes; ++i) sent[i] = static_cast<std::byte>(i * 31 + 7);
        BufferRef buffer = device->allocate(bytes + 13);
        EXPECT_EQ(buffer->address() % 256, 0u);
        device->upload(buffer, 13, sent);
        device->download(buffer, 13, got);
        EXPECT_EQ(got, sent) << bytes;
        std::byte last{};
        device->download(buffer, 13 + bytes - 1, {&last, 1});
        EXPECT_EQ(last, sent.back());
    }
}

TEST_P(VulkanMemory, copies_longer_than_a_staging_chunk_are_whole) {
    std::size_t count = 11 * mebibyte;
    std::vector<float> sent(count);
    for (std::size_t i = 0; i < count; ++i) sent[i] = static_cast<float>(i % 1'000'003);
    EXPECT_TRUE(download(upload(sent)) == sent);
}

TEST_P(VulkanMemory, neighbours_are_not_touched) {
    BufferRef low = filled(64, 1), middle = filled(64, 2), high = filled(64, 3);
    std::vector<float> nines(64, 9);
    device->upload(middle, 0, std::as_bytes(std::span(nines)));
    EXPECT_EQ(download(low), std::vector<float>(64, 1));
    EXPECT_EQ(download(middle), nines);
    EXPECT_EQ(download(high), std::vector<float>(64, 3));
}

TEST_P(VulkanMemory, an_empty_buffer_is_valid) {
    BufferRef buffer = device->allocate(0);
    EXPECT_EQ(buffer->bytes(), 0u);
    EXPECT_NE(buffer->address(), 0u);
    device->upload(buffer, 0, {});
    device->download(buffer, 0, {});
}

TEST_P(VulkanMemory, adopted_memory_arrives) {
    auto owner = std::make_shared<std::vector<float>>(100, 4.0f);
    BufferRef buffer = device->adopt(reinterpret_cast<std::byte*>(owner->data()), 400, owner);
    EXPECT_EQ(download(buffer), std::vector<float>(100, 4.0f));
}

TEST_P(VulkanMemory, released_memory_is_used_again) {
    {
        BufferRef warm = device->allocate(mebibyte);
    }
    u64 reserved = vulkan->memory().main.reserved_bytes();
    for (int i = 0; i < 1000; ++i) (void)device->allocate(static_cast<std::size_t>(i) * 500);
    EXPECT_EQ(vulkan->memory().main.reserved_bytes(), reserved);
}

TEST_P(VulkanMemory, a_loop_of_submissions_needs_no_new_memory) {
    ExecutableRef add = device->load(add_kernel());
    BufferRef x = filled(mebibyte / 4, 1);
    auto round = [&] {
        for (int i = 0; i < 100; ++i) {
            BufferRef y = device->allocate(mebibyte);
            device->submit({add_launch(add, x, x, y, 100)});
        }
        device->synchronize();
    };
    for (int i = 0; i < 6; ++i) round();
    // How many of a round's buffers live at once depends on how fast the device is; never more than all hundred.
    const auto& [main, staging] = std::tie(vulkan->memory().main, vulkan->memory().staging);
    EXPECT_LE(main.reserved_bytes(), 101 * mebibyte + main.block_bytes());
    EXPECT_LE(staging.reserved_bytes(), staging.block_bytes());
}

TEST_P(VulkanMemory, trimming_gives_everything_back) {
    std::vector<BufferRef> buffers;
    for (int i = 0; i < 200; ++i) buffers.push_back(device->allocate(static_cast<std::size_t>(i) * 3000));
    buffers.push_back(device->allocate(50 * mebibyte));
    buffers.clear();
    device->synchronize();
    EXPECT_GT(vulkan->memory().main.idle_bytes(), 0u);
    device->trim();
    EXPECT_EQ(vulkan->memory().main.reserved_bytes(), 0u);
    EXPECT_EQ(vulkan->memory().staging.reserved_bytes(), 0u);
}

TEST_P(VulkanMemory, idle_memory_is_bounded) {
    DeviceOptions bounded = options();
    bounded.pool_limit = 64 * mebibyte;
    open(bounded);
    std::vector<BufferRef> buffers;
    for (int i = 0; i < 8; ++i) buffers.push_back(device->allocate(50 * mebibyte));
    EXPECT_GE(vulkan->memory().main.reserved_bytes(), 400 * mebibyte);
    buffers.clear();
    EXPECT_LE(vulkan->memory().main.reserved_bytes(), 64 * mebibyte);
}

TEST_P(VulkanMemory, exhaustion_names_the_sizes_and_leaves_everything_usable) {
    DeviceOptions small = options();
    small.memory_limit = 32 * mebibyte;
    open(small);
    BufferRef half = device->allocate(16 * mebibyte);
    try {
        (void)device->allocate(17 * mebibyte);
        ADD_FAILURE();
    } catch (const OutOfMemory& error) {
        std::string message = error.what();
        EXPECT_NE(message.find(std::to_string(17 * mebibyte)), std::string::npos) << message;
        EXPECT_NE(message.find(std::to_string(16 * mebibyte)), std::string::npos) << message;
    }
    EXPECT_THROW((void)device->allocate(std::size_t{1} << 50), OutOfMemory);
    BufferRef rest = device->allocate(16 * mebibyte);
    half = nullptr;
    rest = device->allocate(8 * mebibyte);
}

TEST_P(VulkanMemory, what_submissions_in_flight_own_is_waited_for_before_anyone_is_refused) {
    DeviceOptions small = options();
    small.memory_limit = 8 * mebibyte;
    open(small);
    ExecutableRef add = device->load(add_kernel());
    for (int i = 0; i < 50; ++i) {
        BufferRef x = filled(mebibyte, 1);
        device->submit({add_launch(add, x, x, x, 100)});
    }
}

TEST_P(VulkanMemory, a_driver_without_memory_is_an_error_and_the_pool_serves_what_it_has) {
    {
        BufferRef warm = device->allocate(1000);
    }
    static PFN_vkAllocateMemory real = nullptr;
    real = vulkan->core().vk.vkAllocateMemory;
    vulkan->core().vk.vkAllocateMemory = [](VkDevice, const VkMemoryAllocateInfo*,
                                            const VkAllocationCallbacks*,
                                            VkDeviceMemory*) { return VK_ERROR_OUT_OF_DEVICE_MEMORY; };
    BufferRef reused = device->allocate(1000);
    EXPECT_THROW((void)device->allocate(500 * mebibyte), OutOfMemory);
    vulkan->core().vk.vkAllocateMemory = real;
    BufferRef large = device->allocate(500 * mebibyte);
}

TEST_P(VulkanMemory, threads_allocate_and_release) {
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t)
        threads.emplace_back([&, t] {
            std::vector<BufferRef> kept;
            for (int i = 0; i < 500; ++i) {
                kept.push_back(device->allocate(static_cast<std::size_t>((i * 7919 + t) % 300'000)));
                if (kept.size() > 20) kept.erase(kept.begin());
            }
        });
    for (std::thread& thread : threads) thread.join();
}

} // namespace
} // namespace heddle::runtime::testing
