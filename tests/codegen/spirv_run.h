#pragma once
// Runs a test kernel on the Vulkan device: legalised, emitted, validated, launched; arguments and grid from its size expressions.

#include "runtime/device.h"
#include "tests/codegen/spirv_kernels.h"

#include <map>
#include <string>
#include <vector>

namespace heddle::codegen::testing {

/// The device of this process; the test that asks for it fails where there is none.
runtime::Device& vulkan_device();
/// Its subgroup size.
u32 device_subgroup();

using Bytes = std::vector<std::byte>;

/// `buffers` in order of the pointer parameters, overwritten with what the kernel left there; `sizes` by symbol. Compiled for `target`,
/// which the device can run.
void run(TestKernel& kernel, std::vector<Bytes*> buffers, const std::map<std::string, i64>& sizes,
         const ir::Target& target = vulkan_device().info().target);

template <class T> Bytes bytes_of(const std::vector<T>& values) {
    const auto raw = std::as_bytes(std::span(values));
    return {raw.begin(), raw.end()};
}
template <class T> std::vector<T> values_of(const Bytes& bytes) {
    std::vector<T> values(bytes.size() / sizeof(T));
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<std::byte*>(values.data()));
    return values;
}

} // namespace heddle::codegen::testing
