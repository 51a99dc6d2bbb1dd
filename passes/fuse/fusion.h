#pragma once
// The result of fusion: which values live in memory, and which kernel makes them. A value is *realised* (stored by its group, loaded by
// every other one) or not, and then it is computed where it is read, at whatever index the reader asks for. So a group is
// told by its domain, its reductions and the values it stores; everything else follows by evaluating those.
//
// Shapes are compared without their unit axes. Group kinds:
//   pointwise  domain = the shape; any number of outputs
//   row        domain = kept x reduced axes, the innermost axis reduced; several reductions over the same axes, values before and after
//   column     likewise, the innermost axis kept; no value after a reduction that is spread over the reduced axes again
//   custom     one `custom` op and its results; nothing joins it, and what it reads and makes is in memory
//   chain      several small groups, the stages of one kernel (chain.h); domain = the axes along which blocks lie

#include "ir/function.h"
#include "ir/target.h"

#include <string>
#include <vector>

namespace heddle::passes {

using GroupId = Id<struct GroupTag>;

enum class GroupKind : u8 { pointwise, row, column, custom, chain };

/// Why a value is in memory although a reader could have computed it.
enum class CutReason : u8 {
    domain,        ///< the two work on different shapes
    axes,          ///< reductions over different axes
    grid_sync,     ///< needs elements that another block makes
    random_access, ///< read at run-time indices
    stage,         ///< another operand of the reader is made later
    recompute,     ///< computing it again costs more than memory does
    column_chain,  ///< a column reduction read back at full size
    custom,        ///< made or read by a kernel of the user's
    limit_nodes,
    limit_buffers,
    limit_outputs,
    frozen, ///< rescored too often
    fuel,   ///< the bound on repeated work is used up
};
std::string_view name_of(CutReason reason);
std::string_view name_of(GroupKind kind);

/// A value of a chain that a later stage reads from shared memory.
struct StagedValue {
    ir::NodeId value;
    u32 made, last_read;       ///< numbers of stages
    std::vector<u32> parallel; ///< its axes without unit axes, those of the chain's domain
};

struct Group {
    GroupKind kind = GroupKind::pointwise;
    std::vector<ir::DimId> domain;   ///< extents, unit axes left out
    std::vector<bool> reduced;       ///< by domain axis
    u32 depth = 0;                   ///< groups read only from groups of lower depth
    std::vector<ir::NodeId> nodes;   ///< computed here at the domain's own index, in order
    std::vector<ir::NodeId> outputs; ///< those that are stored, in order

    // ---- chains
    std::vector<Group> stages;       ///< groups of the other kinds, in the order in which they run
    std::vector<StagedValue> staged; ///< in the order in which they are made
    std::vector<u32> parallel;       ///< of a stage: which of its axes those of the chain's domain are
};

struct FusionCut {
    ir::NodeId producer, consumer;
    CutReason reason;
};

struct Fusion {
    std::vector<Group> groups;   ///< in an order in which they can run: by depth, then by first node
    std::vector<bool> realised;  ///< by node: in memory, or in shared memory for the stages of a chain
    std::vector<bool> free;      ///< by node: `free_nodes`
    std::vector<FusionCut> cuts; ///< one for each edge that goes through memory
};

/// Fuses a function on which the passes up to `views` have run.
Fusion fuse(const ir::Function& function, const ir::Target& target);

/// `group 0 row [?n | ?m] %a %b -> %y` a line, and the cuts with their reasons.
std::string print(const ir::Function& function, const Fusion& fusion);

// ---- shared by fusion and lowering

/// A node whose value depends on the position alone (constants, iota, dim and arithmetic on them): computed wherever it is read, also
/// where it lies in memory, except by gathers at run-time indices and by kernels of the user's.
std::vector<bool> free_nodes(const ir::Function& function);
/// Extents without unit axes, and how many they are.
std::vector<ir::DimId> squeeze(const ir::Module& module, std::span<const ir::DimId> shape);
std::size_t squeezed_rank(const ir::Module& module, std::span<const ir::DimId> shape);

} // namespace heddle::passes
