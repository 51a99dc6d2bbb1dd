#pragma once
// The schedules that a group can have: one check for those that the compiler chooses, those that a user forces and those that the tuner
// tries, and one way from a schedule to a kernel.

#include "passes/lower/reducer.h"
#include "passes/lower/schedule.h"

namespace heddle::passes {

class GroupLowering {
public:
    explicit GroupLowering(KernelSource source);
    GroupLowering(const GroupLowering&) = delete;
    GroupLowering& operator=(const GroupLowering&) = delete;

    const KernelSource& source() const { return source_; }
    /// What loads of the group ask for, on a GPU.
    const std::optional<TileShape>& tile() const { return tile_; }
    const std::optional<StencilShape>& stencil() const { return stencil_; }
    /// Elements of a GPU's access: 16 bytes of the narrowest dtype that the group reads or writes, and no more than two accesses of the widest.
    u32 widest_access() const;
    /// Of the states of the group's reductions in shared memory, for one column.
    u32 state_bytes() const;

    /// Why neither the group nor its target can have the schedule, whatever the sizes; empty: they can.
    std::string refusal(const Schedule& schedule) const;
    /// What the schedule asks of sizes.
    void ask(const Schedule& schedule, const Ask& ask) const;
    /// The kernel, with the conditions on sizes under which it may run. UsageError where it is refused.
    Kernel lower(const Schedule& schedule, const std::string& name) const;

private:
    std::string refusal_on_cpu(const Schedule& schedule) const;
    std::string refusal_on_gpu(const Schedule& schedule) const;
    TileShape tile_with(const Schedule& schedule) const;
    StencilShape stencil_with(const Schedule& schedule) const;

    KernelSource source_;
    std::optional<TileShape> tile_;
    std::optional<StencilShape> stencil_;
};

/// True if a condition of the kernel holds for no sizes.
bool never_runs(const Kernel& kernel);

} // namespace heddle::passes
