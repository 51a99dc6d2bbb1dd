#pragma once
// Which schedules a group gets, before any of them is lowered.

#include "passes/lower/group_lowering.h"

namespace heddle::passes {

/// Those that suit the group's target, in the order in which a launch tries them; the last one has no condition, unless the driver leaves
/// loops early. `custom` groups have a lowering of their own, custom.h. A schedule that is forced on the kernel stands before the
/// chosen ones; UsageError if it is for this kernel, which cannot have it. The variants refer to `lowering`.
std::vector<Variant> variants_of(const GroupLowering& lowering, const std::string& name,
                                 std::span<const ForcedSchedule> forced = {});

} // namespace heddle::passes
