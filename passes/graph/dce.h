#pragma once
// Drops nodes that no result needs: what earlier passes left behind when they read past them.
//
//     before  %a = view %x[...] : f32[?n]; %b = view %x[...] : f32[?n]; return %b
//     after   %b = view %x[...] : f32[?n]; return %b

#include "ir/function.h"

namespace heddle::passes {

ir::Function& dce(ir::Function& function);

} // namespace heddle::passes
