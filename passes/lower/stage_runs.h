#pragma once
// Stages of a chain that are the same code: they compute the same of the same arguments, from and to the same arrays in shared memory.
// A run of stages that repeats goes into a loop, so that a kernel does not grow with the number of steps that it takes.
//
//     50 times x = tanh(x @ w)  ->  {0}, {1, 2} 24 times, {49}: two arrays in turn, the first stage reads the argument, the last writes the result

#include "passes/fuse/staged.h"

namespace heddle::passes {

struct StageRun {
    u32 first, length; ///< stages
    u32 times;         ///< that they follow one another
};

/// All stages of the chain, in order.
std::vector<StageRun> stage_runs(const ir::Function& function, const Fusion& fusion, const Group& chain,
                                 const SharedPlan& shared);

} // namespace heddle::passes
