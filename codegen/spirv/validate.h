#pragma once
// SPIRV-Tools for tests and dumps: is a module valid for Vulkan 1.2, and what does it say.

#include <cstddef>
#include <span>
#include <string>

namespace heddle::codegen::spirv {

/// Why the SPIRV-Tools of this build cannot judge the module: it is older than an extension that Heddle uses. Empty if it can.
std::string not_judged(std::span<const std::byte> code);
/// The validator's message; empty if the module is valid. Where SPIRV-Tools is too old to judge bf16, f16 stands for it.
std::string validate(std::span<const std::byte> code);
/// Assembly, one instruction a line. Where SPIRV-Tools is too old to read bf16, f16 stands for it under the name `bfloat16`, and the first
/// line says so.
std::string disassemble(std::span<const std::byte> code);

} // namespace heddle::codegen::spirv
