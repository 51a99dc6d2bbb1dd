#pragma once
// Masked accesses become branches, gathers and scatters element accesses: SPIR-V has neither. A scalar mask guards the whole access. Under
// a vector mask the access stays whole where all its lanes are set, which only the last vector of a row is not;
// else each lane goes by itself.
//
//     before  %v = load %x[%i] if %in else 0.0 : f32<4>
//     after   %v = if %in : f32<4> { %a = load %x[%i] : f32<4>; yield %a } else { %z = splat 0.0 : f32<4>; yield %z }

#include "ir/function.h"
#include "ir/target.h"

namespace heddle::passes {

ir::Function& lower_predicates(ir::Function& kernel, const ir::Target& target);

} // namespace heddle::passes
