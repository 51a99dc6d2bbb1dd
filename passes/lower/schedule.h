#pragma once
// One function a schedule: each makes a kernel variant for a group. variants.h lists those that suit a group and its target.

#include "passes/lower/evaluator.h"
#include "passes/lower/phases.h"
#include "passes/plan.h"

#include <functional>
#include <string>

namespace heddle::passes {

/// True if a condition is one between constants that does not hold.
bool can_never_hold(const ir::Dims& dims, std::span<const ir::Fact> conditions);

/// A kernel in the making: its module and what writes it.
struct KernelDraft {
    KernelDraft(const KernelSource& source, std::string name);
    /// On a GPU with indices of 32 bits the kernel gets the conditions of index_width.h.
    Kernel finish(ir::KernelInfo info);
    /// True once a condition can never hold: what is drafted then need not be written out.
    bool never_runs();
    /// Asks that 32 bits hold the indices used so far, for the evaluator's present source.
    void require_narrow_indices();

    Kernel kernel;
    Evaluator evaluator;
    std::vector<ir::Fact> conditions; ///< over the sizes of the graph's module
};

/// Told what a schedule asks of sizes, one condition after another. What a kernel states is asked here first, so that whoever chooses
/// among schedules need not lower those whose sizes do not fit.
using Ask = std::function<void(ir::DimId left, ir::Relation relation, ir::DimId right)>;

// ---- CPU: one call covers a range of grid indices
/// Domain flattened; the innermost axis in chunks. `stream`: for outputs larger than the last-level cache.
void ask_pointwise_cpu(const KernelSource& source, const Schedule& schedule, const Ask& ask);
Kernel lower_pointwise_cpu(const KernelSource& source, const std::string& name, const Schedule& schedule);
/// A row a grid index, one vector loop a phase. `carry`: values that later phases need stay in scratch memory, so that each input
/// is loaded once. `stream`: as for pointwise.
void ask_row_cpu(const KernelSource& source, const Schedule& schedule, const Ask& ask);
Kernel lower_row_cpu(const KernelSource& source, const std::string& name, const Schedule& schedule);
/// Blocks of columns held in registers, rows one after another.
Kernel lower_column_cpu(const KernelSource& source, const std::string& name, const Schedule& schedule);

// ---- GPU: what one invocation does, with indices of 32 or 64 bits
/// A vector of places a thread along the innermost axis, which they must divide.
void ask_pointwise_gpu(const KernelSource& source, const Schedule& schedule, const Ask& ask);
Kernel lower_pointwise_gpu(const KernelSource& source, const std::string& name, const Schedule& schedule);
/// A load that goes through shared memory.
struct StagedAccess {
    Access access;
    std::vector<ir::DimId>
        mirrored{}; ///< index of the load of the same place across the diagonal; empty: none
};
/// Tiles of a pointwise group some of whose loads go element by element along another axis than its outputs.
struct TileShape {
    u32 axis; ///< along which those loads go
    std::vector<StagedAccess> staged{};
    bool mirror =
        false; ///< a block takes two tiles, on both sides of the diagonal, so that what both read is loaded once
    u32 places = 0; ///< of a tile, along both axes
    u32 threads = 256;
    u32 index_bits = 32;
    u32 element_bytes = 0; ///< in shared memory, of one place of all staged loads
    u32 shared_bytes(u32 side) const { return element_bytes * (mirror ? 2 : 1) * side * (side + 1); }
};
/// The tiles that suit the group, if there are such loads and shared memory holds them.
std::optional<TileShape> tile_of(const KernelSource& source);
void ask_tile_gpu(const KernelSource& source, const TileShape& shape, const Ask& ask);
Kernel lower_tile_gpu(const KernelSource& source, const std::string& name, const TileShape& shape);
/// Whether the arithmetic of a pointwise group weighs about as much as its accesses, and its code is short: then an invocation that takes
/// several places has more to do while it waits.
bool takes_much_arithmetic(const KernelSource& source);
/// Such groups are for arrays that fill a machine with fewer invocations too.
inline constexpr i64 many_places = 1 << 20;
/// Rows that a thread of a pointwise group takes together, where what one reads another reads too.
struct StencilShape {
    u32 axis = 0; ///< along which they follow one another
    u32 rows = 4;
    bool repeats = true; ///< else they only share what does not move along the axis
    u32 vector = 1;      ///< elements of an access
    u32 threads = 256;
    u32 index_bits = 32;
    std::vector<Access> accesses{}; ///< all of the group
};
/// Threads of a block along the innermost axis.
inline constexpr u32 stencil_width = 32;
/// The axis along which most loads of the group are repeated, if any are.
std::optional<StencilShape> stencil_of(const KernelSource& source);
void ask_stencil_gpu(const KernelSource& source, const StencilShape& shape, const Ask& ask);
Kernel lower_stencil_gpu(const KernelSource& source, const std::string& name, const StencilShape& shape);
/// A chain: a block for each place along the axes that its stages have in common.
Kernel lower_chain_gpu(const KernelSource& source, const std::string& name, u32 index_bits);
/// The longest row, in elements, that a block holds in registers.
i64 longest_held_row(const KernelSource& source);
/// How the invocations of a block share its rows.
struct RowShape {
    u32 block; ///< invocations
    u32 team; ///< of them for a row: all, or a power of two within a subgroup, so that a block takes several rows
    u32 vector; ///< elements of an access
    bool held;  ///< a row in registers; else a loop over rows of any length that loads again in each phase
    bool
        exact; ///< rows, or what an iteration takes of them, are what a team takes: no step asks whether it lies inside
    u32 steps; ///< vectors of a row that each invocation holds, or takes in an iteration
    u32 index_bits;
    u32 most_parts =
        0; ///< blocks that share a row that none of them holds, at most; 0: a row is within a block
    u32 in_shared = 0; ///< of `steps`, with `held`: those whose vectors lie in shared memory
};
/// With vectors of one element the innermost axis need not be a reduced one.
void ask_row_gpu(const KernelSource& source, const RowShape& shape, const Ask& ask);
Kernel lower_row_gpu(const KernelSource& source, const std::string& name, const RowShape& shape);
/// A vector of columns a thread.
void ask_column_gpu(const KernelSource& source, const Schedule& schedule, const Ask& ask);
Kernel lower_column_gpu(const KernelSource& source, const std::string& name, const Schedule& schedule);
/// Long columns: a vector of columns a thread, many threads a column.
void ask_column_tile_gpu(const KernelSource& source, const Schedule& schedule, const Ask& ask);
Kernel lower_column_tile_gpu(const KernelSource& source, const std::string& name, const Schedule& schedule);

// ---- shared
/// Additions into one accumulator.
inline constexpr i64 chain_limit = 4096;
/// Elements of an f32 vector register.
u32 cpu_lanes(const ir::Target& target);
/// Adds the condition to the draft unless it follows from what holds of the graph's sizes and from earlier ones. One that cannot hold
/// becomes 1 <= 0.
void require(KernelDraft& draft, const KernelSource& source, ir::DimId left, ir::Relation relation,
             ir::DimId right);
/// What is asked becomes a condition of the draft.
inline Ask require_of(KernelDraft& draft, const KernelSource& source) {
    return [&](ir::DimId left, ir::Relation relation, ir::DimId right) {
        require(draft, source, left, relation, right);
    };
}
/// The variant is for sizes of which `size` is a multiple of `of`.
void ask_multiple(const KernelSource& source, ir::DimId size, i64 of, const Ask& ask);
/// Outputs that take more than half of so much cache: then they are written past it.
void ask_large_outputs(const KernelSource& source, u64 cache_bytes, const Ask& ask);
/// Where the driver leaves an invocation's loops after some number of iterations: the variant is for sizes that need no more than that,
/// but for a sixteenth, which is left to loops that the sizes do not reach.
void ask_few_iterations(const KernelSource& source, ir::DimId iterations, const Ask& ask);
/// Joined axes that are (not) reduced, outermost first.
std::vector<u32> axes_where(const Domain& domain, bool reduced);
/// Sets the values of `axes` from grid indices and gives the grid's extents for them: one grid axis each if they fit behind
/// `first` others, else folded into one.
std::vector<ir::DimId> grid_over(Evaluator& evaluator, std::span<const u32> axes, u32 first);
/// Blocks along the second and third axis of a grid that every device takes as it is; of more a block has to find its own place.
inline constexpr i64 grid_limit = 65535;
/// Appends the grid of a pointwise group's axes but `axis` and the innermost, which have the grid's first two.
void add_batch_grid(Evaluator& evaluator, u32 axis, ir::KernelInfo& info);
/// Sets the values of `axes` from one index over all of them, and gives its extent.
ir::DimId fold_axes(Evaluator& evaluator, std::span<const u32> axes, ir::NodeId place);
/// Evaluates every output of a pointwise group at the place in hand, then stores them: an output may lie in the memory of an input
/// that the others still read at this place.
void store_outputs(Evaluator& evaluator, bool stream);
/// Evaluates the nodes of the group that do not depend on reductions to come, in order, so that long chains are not deep.
void make_ready(Evaluator& evaluator, std::span<const ir::NodeId> wanted);

} // namespace heddle::passes
