#pragma once
// The second half of fusion: values in memory that are cheaper to compute where they are read. Candidates are taken by benefit
// (bytes saved minus bytes and arithmetic paid) from a queue; each is rescored a bounded number of times and all copies
// draw on one fuel, so the whole is near linear in the function.

#include "passes/fuse/sweep.h"

namespace heddle::passes {

/// `realised` says for each node whether the sweep left it in memory; values that get inlined are cleared, kept values that
/// become needed in memory are set. Adds a cut for each value that stays, with the reason.
void rematerialise(const ir::Function& function, const ir::Target& target, const SweepResult& swept,
                   std::vector<bool>& realised, std::vector<FusionCut>& cuts);

} // namespace heddle::passes
