#pragma once
// Integer arithmetic with an answer for every operand: x / 0 = 0, x rem 0 = 0, MIN / -1 = MIN with remainder 0, shift counts that
// are negative or not below the width give 0 (an arithmetic right shift the sign). floor_divide and remainder come from the
// truncated quotient, power from repeated squaring; on a GPU so does the signed remainder, which Vulkan does not define for negative operands. A divisor or count that is a harmless constant needs no guard. Index
// arithmetic, whose operands are sizes and places, is left as it is.
//
//     before  %q = div %a, %b : i32
//     after   %z = eq %b, 0; %m = eq %b, -1; %u = or %z, %m; %s = select %u, 1, %b; %d = div %a, %s;
//             %n = neg %a; %e = select %m, %n, %d; %q = select %z, 0, %e

#include "ir/function.h"
#include "ir/target.h"

namespace heddle::passes {

ir::Function& expand_integer(ir::Function& kernel, const ir::Target& target);

} // namespace heddle::passes
