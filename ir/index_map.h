#pragma once
// Index maps: how an op reads its operand. Element o of a `view` is element `results(o)` of the operand where every bound
// holds, and the fill value elsewhere. All movement ops become views, and a view of a view is one view, so no movement
// op ever costs a copy by itself.

#include "ir/dims.h"

namespace heddle::ir {

using MapId = Id<struct MapTag>;

/// `0 <= value < extent` must hold for the element to come from the operand.
struct Bound {
    DimId value;
    DimId extent;
    bool operator==(const Bound&) const = default;
};

/// `axes` is the rank of the view; `results` has one expression over d0..d(axes-1) for each axis of the operand.
struct IndexMap {
    u32 axes = 0;
    std::vector<DimId> results;
    std::vector<Bound> valid;
    /// Value outside the bounds, as the bits of the view's dtype. Meaningless without bounds.
    u64 fill = 0;
    bool operator==(const IndexMap&) const = default;
};

IndexMap identity_map(Dims& dims, u32 rank);
bool is_identity(Dims& dims, const IndexMap& map);

// ---- one map a movement op; shapes are those of operand and result
IndexMap broadcast_map(Dims& dims, std::span<const DimId> operand, std::span<const i64> mapped_axes,
                       std::span<const DimId> result);
IndexMap transpose_map(Dims& dims, std::span<const i64> permutation);
IndexMap slice_map(Dims& dims, std::span<const DimId> start, std::span<const DimId> step);
IndexMap flip_map(Dims& dims, std::span<const DimId> operand, std::span<const i64> axes);
IndexMap pad_map(Dims& dims, std::span<const DimId> operand, std::span<const DimId> low,
                 std::span<const DimId> interior, u64 fill, std::span<const DimId> result);
/// Blocks of equal product are cut left to right (rule M7): 1:1 renames, n:1 splits, 1:n linearises, n:m goes through its own
/// linear index only.
IndexMap reshape_map(Dims& dims, std::span<const DimId> operand, std::span<const DimId> result,
                     std::span<const Fact> facts);

/// The map of `view(view(x, inner), outer)`: outer's axes to x's axes. Nothing when the two fills differ and both have
/// bounds (then the inner value has to be formed first). `shape` is the outer result's.
std::optional<IndexMap> compose(Dims& dims, const IndexMap& inner, const IndexMap& outer,
                                std::span<const DimId> shape, std::span<const Fact> facts);
/// Simplifies results, drops proven bounds. An access that is never valid keeps its disproven bound.
IndexMap simplify(Dims& dims, const IndexMap& map, std::span<const DimId> shape, std::span<const Fact> facts);

/// `d0, d1 -> d1, d0 where 0 <= d0 - 2 < ?k`; the fill value is printed by the caller, who knows the dtype.
std::string text(const Dims& dims, const IndexMap& map);

} // namespace heddle::ir
