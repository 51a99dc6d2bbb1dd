#pragma once
// The CPU as a device. A submission runs before `submit` returns, on the calling thread and, when it is worth it, on the device's
// pool; any number of threads may submit at once, and small work of theirs shares nothing.

#include "runtime/device.h"
#include "runtime/device_options.h"

namespace heddle::runtime::cpu {

DeviceInfo device_info();
DeviceRef open_device(const DeviceOptions& options);

/// Launches that move fewer bytes run on the calling thread alone: below this, waking others costs more than they save.
inline constexpr u64 alone_below_bytes = 128 << 10;

} // namespace heddle::runtime::cpu
