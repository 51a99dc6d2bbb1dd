#pragma once
// Which values and which control flow are the same for all invocations of a block or a subgroup. A barrier in control flow
// that some invocations leave out never ends on a GPU, so the verifier asks.

#include "ir/function.h"

#include <vector>

namespace heddle::ir {

/// Ordered: what is the same in a block is the same in each subgroup.
enum class Uniform : u8 { block, subgroup, varying };

struct Uniformity {
    std::vector<Uniform> values;  ///< by node
    std::vector<Uniform> control; ///< by region: for whom it is entered (and iterated) alike
};

/// Uniform are constants, parameters, grid indices, results of block (subgroup) operations, loads at a uniform address from
/// memory that invocations share, and what is computed from those. Conservative.
Uniformity uniformity(const Function& kernel);

} // namespace heddle::ir
