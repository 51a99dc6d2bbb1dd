#pragma once
// A choice between the constants 1 and 0 keeps the sign of its zero: Mesa takes 0.0 and -0.0 for one number when it turns such a select into
// a conversion of the condition (`bcsel(c, -1.0, 0.0)` becomes `-b2f(c)`, which gives -0.0). Through an integer nothing is lost.
//
//     before  %y = select %c, -1.0, 0.0
//     after   %i = select %c, -1, 0 : i32; %y = cast %i : f32

#include "ir/function.h"
#include "ir/target.h"

namespace heddle::passes {

ir::Function& signed_selects(ir::Function& kernel, const ir::Target& target);

} // namespace heddle::passes
