#pragma once
// The devices of this machine, by name. Nothing is cached: opening one twice gives two devices with memory of their own.

#include "runtime/device.h"
#include "runtime/device_options.h"

#include <string_view>
#include <vector>

namespace heddle::runtime {

/// Every device, also those that cannot be opened (`refused` says why). Without a Vulkan loader or driver there are no Vulkan ones.
std::vector<DeviceInfo> list_devices();

/// "interp", "cpu", "vulkan" (the first of them), "vulkan:K", or "": what the environment variable HEDDLE_DEVICE names, else "cpu".
/// Throws UsageError that lists what there is for an unknown name, DeviceError when the device cannot be opened. When the last
/// of the handles goes, what was submitted is waited for.
DeviceRef open_device(std::string_view name = {},
                      const DeviceOptions& options = DeviceOptions::from_environment());

} // namespace heddle::runtime
