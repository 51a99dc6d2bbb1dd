#include "runtime/devices.h"

#include "runtime/cpu/device.h"
#include "runtime/interp/device.h"
#include "runtime/vulkan/device.h"

#include <heddle/error.h>

#include <charconv>
#include <cstdlib>
#include <fmt/format.h>
#include <string>

namespace heddle::runtime {

namespace {

/// The handle that users get: when it goes, so does what is in flight, whose buffers would else keep the device.
DeviceRef closing_handle(DeviceRef device) {
    Device* target = device.get();
    auto close = [owner = std::move(device)](Device*) mutable {
        try {
            owner->hold_queue(false);
            owner->synchronize();
        } catch (const Error&) {
            // A lost device has nothing in flight; whoever waits for an event of it learns that.
        }
        owner.reset();
    };
    return DeviceRef(target, std::move(close));
}

[[noreturn]] void throw_unknown(std::string_view name) {
    std::string known;
    for (const DeviceInfo& info : list_devices()) {
        if (!known.empty()) known += ", ";
        known += fmt::format("{} ({})", info.name, info.description);
    }
    throw UsageError(fmt::format("no device is called '{}'; there are {}", name, known));
}

DeviceRef open_by_name(std::string_view name, const DeviceOptions& options) {
    if (name == "cpu") return cpu::open_device(options);
    if (name == "interp") return interp::open_device(options);
    if (name == "vulkan") return vulkan::open_device(options, 0);
    constexpr std::string_view prefix = "vulkan:";
    if (name.starts_with(prefix)) {
        std::string_view digits = name.substr(prefix.size());
        std::size_t index = 0;
        auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
        // Without any Vulkan device the reason is worth more than the list.
        if (failed == std::errc() && end == digits.data() + digits.size())
            if (std::size_t count = vulkan::list_devices(options).size(); count == 0 || index < count)
                return vulkan::open_device(options, index);
    }
    throw_unknown(name);
}

} // namespace

std::vector<DeviceInfo> list_devices() {
    std::vector<DeviceInfo> devices{cpu::device_info(), interp::device_info()};
    for (DeviceInfo& info : vulkan::list_devices(DeviceOptions::from_environment()))
        devices.push_back(std::move(info));
    return devices;
}

DeviceRef open_device(std::string_view name, const DeviceOptions& options) {
    if (!name.empty()) return closing_handle(open_by_name(name, options));
    const char* chosen = std::getenv("HEDDLE_DEVICE");
    if (chosen == nullptr || *chosen == '\0') return closing_handle(open_by_name("cpu", options));
    try {
        return closing_handle(open_by_name(chosen, options));
    } catch (const UsageError& error) {
        throw UsageError(fmt::format("HEDDLE_DEVICE={}: {}", chosen, error.what()));
    }
}

} // namespace heddle::runtime
