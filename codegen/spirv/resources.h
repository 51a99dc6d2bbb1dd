#pragma once
// What a valid module asks of whoever runs it: capabilities, push constants, descriptors, shared memory. Read from SPIR-V that somebody else
// made, so that what does not fit is an error with a name rather than whatever a driver makes of it.

#include "support/integers.h"

#include <span>
#include <string>
#include <vector>

namespace heddle::codegen::spirv {

struct Binding {
    u32 set = 0;
    u32 number = 0;
    bool is_storage_buffer = false; ///< one, rather than an array of them or something else
};

struct Resources {
    std::vector<std::string> capabilities; ///< `Float64`; by its number if no kernel of ours could have it
    std::vector<u32>
        push_bytes; ///< of each block of push constants: a module of several entry points may have several
    std::vector<Binding> bindings;
    u32 shared_bytes = 0; ///< of all variables that a workgroup shares
};

/// Of a module that the validator accepts. Array lengths that specialisation decides count as they are written.
Resources resources_of(std::span<const u32> words);

} // namespace heddle::codegen::spirv
