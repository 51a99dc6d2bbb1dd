#pragma once
// For Mesa's software driver (`Target::folds_zeros`): constants of float arithmetic that it would fold wrongly are made from something that it
// cannot see through. Its generator of machine code takes x + 0 for x, 0 * x and 0 / x for 0 and x / inf for x * 0, whatever the
// modes and decorations of the module ask for, so that -0 + 0 gives -0 and nan * 0 gives 0. The starts of loops count, since it
// writes short loops out. The invocation's number n serves: n (n + 1) is even, which no analysis of ranges finds.
//
//     before  %y = mul %x, 0.0
//     after   %n = thread_index; %m = add %n, 1; %e = mul %n, %m; %b = and %e, 1   -- 0, as u32
//             %z = bitcast %b : f32; %y = mul %x, %z

#include "ir/function.h"
#include "ir/target.h"

namespace heddle::passes {

ir::Function& hide_zeros(ir::Function& kernel, const ir::Target& target);

} // namespace heddle::passes
