#include "runtime/vulkan/exit.h"

#include <cstdlib>
#include <mutex>
#include <vector>

namespace heddle::runtime::vulkan {

namespace {

struct OpenDevices {
    std::mutex mutex;
    std::vector<std::weak_ptr<VulkanDevice>> devices;
    std::vector<std::shared_ptr<VulkanDevice>> left; ///< to the end of the process
};

/// Never destroyed: the handler may run after static objects have gone.
OpenDevices& open_devices() {
    static auto* const open = new OpenDevices;
    return *open;
}

void finish_all() {
    OpenDevices& open = open_devices();
    const std::lock_guard lock(open.mutex);
    for (const std::weak_ptr<VulkanDevice>& one : open.devices) {
        const std::shared_ptr<VulkanDevice> device = one.lock();
        if (device == nullptr) continue;
        try {
            // What a test holds back would never end.
            if (device->core().gate_value() == 0) device->synchronize();
        } catch (...) {
            // Lost, or out of memory: nobody is left to be told.
        }
        device->core().vk.release_nothing();
        open.left.push_back(device);
    }
}

} // namespace

void finish_at_exit(const std::shared_ptr<VulkanDevice>& device) {
    OpenDevices& open = open_devices();
    const std::lock_guard lock(open.mutex);
    std::erase_if(open.devices, [](const std::weak_ptr<VulkanDevice>& one) { return one.expired(); });
    // One handler for each driver that is loaded from here on, for the last one registered is the first to run.
    if (open.devices.empty() && std::atexit(finish_all) != 0) return;
    open.devices.push_back(device);
}

} // namespace heddle::runtime::vulkan
