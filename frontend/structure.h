#pragma once
// Functions as keys: what a function computes, as words, without names and places. Two functions with equal words are one.

#include "ir/function.h"

#include <vector>

namespace heddle::detail {

/// Appends all of a function or kernel: parameters, nodes, regions, attributes, facts. Types, attributes and size expressions are
/// written out where they first occur.
void append_structure(const ir::Function& function, std::vector<u64>& words);

} // namespace heddle::detail
