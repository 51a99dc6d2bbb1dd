#pragma once
// Comparisons of widened integers in their own width: cheaper where 64-bit arithmetic is slow, and Mesa's software driver gives false
// for `lt(cast x : i64, 1)` when a select of a 32-bit value uses it.
//
//     before  %a = cast %i : i64; %c = lt %a, 1
//     after   %c = lt %i, 1

#include "ir/function.h"
#include "ir/target.h"

namespace heddle::passes {

ir::Function& narrow_compare(ir::Function& kernel, const ir::Target& target);

} // namespace heddle::passes
