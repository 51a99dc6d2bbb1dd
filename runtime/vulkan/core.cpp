#include "runtime/vulkan/core.h"

#include <heddle/error.h>

#include <mutex>

#include <fmt/format.h>

namespace heddle::runtime::vulkan {

namespace {

PhysicalDevice choose(const Instance& instance, const DeviceOptions& options, std::size_t index) {
    std::vector<PhysicalDevice> devices = describe_all(instance, options);
    if (devices.empty())
        throw DeviceError(
            "Vulkan finds no device. Install a driver (Debian, Ubuntu: mesa-vulkan-drivers, or the GPU "
            "vendor's)");
    if (index >= devices.size())
        throw UsageError(fmt::format("no device vulkan:{}; there are {}", index, devices.size()));
    PhysicalDevice& chosen = devices[index];
    if (!chosen.info.refused.empty())
        throw DeviceError(fmt::format("{} ({}) cannot be used: {}", chosen.info.name, chosen.info.description,
                                      chosen.info.refused));
    return chosen;
}

} // namespace

Core::Core(const DeviceOptions& options, std::size_t index)
    : options_(options), instance_(options), physical_(choose(instance_, options, index)) {
    vk = instance_.functions();
    make_device();
    try {
        gate_ = make_timeline();
        make_layout();
    } catch (...) {
        destroy();
        throw;
    }
}

Core::~Core() { destroy(); }

void Core::destroy() {
    vk.vkDestroyPipelineCache(device, pipelines, nullptr);
    vk.vkDestroyPipelineLayout(device, layout, nullptr);
    vk.vkDestroySemaphore(device, gate_, nullptr);
    vk.vkDestroyDevice(device, nullptr);
}

void Core::make_device() {
    FeatureChain available(physical_.extensions), enabled(physical_.extensions);
    vk.vkGetPhysicalDeviceFeatures2(physical_.handle, &available.base);
    enable_features(available, enabled);

    float priority = 1.0f;
    VkDeviceQueueCreateInfo queue{VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO};
    queue.queueFamilyIndex = physical_.queue_family;
    queue.queueCount = 1;
    queue.pQueuePriorities = &priority;
    VkDeviceCreateInfo info{VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO};
    info.pNext = &enabled.base;
    info.queueCreateInfoCount = 1;
    info.pQueueCreateInfos = &queue;
    info.enabledExtensionCount = static_cast<u32>(physical_.extension_names.size());
    info.ppEnabledExtensionNames = physical_.extension_names.data();
    vulkan::check(vk.vkCreateDevice(physical_.handle, &info, nullptr, &device), "vkCreateDevice");
    vk.load_device(device);
    vk.vkGetDeviceQueue(device, physical_.queue_family, 0, &queue_);
}

void Core::make_layout() {
    VkPushConstantRange range{VK_SHADER_STAGE_COMPUTE_BIT, 0, physical_.info.target.max_parameter_bytes};
    VkPipelineLayoutCreateInfo info{VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO};
    info.pushConstantRangeCount = 1;
    info.pPushConstantRanges = &range;
    check(vk.vkCreatePipelineLayout(device, &info, nullptr, &layout), "vkCreatePipelineLayout");
    VkPipelineCacheCreateInfo cache{VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO};
    check(vk.vkCreatePipelineCache(device, &cache, nullptr, &pipelines), "vkCreatePipelineCache");
}

VkSemaphore Core::make_timeline() {
    VkSemaphoreTypeCreateInfo type{VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO};
    type.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE;
    VkSemaphoreCreateInfo info{VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO};
    info.pNext = &type;
    VkSemaphore semaphore = VK_NULL_HANDLE;
    check(vk.vkCreateSemaphore(device, &info, nullptr, &semaphore), "vkCreateSemaphore");
    return semaphore;
}

void Core::wait_idle() {
    const std::lock_guard lock(queue_lock_);
    (void)vk.vkDeviceWaitIdle(device);
}

void Core::check(VkResult result, const char* what) {
    if (result == VK_ERROR_DEVICE_LOST) lose();
    vulkan::check(result, what);
}

void Core::hold(bool held) {
    if (held == (gate_value() != 0)) return;
    if (held) {
        gate_value_.store(++gates_);
        return;
    }
    gate_value_.store(0);
    VkSemaphoreSignalInfo info{VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO};
    info.semaphore = gate_;
    info.value = gates_;
    check(vk.vkSignalSemaphore(device, &info), "vkSignalSemaphore");
}

} // namespace heddle::runtime::vulkan
