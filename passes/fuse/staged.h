#pragma once
// Values of a chain in shared memory: how they lie there, and which of them share an array because one is read for the last time before
// the other is made.

#include "passes/fuse/fusion.h"

namespace heddle::passes {

/// One array in shared memory; several values have it in turn.
struct SharedArray {
    Dtype dtype; ///< of its elements there, see staged_as
    i64 count;
    u32 last_read; ///< stage after which it is free
};

struct SharedPlan {
    std::vector<SharedArray> arrays;
    std::vector<u32> array_of; ///< by position in `staged`
    u64 bytes = 0;
};

/// Where staged values lie: each in the first array of its dtype that no stage from its own on reads.
SharedPlan shared_plan(const ir::Function& function, std::span<const StagedValue> staged);

/// For each axis of the value's shape, whether a block has more than one place along it.
std::vector<bool> axes_in_block(const ir::Function& function, const StagedValue& staged);

/// Narrow values lie in shared memory as words: what computes with them may have no storage of their own there.
Dtype staged_as(Dtype dtype);

} // namespace heddle::passes
