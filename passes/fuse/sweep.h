#pragma once
// The first half of fusion: one walk over the nodes in order that joins each to a group of its operands wherever that repeats
// no work. Groups are union-find sets with a depth, and every edge between groups goes to a strictly greater depth,
// so no cycle can arise and none is searched for.

#include "passes/fuse/edges.h"

namespace heddle::passes {

struct SweepGroup {
    GroupKind kind = GroupKind::pointwise;
    std::vector<ir::DimId> domain;
    std::vector<bool> reduced;
    u32 depth = 0;
    std::vector<ir::NodeId> nodes;
    bool read_outside = false;
};

struct SweepResult {
    std::vector<SweepGroup> groups;
    std::vector<GroupId> group_of; ///< by node; invalid for free nodes, views and parameters
    std::vector<FusionCut> cuts;
};

SweepResult sweep(const ir::Function& function);

/// The kept shape of a row or column group.
std::vector<ir::DimId> kept_shape(std::span<const ir::DimId> domain, const std::vector<bool>& reduced);

} // namespace heddle::passes
