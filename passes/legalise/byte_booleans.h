#pragma once
// In buffers a bool is a byte, 0 or 1, which shaders may not load as a bool.
//
//     before  %b = load %m[%i] : bool
//     after   %p = bitcast %m : ptr<u8>; %u = load %p[%i] : u8; %b = cast %u : bool

#include "ir/function.h"
#include "ir/target.h"

namespace heddle::passes {

ir::Function& byte_booleans(ir::Function& kernel, const ir::Target& target);

} // namespace heddle::passes
