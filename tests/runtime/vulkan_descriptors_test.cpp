// Descriptor mode: what it binds, and that the synchronisation checks, which see hazards only there, do see them.

#include "tests/runtime/hazards.h"
#include "tests/runtime/vulkan_fixture.h"

#include <heddle/error.h>

#include <numeric>

using namespace heddle;
using namespace heddle::runtime;
using namespace heddle::runtime::testing;

namespace {

class VulkanDescriptors : public VulkanFixture {
protected:
    void SetUp() override {
        open({.descriptors = true});
        EXPECT_FALSE(device->info().target.buffer_addresses);
        add = device->load(add_kernel(0, true));
    }
    void TearDown() override {
        add = nullptr;
        VulkanFixture::TearDown();
    }
    ExecutableRef add;
};

TEST_F(VulkanDescriptors, a_part_of_a_buffer_is_bound_wherever_it_starts) {
    std::vector<float> values(1000);
    std::iota(values.begin(), values.end(), 0.0f);
    const BufferRef x = upload(values), y = filled(1000, -1);
    for (u64 first : {0, 1, 63, 64, 65, 333}) {
        Launch launch = add_launch(add, x, x, y, 100);
        launch.offsets = {first * 4, (first + 1) * 4, first * 4};
        device->submit({launch});
        const std::vector<float> sums = download(y);
        for (u64 k = 0; k < 100; ++k)
            ASSERT_EQ(sums[first + k], static_cast<float>(2 * (first + k) + 1)) << first << " " << k;
    }
}

TEST_F(VulkanDescriptors, arguments_that_are_too_long_to_be_pushed_are_bound) {
    const ExecutableRef longer = device->load(add_kernel(128, true));
    const BufferRef x = filled(100, 3), y = filled(100, 0);
    std::vector<Launch> launches;
    for (int k = 0; k < 200; ++k) launches.push_back(add_launch(longer, x, x, y, 100, 128));
    device->submit(std::move(launches));
    EXPECT_EQ(download(y), std::vector<float>(100, 6));
}

TEST_F(VulkanDescriptors, no_launch_is_prepared_for_each_has_sets_of_its_own) {
    const BufferRef x = filled(64, 1), y = filled(64, 0);
    EXPECT_EQ(device->prepare_launch(add_launch(add, x, x, y, 64)), nullptr);
}

TEST_F(VulkanDescriptors, sets_are_taken_as_long_as_a_batch_lasts) {
    const BufferRef x = filled(64, 1);
    BufferRef y = filled(64, 0);
    for (int round = 0; round < 20; ++round) {
        std::vector<Launch> launches;
        for (int k = 0; k < 50; ++k) {
            launches.push_back(add_launch(add, x, y, y, 64));
            launches.back().barrier_before = true;
        }
        device->submit(std::move(launches));
    }
    EXPECT_EQ(download(y), std::vector<float>(64, 1000));
}

TEST_F(VulkanDescriptors, buffers_that_a_descriptor_cannot_show_are_refused_with_both_sizes) {
    const u64 most = vulkan->core().physical().max_descriptor_bytes;
    if (most > u64{512} << 20) {
        RecordProperty("not_run", "descriptors of this device show more memory than a test should take");
        return;
    }
    const BufferRef large = device->allocate(most + 4), small = filled(64, 1);
    try {
        device->submit({add_launch(add, small, small, large, 64)});
        ADD_FAILURE();
    } catch (const UsageError& error) {
        EXPECT_NE(std::string(error.what()).find(std::to_string(most + 4)), std::string::npos)
            << error.what();
    }
}

class VulkanHazards : public HazardTest {
protected:
    /// Messages about two kernels of which the second reads what the first wrote, with barrier number `without` left out.
    static std::vector<std::string> messages_of(int without, bool recorded = false) {
        DeviceOptions options;
        options.validation = options.descriptors = true;
        const DeviceRef device = open_device("vulkan", options);
        auto& vulkan = dynamic_cast<vulkan::VulkanDevice&>(*device);
        const ExecutableRef add = device->load(add_kernel(0, true));
        const std::vector<float> ones(4096, 1.0f);
        const BufferRef x = device->allocate(4096 * 4), y = device->allocate(4096 * 4),
                        z = device->allocate(4096 * 4);
        device->upload(x, 0, std::as_bytes(std::span(ones)));
        leave_out(vulkan, without);
        std::vector<Launch> launches{add_launch(add, x, x, y, 4096), add_launch(add, y, x, z, 4096)};
        launches[1].barrier_before = true;
        if (recorded) {
            Launch whole;
            whole.buffers = {y, z, x};
            whole.offsets = {0, 0, 0};
            whole.write_mask = 3;
            whole.executable = device->record(std::move(launches), whole, Recorded::often);
            launches = {whole};
        }
        device->submit(std::move(launches)).wait();
        return HazardTest::messages_of(vulkan);
    }
};

TEST_F(VulkanHazards, one_barrier_that_is_left_out_is_seen) {
    EXPECT_EQ(messages_of(0), std::vector<std::string>{});
    EXPECT_EQ(barriers, 3) << "at the batch's start, between the kernels, for the host";
    expect_hazard(messages_of(2));
}

TEST_F(VulkanHazards, one_barrier_that_is_left_out_of_a_recording_is_seen) {
    EXPECT_EQ(messages_of(0, true), std::vector<std::string>{});
    EXPECT_EQ(barriers, 3) << "between the kernels, at the batch's start, for the host";
    expect_hazard(messages_of(1, true));
}

} // namespace
