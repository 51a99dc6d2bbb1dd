#pragma once
// Kernels written by hand for tests of the Vulkan runtime, so that they need no emitter.

#include "codegen/artifact.h"
#include "runtime/device.h"
#include "runtime/device_options.h"

#include <string>

namespace heddle::runtime::testing {

/// SPIR-V of assembly text; the test stops with the assembler's message, or the validator's, when it is wrong.
std::vector<std::byte> assemble(const std::string& text, bool validated = true);

/// y[i] = a[i] + b[i] over f32, i < n. Arguments: a, b, y, n; `padding` more bytes follow, and where that makes the block longer than
/// 128 bytes the kernel reads it through one pushed pointer. With `descriptors` pointer k is binding k, and a long block binding 3.
codegen::Artifact add_kernel(u32 padding = 0,
                             bool descriptors = DeviceOptions::from_environment().descriptors);
/// The same with a required subgroup size.
codegen::Artifact add_kernel_with_subgroup(u32 subgroup);

/// A launch of add_kernel. `y` may be `a` or `b`.
Launch add_launch(const ExecutableRef& add, const BufferRef& a, const BufferRef& b, const BufferRef& y,
                  u32 count, u32 padding = 0);

} // namespace heddle::runtime::testing
