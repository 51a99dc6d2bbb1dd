#pragma once
// A first look at SPIR-V that somebody else made: is it a module at all, and what does its entry point say of itself. What the validator
// checks (validate.h), and what the module asks for (resources.h), come after this.

#include "support/integers.h"

#include <array>
#include <span>
#include <string>
#include <string_view>

namespace heddle::codegen::spirv {

struct EntryPoint {
    std::array<u32, 3> local{};    ///< invocations of a workgroup along x, y and z
    bool buffer_addresses = false; ///< the module has pointers to buffers
};

/// The compute entry point of that name. UsageError with what is wrong: no SPIR-V, a version above 1.5, instructions that do not
/// fit, no such entry point, a workgroup whose size is not written in the module.
EntryPoint inspect(std::span<const u32> words, std::string_view entry);

} // namespace heddle::codegen::spirv
