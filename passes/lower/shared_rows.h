#pragma once
// Rows that one block's registers do not hold, shared by several blocks, so that each element is loaded once. Each block holds a part of
// its row, joins it as far as it goes, publishes its states of a phase's reductions, awaits those of the row's other blocks, and joins
// all of them, in a fixed order, before it goes on.
//
// What is published are words of 64 bits, see part_states.h. Words begin as zeros: a step of its own clears them.
//
// Nothing waits forever. A block awaits a word a bounded number of times; what has not come by then it computes itself, from memory, the
// same way and to the same bits as the block that was to publish it, and publishes it. So the results depend neither on which
// blocks run at the same time nor on how fairly, no block can lock another out, and kernels of several streams may overlap at
// will. Only the time depends on it, hence rows are shared where the target says how many blocks run at once (Target::resident_blocks),
// and by no more than a quarter of those, unless a schedule is forced: then by up to half of them.

#include "passes/lower/reducer.h"
#include "passes/lower/schedule.h"

namespace heddle::passes {

/// Elements that an invocation holds of a shared row; of one that is whole parts of twice as many, twice as many.
inline constexpr u32 shared_elements = 32;

struct SharedRows {
    std::vector<u32> blocks; ///< sizes of a block to choose from, smallest first
    u32 parts;               ///< blocks of a row that the compiler chooses, at most
    u32 most_parts;          ///< that may share one
    u32 smallest_part;       ///< elements that a block holds, at least
    ir::DimId longer_than;   ///< what a single block holds is not shared
    ir::DimId words;         ///< of 64 bits, for all rows; 0 where the sizes say that no row is shared
};

/// Whether the rows of the group can be shared and are worth it: those with several phases, which would load twice.
std::optional<SharedRows> shared_rows_of(const KernelSource& source);

/// A kernel with one pointer, which sets that many words to zero.
Kernel lower_clear_gpu(const KernelSource& source, const std::string& name, ir::DimId words);

} // namespace heddle::passes
