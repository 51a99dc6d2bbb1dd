#pragma once
// The last step of fusion, for GPUs: groups over small arrays that read each other become the stages of one kernel. A block of
// invocations runs all of them, one after another with a barrier between, for one place along the axes that all have in common
// (none: one block does everything); what one stage makes and a later one reads lies in the block's shared memory. The later one
// may read it at any place: other elements of a row, as products and stencils do, which a group alone cannot.
//
//     before  group 0 column [64, reduced 64, 64] -> %a     group 1 column [64, reduced 64, 64] -> %b, which reads a row of %a
//     after   group 0 chain [64] -> %b: block i makes row i of %a in shared memory, and from that row i of %b
//
// On a CPU a launch costs no more than a barrier between threads, and groups alone keep the blocking of products: it has no chains.

#include "passes/fuse/staged.h"

namespace heddle::passes {

/// Replaces runs of small groups by chains where that pays. What a block does has to be known: only the axes in common may have a
/// size that is not a constant. Near linear in the number of groups.
void form_chains(const ir::Function& function, const ir::Target& target, Fusion& fusion);

/// Cost of a node's arithmetic for one element, that of its region included.
u32 arithmetic_of(const ir::Function& function, ir::NodeId node);

} // namespace heddle::passes
