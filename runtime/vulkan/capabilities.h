#pragma once
// What SPIR-V may ask of a device. Kernels that Heddle makes are made for the device; those that a user brings are not, and
// a driver need not refuse what it does not have.

#include "runtime/vulkan/physical_device.h"

#include <span>
#include <string>

namespace heddle::runtime::vulkan {

/// The first of these capabilities (`Float64`) that the features which Heddle turns on do not cover. Empty: all are there.
std::string missing_capability(const PhysicalDevice& device, std::span<const std::string> capabilities);

} // namespace heddle::runtime::vulkan
