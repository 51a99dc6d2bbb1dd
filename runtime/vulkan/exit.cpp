#include "runtime/vulkan/exit.h"

#include <cstdlib>
#include <mutex>
#include <vector>

namespace heddle::runtime::vulkan {

namespace {

struct OpenDevices {
    std::mutex mutex;
    std::vector<std::weak_ptr<VulkanDevice>> devices;
    std::vector<std::shared_ptr<VulkanDevice>> left; ///< to the end of the process; has room for all of them
};

/// Never destroyed: the handler may run after static objects have gone.
OpenDevices& open_devices() {
    static auto* const open = new OpenDevices;
    return *open;
}

/// One that is still open, which stays from here on. Null: there is none.
std::shared_ptr<VulkanDevice> keep_next() {
    OpenDevices& open = open_devices();
    const std::lock_guard lock(open.mutex);
    while (!open.devices.empty()) {
        std::shared_ptr<VulkanDevice> device = open.devices.back().lock();
        open.devices.pop_back();
        if (device == nullptr) continue;
        open.left.push_back(device);
        return device;
    }
    return nullptr;
}

void finish_all() {
    while (const std::shared_ptr<VulkanDevice> device = keep_next()) {
        // What a test holds back would never end.
        if (device->core().gate_value() == 0) device->finish();
        device->core().release_nothing();
    }
}

} // namespace

void finish_at_exit(const std::shared_ptr<VulkanDevice>& device) {
    OpenDevices& open = open_devices();
    const std::lock_guard lock(open.mutex);
    std::erase_if(open.devices, [](const std::weak_ptr<VulkanDevice>& one) { return one.expired(); });
    // The last handler that was registered is the first to run: before whatever this device's driver has until now.
    if (std::atexit(finish_all) != 0) return;
    open.devices.push_back(device);
    open.left.reserve(open.left.size() + open.devices.size());
}

} // namespace heddle::runtime::vulkan
