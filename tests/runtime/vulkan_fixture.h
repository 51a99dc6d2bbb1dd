#pragma once
// A Vulkan device for a test: with the options under test, checked at the end for leaks and for what the validation layers said.

#include "runtime/devices.h"
#include "runtime/vulkan/device.h"
#include "tests/runtime/vulkan_kernels.h"

#include <gtest/gtest.h>
#include <span>
#include <vector>

namespace heddle::runtime::testing {

class VulkanFixture : public ::testing::Test {
protected:
    void open(DeviceOptions options) {
        options.validation |= DeviceOptions::from_environment().validation;
        options.descriptors |= DeviceOptions::from_environment().descriptors;
        options.force_staging |= DeviceOptions::from_environment().force_staging;
        device = open_device("vulkan", options);
        vulkan = dynamic_cast<vulkan::VulkanDevice*>(device.get());
        ASSERT_NE(vulkan, nullptr);
        RecordProperty("device", device->info().description);
    }
    void TearDown() override {
        if (device == nullptr) return;
        if (!vulkan->core().lost()) device->synchronize();
        EXPECT_EQ(device->live_buffers(), 0u);
        EXPECT_EQ(device->live_bytes(), 0u);
        EXPECT_EQ(vulkan->core().validation().messages(), std::vector<std::string>{});
    }
    BufferRef upload(const std::vector<float>& values) {
        BufferRef buffer = device->allocate(values.size() * sizeof(float));
        device->upload(buffer, 0, std::as_bytes(std::span(values)));
        return buffer;
    }
    BufferRef filled(std::size_t count, float value) { return upload(std::vector<float>(count, value)); }
    std::vector<float> download(const BufferRef& buffer) {
        std::vector<float> values(buffer->bytes() / sizeof(float));
        device->download(buffer, 0, std::as_writable_bytes(std::span(values)));
        return values;
    }

    DeviceRef device;
    vulkan::VulkanDevice* vulkan = nullptr; ///< the same
};

} // namespace heddle::runtime::testing
