#pragma once
// How the invocations of a block that share a reduction join their states, whatever the reduction is.

#include "passes/lower/reducer.h"

#include <map>

namespace heddle::passes {

class Team {
public:
    Team(ir::KernelBuilder& kernel, u32 block, u32 subgroup)
        : kernel_(kernel), block_(block), subgroup_(subgroup) {}

    /// Joins with the lanes of a subgroup whose numbers differ in the bits from `low` to below `high`, both powers of two; the same in
    /// each. All lanes of the subgroup arrive together.
    std::vector<ir::NodeId> join_lanes(const Reducer& reducer, std::vector<ir::NodeId> state, u32 low,
                                       u32 high);
    /// Joins the states of all invocations of the block; the same in each. All arrive together.
    std::vector<ir::NodeId> join_block(const Reducer& reducer, std::vector<ir::NodeId> state);
    /// Makes the shared memory that `join_block` needs here, also for reductions in loops, and that they share it.
    void reserve(const Reducer& reducer);

private:
    /// For the states of all subgroups: the `number`-th array of that dtype.
    ir::NodeId scratch(Dtype dtype, u32 number);
    std::vector<ir::NodeId> scratch_for(std::span<const ir::NodeId> state);
    std::vector<ir::NodeId> join_subgroups(const Reducer& reducer, std::vector<ir::NodeId> state);

    ir::KernelBuilder& kernel_;
    u32 block_, subgroup_;
    std::map<std::pair<Dtype, u32>, ir::NodeId> arrays_;
    bool reserved_ = false;
    u32 arrays_taken_ = 0; ///< by joins with arrays of their own
};

} // namespace heddle::passes
