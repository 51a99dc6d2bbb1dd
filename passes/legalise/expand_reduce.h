#pragma once
// Reductions between invocations become shuffles and shared memory, in a tree that the kernel's block and subgroup sizes fix: the
// same bits on every run, NaN where an operand is one (a native reduction promises neither).
//
//     before  %s = subgroup_reduce %v {op = add}                       (subgroups of 4)
//     after   %a = subgroup_shuffle_xor %v {mask = 2}; %b = add %v, %a; %c = subgroup_shuffle_xor %b {mask = 1}; %s = add %b, %c
//
// block_reduce: the first lane of each subgroup leaves its sum in the scratch; behind a barrier every subgroup joins all of them the
// same way, and where the scratch is used again a second barrier lets it be. Where subgroups have one lane (the device cannot shuffle) the scratch
// holds a value for each invocation, and the tree runs in it.

#include "ir/function.h"
#include "ir/target.h"

namespace heddle::passes {

ir::Function& expand_reduce(ir::Function& kernel, const ir::Target& target);

} // namespace heddle::passes
