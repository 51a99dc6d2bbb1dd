#pragma once
// What the specification leaves to the driver and no property tells, tried out with one small kernel when a device is opened.

#include "runtime/device.h"

namespace heddle::runtime::vulkan {

struct ProbeResult {
    bool fused_fma = false;       ///< `Fma` rounds once
    bool keeps_subnormals = true; ///< of f32, in a product
    bool rounds_to_even = false;  ///< f32 sums, without being asked to
};

ProbeResult probe(Device& device);

} // namespace heddle::runtime::vulkan
