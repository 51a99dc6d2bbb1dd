#pragma once
// What the specification leaves to the driver and no property tells, tried out with one small kernel when a device is opened.

#include "runtime/device.h"

#include <span>
#include <vector>

namespace heddle::runtime::vulkan {

struct ProbeResult {
    bool fused_fma = false;        ///< `Fma` rounds once
    bool keeps_subnormals = true;  ///< of f32, as the result of a product
    bool flushes_operands = false; ///< of a product of f32, which are subnormal, to zero
    bool rounds_to_even = false;   ///< f32 sums, without being asked to
};

ProbeResult probe(Device& device);

/// Whether a device with VK_KHR_shader_bfloat16 rounds f32 to bf16 to nearest even; the specification would let it round toward zero. NaN has
/// to stay NaN. `may_flush`: subnormals may become zero, as in the device's arithmetic.
bool rounds_to_bfloat(Device& device, bool may_flush);

/// What that tries: an even number of floats, as bits.
std::vector<u32> bfloat_inputs();
/// Whether it saw what it should: for each pair of inputs a word with both, rounded, and one with the first.
bool are_right_bfloats(std::span<const u32> in, std::span<const u32> out, bool may_flush);

} // namespace heddle::runtime::vulkan
