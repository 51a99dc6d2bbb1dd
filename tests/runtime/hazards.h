#pragma once
// What the synchronisation checks of the validation layers say of work from which a barrier was left out. They see hazards with descriptors
// alone. The layers must be installed.

#include "runtime/vulkan/device.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace heddle::runtime::testing {

class HazardTest : public ::testing::Test {
protected:
    /// An instance with the layers stays until the process ends, and their library with it: the leak sanitizer can tell what is theirs
    /// only while it is mapped (tests/lsan.supp).
    static void SetUpTestSuite() {
        DeviceOptions options;
        options.validation = true;
        static vulkan::Instance* volatile kept = new vulkan::Instance(options);
        static_cast<void>(kept);
    }

    static inline int barriers = 0; ///< that the device has recorded since `leave_out`

    /// From here on the device records every barrier but that of this number, from 1; 0: all.
    static void leave_out(vulkan::VulkanDevice& device, int number) {
        barriers = 0;
        dropped = number;
        real_barrier = device.core().vk.vkCmdPipelineBarrier;
        device.core().vk.vkCmdPipelineBarrier =
            [](VkCommandBuffer commands, VkPipelineStageFlags from, VkPipelineStageFlags to,
               VkDependencyFlags flags, u32 memories, const VkMemoryBarrier* memory, u32 buffers,
               const VkBufferMemoryBarrier* buffer, u32 images, const VkImageMemoryBarrier* image) {
                if (++barriers != dropped)
                    real_barrier(commands, from, to, flags, memories, memory, buffers, buffer, images, image);
            };
    }

    static std::vector<std::string> messages_of(vulkan::VulkanDevice& device) {
        return device.core().validation().messages();
    }

    static void expect_hazard(const std::vector<std::string>& messages) {
        ASSERT_FALSE(messages.empty());
        EXPECT_NE(messages[0].find("SYNC-HAZARD"), std::string::npos) << messages[0];
    }

private:
    static inline int dropped = 0;
    static inline PFN_vkCmdPipelineBarrier real_barrier = nullptr;
};

} // namespace heddle::runtime::testing
