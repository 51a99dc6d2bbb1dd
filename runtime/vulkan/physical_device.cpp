#include "runtime/vulkan/physical_device.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <thread>

namespace heddle::runtime::vulkan {

namespace {

struct Properties {
    VkPhysicalDeviceProperties2 base{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
    VkPhysicalDeviceVulkan11Properties v11{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES};
    VkPhysicalDeviceVulkan12Properties v12{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES};
    VkPhysicalDeviceSubgroupSizeControlProperties subgroup{
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES};
};

/// What is assumed of a GPU that does not say: few enough to fill a small one.
constexpr u32 unknown_cores = 16;

bool has_extension(const Functions& vk, VkPhysicalDevice handle, const char* name) {
    u32 count = 0;
    check(vk.vkEnumerateDeviceExtensionProperties(handle, nullptr, &count, nullptr),
          "listing device extensions");
    std::vector<VkExtensionProperties> extensions(count);
    check(vk.vkEnumerateDeviceExtensionProperties(handle, nullptr, &count, extensions.data()),
          "listing device extensions");
    return std::any_of(extensions.begin(), extensions.end(), [&](const VkExtensionProperties& extension) {
        return std::strcmp(extension.extensionName, name) == 0;
    });
}

void find_extensions(const Functions& vk, PhysicalDevice& device, const DeviceOptions& options) {
    const auto find = [&](const char* name) {
        const bool found = has_extension(vk, device.handle, name);
        if (found) device.extension_names.push_back(name);
        return found;
    };
    device.extensions.size_control =
        device.api_version >= VK_API_VERSION_1_3 || find(VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME);
    device.extensions.bfloat16 = options.bf16_rounding && find(shader_bfloat16_extension);
}

/// Vulkan itself does not tell how many cores a device has; some vendors do.
u32 count_cores(const Functions& vk, const PhysicalDevice& device) {
    if (device.type == VK_PHYSICAL_DEVICE_TYPE_CPU) return std::max(1u, std::thread::hardware_concurrency());
    VkPhysicalDeviceShaderSMBuiltinsPropertiesNV nvidia{
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_SM_BUILTINS_PROPERTIES_NV};
    VkPhysicalDeviceShaderCorePropertiesAMD amd{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_CORE_PROPERTIES_AMD};
    VkPhysicalDeviceProperties2 properties{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
    bool is_nvidia = has_extension(vk, device.handle, VK_NV_SHADER_SM_BUILTINS_EXTENSION_NAME);
    bool is_amd = has_extension(vk, device.handle, VK_AMD_SHADER_CORE_PROPERTIES_EXTENSION_NAME);
    if (is_nvidia) properties.pNext = &nvidia;
    if (is_amd) properties.pNext = &amd;
    vk.vkGetPhysicalDeviceProperties2(device.handle, &properties);
    u32 cores = nvidia.shaderSMCount +
                amd.shaderEngineCount * amd.shaderArraysPerEngineCount * amd.computeUnitsPerShaderArray;
    return cores != 0 ? cores : unknown_cores;
}

void append(std::string& list, std::string_view item, std::string_view separator = ", ") {
    if (!list.empty()) list += separator;
    list += item;
}

/// Compute queues that do nothing else run beside the display; a queue that does both is the second choice.
bool choose_queue(const Functions& vk, PhysicalDevice& device) {
    u32 count = 0;
    vk.vkGetPhysicalDeviceQueueFamilyProperties(device.handle, &count, nullptr);
    std::vector<VkQueueFamilyProperties> families(count);
    vk.vkGetPhysicalDeviceQueueFamilyProperties(device.handle, &count, families.data());
    bool found = false, found_alone = false;
    for (u32 family = 0; family < count; ++family) {
        VkQueueFlags flags = families[family].queueFlags;
        if ((flags & VK_QUEUE_COMPUTE_BIT) == 0 || families[family].queueCount == 0) continue;
        bool alone = (flags & VK_QUEUE_GRAPHICS_BIT) == 0;
        if (found && (found_alone || !alone)) continue;
        device.queue_family = family;
        found = true;
        found_alone = alone;
    }
    return found;
}

/// The type with all of `wanted` that has most of `liked` and least of `disliked`; -1 if none.
int find_memory_type(const VkPhysicalDeviceMemoryProperties& memory, VkMemoryPropertyFlags wanted,
                     VkMemoryPropertyFlags liked, VkMemoryPropertyFlags disliked) {
    int best = -1, best_score = 0;
    for (u32 type = 0; type < memory.memoryTypeCount; ++type) {
        VkMemoryPropertyFlags flags = memory.memoryTypes[type].propertyFlags;
        // Protected memory, and AMD's uncached types, are for other purposes.
        if ((flags & wanted) != wanted || (flags & ~VkMemoryPropertyFlags{0x1F}) != 0) continue;
        int score = 1 + 2 * __builtin_popcount(flags & liked) - __builtin_popcount(flags & disliked);
        if (best < 0 || score > best_score) {
            best = static_cast<int>(type);
            best_score = score;
        }
    }
    return best;
}

constexpr VkMemoryPropertyFlags local = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
constexpr VkMemoryPropertyFlags visible = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT;
constexpr VkMemoryPropertyFlags coherent = VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
constexpr VkMemoryPropertyFlags cached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT;

/// Memory that the host reads at full speed counts as unified. A GPU's own memory seen through the bus does not: reading
/// it from the host is a hundred times slower than a copy.
void choose_memory(const Functions& vk, PhysicalDevice& device, const DeviceOptions& options) {
    VkPhysicalDeviceMemoryProperties memory{};
    vk.vkGetPhysicalDeviceMemoryProperties(device.handle, &memory);
    bool shared =
        device.type == VK_PHYSICAL_DEVICE_TYPE_CPU || device.type == VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU;
    int both = shared ? find_memory_type(memory, local | visible, coherent | cached, 0) : -1;
    int main = both >= 0 ? both : find_memory_type(memory, local, 0, visible);
    // Memory that the host is to poison it must see, slow as that may be.
    if (options.poison_released && both < 0) main = find_memory_type(memory, visible | coherent, local, 0);
    int staging = find_memory_type(memory, visible, coherent | cached, local);
    if (main < 0 || staging < 0) {
        append(device.info.refused, "memory that device and host can reach");
        return;
    }
    device.unified = both >= 0 && !options.force_staging;
    device.main_mapped = device.unified || options.poison_released;
    device.main_type = static_cast<u32>(main);
    device.staging_type = static_cast<u32>(staging);
    device.main_coherent = (memory.memoryTypes[main].propertyFlags & coherent) != 0;
    device.staging_coherent =
        (memory.memoryTypes[staging].propertyFlags & coherent) != 0 && !options.force_staging;
    device.info.memory_bytes = memory.memoryHeaps[memory.memoryTypes[main].heapIndex].size;
}

void fill_target(const Properties& properties, const FeatureChain& features, PhysicalDevice& device) {
    ir::Target& target = device.info.target;
    const VkPhysicalDeviceLimits& limits = properties.base.properties.limits;
    target.kind = ir::TargetKind::gpu;
    target.name = device.info.description;
    target.has_f64 = features.base.features.shaderFloat64 != 0;
    target.has_i64 = features.base.features.shaderInt64 != 0;
    target.has_16bit_storage = features.v11.storageBuffer16BitAccess != 0;
    target.has_8bit_storage = features.v12.storageBuffer8BitAccess != 0;
    target.has_f16_arithmetic = features.v12.shaderFloat16 != 0;
    target.has_i16_arithmetic = features.base.features.shaderInt16 != 0;
    target.has_i8_arithmetic = features.v12.shaderInt8 != 0;
    target.has_i64_atomics = features.v12.shaderBufferInt64Atomics != 0;
    target.buffer_addresses = features.v12.bufferDeviceAddress != 0;
    target.device_scope = features.v12.vulkanMemoryModelDeviceScope != 0;
    target.max_block = std::min(limits.maxComputeWorkGroupInvocations, limits.maxComputeWorkGroupSize[0]);
    target.shared_bytes = limits.maxComputeSharedMemorySize;
    target.max_parameter_bytes = std::min(limits.maxPushConstantsSize, 128u);
    target.max_grid_x = limits.maxComputeWorkGroupCount[0];
    constexpr VkSubgroupFeatureFlags shuffles =
        VK_SUBGROUP_FEATURE_BASIC_BIT | VK_SUBGROUP_FEATURE_SHUFFLE_BIT;
    target.subgroup = properties.v11.subgroupSize;
    // Without control of its size, a subgroup that could come in several sizes cannot be scheduled for.
    target.subgroup_shuffle = (device.subgroup_operations & shuffles) == shuffles &&
                              (device.size_control || device.min_subgroup == device.max_subgroup);
    const VkPhysicalDeviceVulkan12Properties& v12 = properties.v12;
    device.info.driver = fmt::format("{} {} ({:#x})", v12.driverName, v12.driverInfo,
                                     properties.base.properties.driverVersion);
    if (v12.driverID == VK_DRIVER_ID_MESA_LLVMPIPE) {
        // Mesa's LP_MAX_TGSI_LOOP_ITERATIONS (gallivm): all loops of an invocation draw on one count, and end where it does.
        target.most_iterations = 65535;
        target.folds_zeros = true;
    }
    auto mask = [](VkBool32 for16, VkBool32 for32, VkBool32 for64) {
        return for16 | for32 << 1 | for64 << 2;
    };
    target.preserves_special =
        mask(v12.shaderSignedZeroInfNanPreserveFloat16, v12.shaderSignedZeroInfNanPreserveFloat32,
             v12.shaderSignedZeroInfNanPreserveFloat64);
    target.preserves_subnormals = mask(v12.shaderDenormPreserveFloat16, v12.shaderDenormPreserveFloat32,
                                       v12.shaderDenormPreserveFloat64);
    target.rounds_to_even = mask(v12.shaderRoundingModeRTEFloat16, v12.shaderRoundingModeRTEFloat32,
                                 v12.shaderRoundingModeRTEFloat64);
}

void fill_refused(const FeatureChain& features, PhysicalDevice& device) {
    std::string& refused = device.info.refused;
    if (device.api_version < VK_API_VERSION_1_2) append(refused, "Vulkan 1.2");
    if (features.v12.timelineSemaphore == 0) append(refused, "timelineSemaphore");
    if (features.v12.vulkanMemoryModel == 0) append(refused, "vulkanMemoryModel");
    if (!refused.empty()) refused = "it has no " + refused;
}

int rank(VkPhysicalDeviceType type) {
    if (type == VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU) return 0;
    if (type == VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU) return 1;
    if (type == VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU) return 2;
    return 3;
}

} // namespace

FeatureChain::FeatureChain(const Extensions& extensions) {
    base.pNext = &v11;
    v11.pNext = &v12;
    void** last = &v12.pNext;
    if (extensions.size_control) {
        *last = &subgroup;
        last = &subgroup.pNext;
    }
    if (extensions.bfloat16) *last = &bfloat16;
}

std::string notes_of(const ir::Target& target, std::string_view subnormals) {
    std::string notes, missing;
    if ((target.preserves_subnormals & 2) == 0) append(notes, subnormals, "; ");
    if (target.has_f64 && (target.preserves_subnormals & 4) == 0)
        append(notes, "f64 subnormals may be flushed to zero", "; ");
    if ((target.preserves_special & 2) == 0) append(notes, "NaN and infinities are not promised", "; ");
    if (!target.has_f64) append(missing, "f64");
    if (!target.has_i64) append(missing, "i64, u64");
    if (!target.has_16bit_storage) append(missing, "f16, bf16, i16, u16");
    if (!target.has_8bit_storage) append(missing, "i8, u8, bool");
    if (!missing.empty()) append(notes, "no " + missing, "; ");
    if (!target.subgroup_shuffle) append(notes, "no subgroup shuffles", "; ");
    if (!target.buffer_addresses) append(notes, "buffers by descriptors", "; ");
    return notes;
}

PhysicalDevice describe(const Functions& vk, VkPhysicalDevice handle, const DeviceOptions& options) {
    PhysicalDevice device;
    device.handle = handle;
    Properties properties;
    vk.vkGetPhysicalDeviceProperties2(handle, &properties.base);
    device.type = properties.base.properties.deviceType;
    device.api_version = properties.base.properties.apiVersion;
    device.info.description = properties.base.properties.deviceName;
    if (device.api_version >= VK_API_VERSION_1_2) find_extensions(vk, device, options);
    FeatureChain features(device.extensions);
    if (device.api_version >= VK_API_VERSION_1_2) {
        properties.base.pNext = &properties.v11;
        properties.v11.pNext = &properties.v12;
        if (device.extensions.size_control) properties.v12.pNext = &properties.subgroup;
        vk.vkGetPhysicalDeviceProperties2(handle, &properties.base);
        vk.vkGetPhysicalDeviceFeatures2(handle, &features.base);
        device.size_control =
            features.subgroup.subgroupSizeControl != 0 && features.subgroup.computeFullSubgroups != 0 &&
            (properties.subgroup.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT) != 0;
        device.bfloat16 = features.bfloat16.type != 0;
    }
    device.min_subgroup =
        device.size_control ? properties.subgroup.minSubgroupSize : properties.v11.subgroupSize;
    device.max_subgroup =
        device.size_control ? properties.subgroup.maxSubgroupSize : properties.v11.subgroupSize;
    device.max_block_subgroups = properties.subgroup.maxComputeWorkgroupSubgroups;
    const VkPhysicalDeviceLimits& limits = properties.base.properties.limits;
    std::copy_n(limits.maxComputeWorkGroupCount, 3, device.max_grid);
    std::copy_n(limits.maxComputeWorkGroupSize, 3, device.max_local);
    if ((properties.v11.subgroupSupportedStages & VK_SHADER_STAGE_COMPUTE_BIT) != 0)
        device.subgroup_operations = properties.v11.subgroupSupportedOperations;
    device.atom = std::max<u64>(limits.nonCoherentAtomSize, 1);
    u64 largest = properties.v11.maxMemoryAllocationSize;
    device.max_allocation = largest != 0 ? largest : u64{1} << 30;
    fill_target(properties, features, device);
    device.info.target.buffer_addresses &= !options.descriptors;
    device.descriptor_alignment = std::max<u64>(limits.minStorageBufferOffsetAlignment, 1);
    device.max_descriptor_bytes = limits.maxStorageBufferRange;
    device.max_bindings =
        std::min(limits.maxPerStageDescriptorStorageBuffers, limits.maxDescriptorSetStorageBuffers);
    device.info.target.check_access = options.check_access;
    if (options.index_limit != 0) device.info.target.index_limit = static_cast<i64>(options.index_limit);
    device.info.target.cores = count_cores(vk, device);
    if (properties.v12.driverID == VK_DRIVER_ID_NVIDIA_PROPRIETARY) {
        // A multiprocessor holds a block of any kernel that the driver accepts, and runs all that it holds by turns.
        device.info.target.resident_blocks = device.info.target.cores;
    }
    if (options.resident_blocks)
        device.info.target.resident_blocks =
            static_cast<u32>(std::min<u64>(*options.resident_blocks, ~u32{0}));
    if (!choose_queue(vk, device)) append(device.info.refused, "queue that computes");
    choose_memory(vk, device, options);
    fill_refused(features, device);
    device.info.notes = notes_of(device.info.target, "f32 subnormals may be flushed to zero");
    return device;
}

std::vector<PhysicalDevice> describe_all(const Instance& instance, const DeviceOptions& options) {
    std::vector<PhysicalDevice> devices;
    for (VkPhysicalDevice handle : instance.physical_devices())
        devices.push_back(describe(instance.functions(), handle, options));
    std::stable_sort(devices.begin(), devices.end(), [](const PhysicalDevice& a, const PhysicalDevice& b) {
        return rank(a.type) < rank(b.type);
    });
    for (std::size_t i = 0; i < devices.size(); ++i) devices[i].info.name = fmt::format("vulkan:{}", i);
    return devices;
}

void enable_features(const FeatureChain& available, FeatureChain& chain) {
    const VkPhysicalDeviceFeatures& base = available.base.features;
    chain.base.features.shaderInt64 = base.shaderInt64;
    chain.base.features.shaderFloat64 = base.shaderFloat64;
    chain.base.features.shaderInt16 = base.shaderInt16;
    chain.v11.storageBuffer16BitAccess = available.v11.storageBuffer16BitAccess;
    chain.v12.storageBuffer8BitAccess = available.v12.storageBuffer8BitAccess;
    chain.v12.shaderFloat16 = available.v12.shaderFloat16;
    chain.v12.shaderInt8 = available.v12.shaderInt8;
    chain.v12.shaderBufferInt64Atomics = available.v12.shaderBufferInt64Atomics;
    chain.v12.shaderSubgroupExtendedTypes = available.v12.shaderSubgroupExtendedTypes;
    chain.v12.scalarBlockLayout = available.v12.scalarBlockLayout;
    chain.v12.bufferDeviceAddress = available.v12.bufferDeviceAddress;
    chain.v12.timelineSemaphore = available.v12.timelineSemaphore;
    chain.v12.vulkanMemoryModel = available.v12.vulkanMemoryModel;
    chain.v12.vulkanMemoryModelDeviceScope = available.v12.vulkanMemoryModelDeviceScope;
    chain.subgroup.subgroupSizeControl = available.subgroup.subgroupSizeControl;
    chain.subgroup.computeFullSubgroups = available.subgroup.computeFullSubgroups;
    chain.bfloat16.type = available.bfloat16.type;
}

} // namespace heddle::runtime::vulkan
