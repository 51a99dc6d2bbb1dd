#pragma once
// What Debian 12's Vulkan headers (of 2023) do not name yet, under names of our own, since newer headers have theirs.

#include <vulkan/vulkan_core.h>

namespace heddle::runtime::vulkan {

inline constexpr const char* shader_bfloat16_extension = "VK_KHR_shader_bfloat16";

/// VkPhysicalDeviceShaderBfloat16FeaturesKHR
struct ShaderBfloat16Features {
    VkStructureType structure = static_cast<VkStructureType>(1000141000);
    void* next = nullptr;
    VkBool32 type = VK_FALSE; ///< values may be loaded, stored and converted
    VkBool32 dot_product = VK_FALSE;
    VkBool32 cooperative_matrix = VK_FALSE;
};

} // namespace heddle::runtime::vulkan
