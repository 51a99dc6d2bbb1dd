#pragma once
// What a kernel reads from global memory, counted from its loads: the figure that says whether fusion reads each input once.

#include "ir/function.h"

#include <span>

namespace heddle::passes {

/// Bytes that one launch loads through pointer parameters, for these values of the module's symbols. Masks and conditions on positions
/// are followed; what depends on data counts as taken. Blocks between the first and the last of a grid axis count as the
/// first, iterations between the first and the last of a long loop likewise, as schedules make them.
u64 loaded_bytes(const ir::Function& kernel, std::span<const i64> symbols);

} // namespace heddle::passes
