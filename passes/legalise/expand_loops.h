#pragma once
// Loops that ask for it are written out. `interleave = k`: k independent copies of the carried values, so that their latency overlaps;
// whole groups of k steps first, copies joined pairwise by `combine`, then the steps that are left. The values carried in must be
// the identity of `combine`. `unroll = full`: constant bounds, each step in turn.
//
//     before  %s = for %i in 0 .. %n step 16 (%a = 0.0) {combine = [add], interleave = 2} { ... yield %b }
//     after   %p, %q = for %i in 0 .. %m step 32 (%a = 0.0, %c = 0.0) { ... at %i ...; ... at %i + 16 ...; yield %b, %d }
//             %r = add %p, %q; %s = for %i in %m .. %n step 16 (%a = %r) { ... }

#include "ir/function.h"
#include "ir/target.h"

namespace heddle::passes {

ir::Function& expand_loops(ir::Function& kernel, const ir::Target& target);

} // namespace heddle::passes
