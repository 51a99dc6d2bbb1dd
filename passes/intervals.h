#pragma once
// What is known of the values of a kernel's nodes without running it: a conservative interval for each number, from
// constants, dtypes and the ranges of functions. NaN is outside of every interval and may always occur.

#include "ir/function.h"
#include "passes/math/expansion.h"

#include <vector>

namespace heddle::passes {

/// One interval for each node, by id; of nodes that are no numbers (memory, tuples) it says nothing.
std::vector<math::Interval> find_intervals(const ir::Function& kernel);

} // namespace heddle::passes
