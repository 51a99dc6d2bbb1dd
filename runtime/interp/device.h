#pragma once
// The interpreter as a device: memory on the host, and no executables, since the frontend hands whole graphs to ir/interpreter.h
// instead of launching kernels.

#include "runtime/device.h"
#include "runtime/device_options.h"

namespace heddle::runtime::interp {

DeviceInfo device_info();
DeviceRef open_device(const DeviceOptions& options);

} // namespace heddle::runtime::interp
