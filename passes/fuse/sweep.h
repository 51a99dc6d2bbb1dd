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
    std::vector<ir::NodeId> loads;  ///< arguments, constants and other groups' values that it reads, sorted
    std::vector<ir::NodeId> stores; ///< results and values that other groups read, sorted
    bool read_outside = false;
};

/// Most buffers that fusion lets one kernel bind, and most of those that it writes. A value with more readers outside than expected
/// may still go beyond: kernels are right with any number, but slower, and devices have limits of their own.
constexpr std::size_t most_buffers = 24;
constexpr std::size_t most_outputs = 8;

struct SweepResult {
    std::vector<SweepGroup> groups;
    std::vector<GroupId> group_of; ///< by node; invalid for free nodes, views and parameters
    std::vector<FusionCut> cuts;
};

SweepResult sweep(const ir::Function& function);

/// The kept shape of a row or column group.
std::vector<ir::DimId> kept_shape(std::span<const ir::DimId> domain, const std::vector<bool>& reduced);

} // namespace heddle::passes
