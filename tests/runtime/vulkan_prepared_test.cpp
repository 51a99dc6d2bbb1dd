// Launches that were prepared: the short way does what submit() does, or says that it has done nothing.

#include "runtime/faults.h"
#include "tests/runtime/vulkan_fixture.h"

#include <heddle/error.h>

#include <thread>

namespace heddle::runtime::testing {
namespace {

constexpr u32 count = 1000;

class VulkanPrepared : public VulkanFixture {
protected:
    void SetUp() override {
        open({});
        if (!device->info().target.buffer_addresses) GTEST_SKIP() << "descriptors are made for each launch";
        a = filled(count, 1);
        y = filled(count, 0);
        device->synchronize(); // an idle device is sent a call at once
        const Launch launch = add_launch(device->load(add_kernel()), a, a, y, count);
        arguments = launch.arguments;
        prepared = device->prepare_launch(launch);
        ASSERT_NE(prepared, nullptr);
        device->submit({launch}); // its commands are recorded
        device->synchronize();
    }
    void TearDown() override {
        prepared = nullptr;
        a = y = nullptr;
        VulkanFixture::TearDown();
    }
    bool submit(const BufferRef& left, const BufferRef& right, const BufferRef& to) {
        const Bound bound[] = {{&left, 0, nullptr}, {&right, 0, nullptr}, {&to, 0, nullptr}};
        std::vector<std::byte> block = arguments;
        return device->submit_prepared(*prepared, bound, block);
    }

    BufferRef a, y;
    std::vector<std::byte> arguments;
    std::unique_ptr<PreparedLaunch> prepared;
};

TEST_F(VulkanPrepared, runs_when_its_commands_are_there) {
    for (float value : {5.0f, -1.0f, 7.0f}) {
        const std::vector<float> values(count, value);
        device->upload(a, 0, std::as_bytes(std::span(values)));
        device->synchronize();
        ASSERT_TRUE(submit(a, a, y));
        EXPECT_EQ(download(y), std::vector<float>(count, 2 * value));
    }
}

TEST_F(VulkanPrepared, does_nothing_where_there_are_no_commands) {
    const BufferRef z = filled(count, 3);
    device->synchronize();
    EXPECT_FALSE(submit(a, a, z)) << "another address";
    EXPECT_EQ(z.use_count(), 1);
    EXPECT_TRUE(z->written().complete());
    device->hold_queue(true);
    EXPECT_TRUE(submit(a, a, y));
    EXPECT_FALSE(submit(a, a, y)) << "the commands are in flight";
    device->hold_queue(false);
    EXPECT_EQ(download(y), std::vector<float>(count, 2));
    EXPECT_EQ(download(z), std::vector<float>(count, 3));
}

TEST_F(VulkanPrepared, owns_each_buffer_once_until_it_is_complete) {
    const u64 live = device->live_buffers();
    device->hold_queue(true);
    ASSERT_TRUE(submit(a, a, y));
    EXPECT_EQ(a.use_count(), 2) << "once, though it is bound twice";
    EXPECT_EQ(y.use_count(), 2);
    EXPECT_FALSE(y->written().complete());
    ASSERT_EQ(a->reads().size(), 1u);
    EXPECT_FALSE(a->reads().front().complete());
    const std::weak_ptr<Buffer> watched = a;
    a = nullptr;
    prepared = nullptr;
    EXPECT_EQ(device->live_buffers(), live);
    device->hold_queue(false);
    device->synchronize();
    EXPECT_TRUE(watched.expired());
    EXPECT_EQ(device->live_buffers(), live - 1);
    EXPECT_EQ(download(y), std::vector<float>(count, 2));
}

TEST_F(VulkanPrepared, counts_what_it_owns_at_a_keeper) {
    const auto keeper = std::make_shared<int>(0);
    const std::shared_ptr<const void> share = keeper;
    const Bound bound[] = {{&a, 0, &share}, {&a, 0, &share}, {&y, 0, nullptr}};
    device->hold_queue(true);
    std::vector<std::byte> block = arguments;
    ASSERT_TRUE(device->submit_prepared(*prepared, bound, block));
    EXPECT_EQ(a.use_count(), 1);
    EXPECT_EQ(keeper.use_count(), 3);
    device->hold_queue(false);
    device->synchronize();
    EXPECT_EQ(keeper.use_count(), 2);
}

TEST_F(VulkanPrepared, one_that_the_queue_refuses_fails_and_so_does_what_reads_it) {
    device->faults().fail_submission(1, Fault::refused);
    try {
        submit(a, a, y);
        ADD_FAILURE();
    } catch (const DeviceError& error) {
        EXPECT_NE(std::string(error.what()).find("kernel add"), std::string::npos) << error.what();
    }
    device->faults().stop();
    EXPECT_THROW(y->written().wait(), DeviceError);
    EXPECT_THROW(submit(y, a, a), DeviceError) << "what was to be written is not there";
    device->synchronize();
    EXPECT_EQ(y.use_count(), 1);
}

TEST_F(VulkanPrepared, what_threads_of_other_streams_bind_is_ordered_like_any_launch) {
    // On a thread of another stream: its own commands, buffers that are at home elsewhere.
    std::thread other([&] {
        const Launch launch = add_launch(device->load(add_kernel()), a, y, y, count);
        const std::unique_ptr<PreparedLaunch> own = device->prepare_launch(launch);
        const Bound bound[] = {{&a, 0, nullptr}, {&y, 0, nullptr}, {&y, 0, nullptr}};
        std::vector<std::byte> block = launch.arguments;
        EXPECT_FALSE(device->submit_prepared(*own, bound, block));
        device->submit({launch});
        device->submitted().wait();
        for (int k = 0; k < 3; ++k) {
            std::vector<std::byte> again = launch.arguments;
            EXPECT_TRUE(device->submit_prepared(*own, bound, again));
            device->submitted().wait();
        }
    });
    other.join();
    EXPECT_EQ(download(y), std::vector<float>(count, 6)) << "2, and four times 1";
    ASSERT_TRUE(submit(a, a, y)) << "written by another stream before";
    EXPECT_EQ(download(y), std::vector<float>(count, 2));
}

TEST_F(VulkanPrepared, a_buffer_of_another_device_is_not_bound) {
    const DeviceRef second = vulkan::open_device({}, 0);
    const BufferRef theirs = second->allocate(count * sizeof(float));
    EXPECT_FALSE(submit(theirs, a, y));
    EXPECT_FALSE(submit(nullptr, a, y));
}

/// Uses of a buffer, noted by its home stream and by others.
TEST_F(VulkanPrepared, uses_at_home_and_elsewhere_are_all_waited_for) {
    const Event at_home = device->submitted();
    Event elsewhere;
    std::thread([&] {
        device->submit({add_launch(device->load(add_kernel()), a, a, filled(count, 0), count)});
        elsewhere = device->submitted();
    }).join();
    ASSERT_NE(at_home.stream(), elsewhere.stream());
    EXPECT_EQ(a->reads().size(), 2u);
    EXPECT_EQ(a->on_other_streams(at_home.stream().get(), true).size(), 1u);
    EXPECT_EQ(a->on_other_streams(at_home.stream().get(), false).size(), 0u);
    const std::size_t copied = a->host() == nullptr ? 1 : 0; // to it, at home
    EXPECT_EQ(a->on_other_streams(elsewhere.stream().get(), true).size(), 1 + copied);
    a->set_written(elsewhere);
    EXPECT_EQ(a->reads().size(), 0u);
    EXPECT_EQ(a->written().stream(), elsewhere.stream());
    EXPECT_EQ(a->on_other_streams(at_home.stream().get(), false).size(), 1u);
    EXPECT_EQ(a->on_other_streams(elsewhere.stream().get(), true).size(), 0u);
    a->set_written(at_home);
    EXPECT_EQ(a->written().stream(), at_home.stream());
    EXPECT_TRUE(a->only_at_home(at_home.stream().get()));
    EXPECT_EQ(a->on_other_streams(elsewhere.stream().get(), false).size(), 1u);
}

} // namespace
} // namespace heddle::runtime::testing
