#pragma once
// What the tuner may try in place of a schedule: a bounded neighbourhood of it. Parameters are doubled and halved, and other kinds of
// schedule that suit the group stand beside it.

#include "passes/lower/group_lowering.h"

namespace heddle::passes {

/// Schedules that the group can have on its target, nearest first, `chosen` not among them. `extents`: the values of the domain's extents.
/// Conditions on sizes are the kernels' own.
std::vector<Schedule> neighbours(const GroupLowering& lowering, const Schedule& chosen,
                                 std::span<const i64> extents);

} // namespace heddle::passes
