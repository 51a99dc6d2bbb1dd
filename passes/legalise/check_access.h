#pragma once
// For tests: each load and store through a pointer parameter looks at its buffer's size first. What would fall outside is left out (a
// load gives its value for masked lanes, else zero) and noted in a report, a buffer that the kernel gets as one pointer more:
// i64 words, first the elements of each buffer, then for each access of the kernel an index that was outside, or `no_index`.
// Runs first, while accesses are few and whole, and only where Target::check_access asks for it.
//
//     before  %v = load %x[%i]
//     after   %n = load %report[0]; %w = cast %i : i64; %in = and (ge %w, 0), (lt %w, %n)
//             if not %in { store %w, %report[2] };  %v = load %x[%i] if %in else 0.0

#include "ir/function.h"
#include "ir/target.h"

#include <limits>
#include <string>
#include <vector>

namespace heddle::passes {

inline constexpr i64 no_index = std::numeric_limits<i64>::min();

/// One load or store of a kernel, and the pointer parameter that it goes through.
struct CheckedAccess {
    u32 pointer = 0;  ///< among the pointer parameters
    std::string what; ///< "store to %y0 at gelu.cpp:12"
};
/// Those of a kernel that is not legalised yet, in the order of the report's words.
std::vector<CheckedAccess> checked_accesses(const ir::Function& kernel);

/// Throws DeviceError where the target has no 64-bit integers.
ir::Function& check_access(ir::Function& kernel, const ir::Target& target);

} // namespace heddle::passes
