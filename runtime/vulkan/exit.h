#pragma once
// The end of the process. A driver that is a library here goes with its static objects when main() has returned, and what its threads still
// run then reads what is gone: a program that did not wait for its last results would crash.

#include "runtime/vulkan/device.h"

#include <memory>

namespace heddle::runtime::vulkan {

/// At std::exit, or the return of main(): waits until the device has run what was submitted to it, before anything static is destroyed
/// that the driver had until now. From then on the device and what belongs to it is released no more, for whatever static object of the program
/// may still go. What other threads submit later is theirs to wait for.
void finish_at_exit(const std::shared_ptr<VulkanDevice>& device);

} // namespace heddle::runtime::vulkan
