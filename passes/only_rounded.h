#pragma once
// Which values need no more than a 16-bit float can show: all that becomes of them is rounded to f16 or bf16. On the way there may be
// products, quotients, changes of sign, and sums of what is not negative: there relative errors add up, but never grow by cancellation. The
// way may go round loops, through arrays and to other invocations: so it is for the exponentials of a softmax, their sum and the quotients.

#include "ir/function.h"
#include "passes/math/expansion.h"

#include <span>
#include <vector>

namespace heddle::passes {

/// For each node, by id: is every use of it on a way to a cast to f16 or bf16? `intervals` are those of `find_intervals`.
std::vector<bool> find_only_rounded(const ir::Function& kernel, std::span<const math::Interval> intervals);

} // namespace heddle::passes
