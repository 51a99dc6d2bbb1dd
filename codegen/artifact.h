#pragma once
// What code generation hands to the runtime, and the only thing the runtime knows of it.

#include "support/integers.h"

#include <array>
#include <cstddef>
#include <string>
#include <vector>

namespace heddle::codegen {

/// Machine code of one kernel, as it is kept in the cache: no pointers, no device objects.
struct Artifact {
    std::string name;            ///< of the kernel, and of its entry point unless `entry` has another
    std::vector<std::byte> code; ///< SPIR-V words, an object file, or .hir text (interpreter)
    u32 pointer_count = 0;       ///< the first parameters
    u32 parameter_bytes = 0;     ///< argument block, see ir::parameter_layout
    u32 scratch_bytes = 0;       ///< CPU: constant part of the scratch a thread needs
    u32 block = 1;               ///< GPU: invocations a block
    u32 subgroup = 0;            ///< GPU: required subgroup size, 0 for any
    u32 shared_bytes = 0;
    // ---- GPU, of code that the user made, which is not kept on disk
    std::string entry;
    std::array<u32, 3> local{};            ///< invocations along x, y and z: `block` of them
    std::vector<std::string> capabilities; ///< of SPIR-V, all that the module declares: `Float64`
};

} // namespace heddle::codegen
