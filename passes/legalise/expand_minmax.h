#pragma once
// minimum and maximum as a comparison and a select, with NaN kept: whichever operand is NaN is the result. The sign of a zero
// result is unspecified. bool: and, or.
//
//     before  %m = maximum %a, %b : f32<16>
//     after   %g = gt %a, %b; %n = ne %a, %a; %t = or %g, %n; %m = select %t, %a, %b

#include "ir/function.h"
#include "ir/target.h"

namespace heddle::passes {

ir::Function& expand_minmax(ir::Function& kernel, const ir::Target& target);

} // namespace heddle::passes
