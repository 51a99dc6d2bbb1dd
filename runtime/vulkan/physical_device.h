#pragma once
// What a physical device can do, read once: its DeviceInfo and Target, the queue and memory types that Heddle uses, and the reason why it
// cannot be used at all, if there is one.

#include "runtime/device.h"
#include "runtime/vulkan/instance.h"
#include "runtime/vulkan/newer.h"

#include <string>
#include <string_view>
#include <vector>

namespace heddle::runtime::vulkan {

/// What a device has beyond Vulkan 1.2, each with a structure of features.
struct Extensions {
    bool size_control = false; ///< VK_EXT_subgroup_size_control, or Vulkan 1.3, which took it in
    bool bfloat16 = false;     ///< VK_KHR_shader_bfloat16
};

/// Feature structures in one chain, as they are queried and, cut down to what Heddle uses, enabled.
struct FeatureChain {
    explicit FeatureChain(const Extensions& extensions);
    FeatureChain(const FeatureChain&) = delete;
    FeatureChain& operator=(const FeatureChain&) = delete;
    VkPhysicalDeviceFeatures2 base{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};
    VkPhysicalDeviceVulkan11Features v11{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES};
    VkPhysicalDeviceVulkan12Features v12{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES};
    VkPhysicalDeviceSubgroupSizeControlFeatures subgroup{
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES};
    ShaderBfloat16Features bfloat16;
};

struct PhysicalDevice {
    VkPhysicalDevice handle = VK_NULL_HANDLE;
    DeviceInfo info; ///< without `name`, which depends on the others
    VkPhysicalDeviceType type = VK_PHYSICAL_DEVICE_TYPE_OTHER;
    u32 api_version = 0;
    u32 queue_family = 0;
    Extensions extensions;
    std::vector<const char*> extension_names; ///< those that have to be turned on
    bool size_control = false;                ///< pipelines may ask for a subgroup size
    bool bfloat16 = false; ///< shaders may have the type; how they round to it is for a probe to see
    u32 min_subgroup = 0;
    u32 max_subgroup = 0;
    u32 max_block_subgroups = 0;                    ///< where a subgroup size is asked for
    VkSubgroupFeatureFlags subgroup_operations = 0; ///< in compute shaders
    u32 max_local[3] = {};                          ///< invocations of a block along each axis
    u32 max_grid[3] = {};

    // Memory: `main_type` is where buffers live. On unified memory the host sees it too and staging is not used.
    bool unified = false;
    bool main_mapped = false; ///< unified, or poisoned
    bool main_coherent = false;
    bool staging_coherent = false;
    u32 main_type = 0;
    u32 staging_type = 0;
    u64 max_allocation = 0;

    // Descriptors, where buffers have no addresses (Target::buffer_addresses).
    u64 descriptor_alignment = 256;
    u64 max_descriptor_bytes = 0;
    u32 max_bindings = 0;
    u64 atom = 1; ///< flushes and invalidations are whole multiples of it
};

/// `info.refused` says why when the device lacks what Heddle needs.
PhysicalDevice describe(const Functions& vk, VkPhysicalDevice handle, const DeviceOptions& options);
/// All devices of the instance, best kind first: discrete, integrated, virtual, software.
std::vector<PhysicalDevice> describe_all(const Instance& instance, const DeviceOptions& options);
/// What the device does not do, for DeviceInfo::notes. `subnormals`: what is known of those of f32.
std::string notes_of(const ir::Target& target, std::string_view subnormals);
/// Turns on in `chain` what Heddle uses of what `available` has.
void enable_features(const FeatureChain& available, FeatureChain& chain);

} // namespace heddle::runtime::vulkan
