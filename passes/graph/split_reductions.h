#pragma once
// Long reductions with few results become two: over chunks of a reduced axis, then over the chunks, so that there is work for every
// core. The chunk's length depends on the graph alone, so results do not depend on the number of threads; sums gain
// accuracy by it. Elements past the end of the last chunk read as the reduction's identity.
//
//     before  %s = sum %x {axes = [0]} : f32[]                                                        x: f32[?n]
//     after   %c = view %x[d0, d1 -> d0 * 16384 + d1 where ... else 0.0] : f32[(?n + 16383) / 16384, 16384]
//             %p = sum %c {axes = [1]} : f32[(?n + 16383) / 16384]; %s = sum %p {axes = [0]} : f32[]

#include "ir/function.h"

namespace heddle::passes {

ir::Function& split_reductions(ir::Function& function);

/// Of each reduction that is split only because its length may be large: that it is not (`?n <= 65535`). Where all hold, the function is better
/// left whole: a softmax of one short row is one kernel. Empty where no size decides.
std::vector<ir::Fact> short_lengths(const ir::Function& function);

} // namespace heddle::passes
