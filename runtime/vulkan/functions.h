#pragma once
// Vulkan's entry points, found at run time: a program that links Heddle starts on a machine without Vulkan, and learns only on
// asking for such a device what it has to install. One table of pointers an instance or device; tests replace entries of their
// device's table to see what a failing driver does.

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan_core.h>

#include <string>

namespace heddle::runtime::vulkan {

// clang-format off
#define HEDDLE_VULKAN_GLOBAL_FUNCTIONS(F) \
    F(vkEnumerateInstanceVersion) F(vkEnumerateInstanceLayerProperties) F(vkEnumerateInstanceExtensionProperties) \
    F(vkCreateInstance)
#define HEDDLE_VULKAN_INSTANCE_FUNCTIONS(F) \
    F(vkDestroyInstance) F(vkEnumeratePhysicalDevices) F(vkGetPhysicalDeviceProperties2) \
    F(vkGetPhysicalDeviceFeatures2) F(vkGetPhysicalDeviceMemoryProperties) \
    F(vkGetPhysicalDeviceQueueFamilyProperties) F(vkEnumerateDeviceExtensionProperties) F(vkCreateDevice) \
    F(vkGetDeviceProcAddr)
#define HEDDLE_VULKAN_DEBUG_FUNCTIONS(F) \
    F(vkCreateDebugUtilsMessengerEXT) F(vkDestroyDebugUtilsMessengerEXT)
#define HEDDLE_VULKAN_DEVICE_FUNCTIONS(F) \
    F(vkDestroyDevice) F(vkDeviceWaitIdle) F(vkGetDeviceQueue) F(vkQueueSubmit) \
    F(vkAllocateMemory) F(vkFreeMemory) F(vkMapMemory) F(vkFlushMappedMemoryRanges) \
    F(vkInvalidateMappedMemoryRanges) F(vkCreateBuffer) F(vkDestroyBuffer) F(vkGetBufferMemoryRequirements) \
    F(vkBindBufferMemory) F(vkGetBufferDeviceAddress) \
    F(vkCreateShaderModule) F(vkDestroyShaderModule) F(vkCreatePipelineCache) F(vkDestroyPipelineCache) \
    F(vkCreateComputePipelines) F(vkDestroyPipeline) F(vkCreatePipelineLayout) F(vkDestroyPipelineLayout) \
    F(vkCreateDescriptorSetLayout) F(vkDestroyDescriptorSetLayout) F(vkCreateDescriptorPool) \
    F(vkDestroyDescriptorPool) F(vkResetDescriptorPool) F(vkAllocateDescriptorSets) F(vkUpdateDescriptorSets) \
    F(vkCreateCommandPool) F(vkDestroyCommandPool) F(vkAllocateCommandBuffers) F(vkBeginCommandBuffer) \
    F(vkEndCommandBuffer) F(vkCmdBindPipeline) F(vkCmdBindDescriptorSets) F(vkCmdPushConstants) F(vkCmdDispatch) \
    F(vkCmdPipelineBarrier) F(vkCmdCopyBuffer) F(vkCmdExecuteCommands) F(vkResetCommandPool) \
    F(vkCreateSemaphore) F(vkDestroySemaphore) F(vkGetSemaphoreCounterValue) F(vkWaitSemaphores) F(vkSignalSemaphore)
// clang-format on

struct Functions {
    PFN_vkGetInstanceProcAddr vkGetInstanceProcAddr = nullptr;
#define HEDDLE_DECLARE(name) PFN_##name name = nullptr;
    HEDDLE_VULKAN_GLOBAL_FUNCTIONS(HEDDLE_DECLARE)
    HEDDLE_VULKAN_INSTANCE_FUNCTIONS(HEDDLE_DECLARE)
    HEDDLE_VULKAN_DEBUG_FUNCTIONS(HEDDLE_DECLARE)
    HEDDLE_VULKAN_DEVICE_FUNCTIONS(HEDDLE_DECLARE)
#undef HEDDLE_DECLARE

    /// Loads the loader (libvulkan.so.1, or the file that HEDDLE_VULKAN_LIBRARY names) and the functions that need no instance. Throws
    /// DeviceError that says what to install.
    static Functions load();
    void load_instance(VkInstance instance);
    void load_device(VkDevice device);
};

/// "VK_ERROR_OUT_OF_DEVICE_MEMORY" and so on.
std::string name_of(VkResult result);
/// Throws OutOfMemory, DeviceLost or DeviceError naming `what` unless the result is a success.
void check(VkResult result, const char* what);

} // namespace heddle::runtime::vulkan
