#pragma once
// SPIRV-Tools for tests and dumps: is a module valid for Vulkan 1.2, and what does it say.

#include <cstddef>
#include <span>
#include <string>

namespace heddle::codegen::spirv {

/// The validator's message; empty if the module is valid.
std::string validate(std::span<const std::byte> code);
/// Assembly, one instruction a line.
std::string disassemble(std::span<const std::byte> code);

} // namespace heddle::codegen::spirv
