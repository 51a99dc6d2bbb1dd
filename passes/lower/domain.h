#pragma once
// The iteration space of one kernel: a group's domain with axes joined wherever every access walks them as one (rule M8), and how
// the index of each value follows from it.

#include "ir/index_map.h"
#include "passes/fuse/edges.h"

namespace heddle::passes {

/// A value that a kernel loads.
struct LoadedValue {
    ir::NodeId value;
    /// Where it is read, in elements over the axes of the group's domain, if that is one place; invalid: several, or anywhere.
    ir::DimId offset;
};

struct Domain {
    std::vector<ir::DimId> extents; ///< of the joined axes; axis k is `d<k>` in index expressions
    std::vector<bool> reduced;      ///< by joined axis
    std::vector<ir::DimId>
        group_axes; ///< for each axis of the group's domain, its index in terms of the joined axes
    std::vector<LoadedValue> loads; ///< in node order
};

/// One place that a kernel loads from, with the bounds of the views around it: the element is there where all of them hold.
struct Access {
    ir::NodeId value;
    std::vector<ir::DimId> index; ///< over the joined axes
    ir::DimId offset;             ///< in elements
    std::vector<ir::Bound> bounds;
    bool bounded_twice = false; ///< other bounds lead here too: where the element is, no one list says
};

/// What the group loads at places that sizes and axes give, in the order in which it is reached, each place once.
std::vector<Access> accesses_of(const ir::Function& function, const Fusion& fusion, const Group& group,
                                const Domain& domain);

/// What a group reads at its own axes, none of them joined.
struct PlainReads {
    Domain domain;
    std::vector<Access> accesses;     ///< as of accesses_of
    std::vector<ir::NodeId> anywhere; ///< values that are read at run-time indices
};
PlainReads plain_reads(const ir::Function& function, const Fusion& fusion, const Group& group);

/// The group's domain, joined as far as its accesses allow, a stage's parallel axes never; a chain's is its own and has all that its stages
/// load from memory. Walks the group once: keep the result.
Domain joined_domain(const ir::Function& function, const Fusion& fusion, const Group& group);

/// Index of a full-size value's own axes (0 for unit axes), or of a kept value's.
std::vector<ir::DimId> full_index(const ir::Function& function, const Domain& domain, ir::NodeId node);
std::vector<ir::DimId> kept_index(const ir::Function& function, const Group& group, const Domain& domain,
                                  ir::NodeId node);
/// Whichever of the two fits the value's shape.
std::vector<ir::DimId> own_index(const ir::Function& function, const Group& group, const Domain& domain,
                                 ir::NodeId node);

/// Row-major element offset at which a group that is not yet joined stores a value.
ir::DimId stored_offset(const ir::Function& function, const Group& group, ir::NodeId node);

/// Row-major element offset of an index.
ir::DimId flat_offset(ir::Module& module, std::span<const ir::DimId> shape, std::span<const ir::DimId> index);

/// True for values that the kernel of `group` loads: arguments, and what other groups store.
bool is_loaded(const ir::Function& function, const Fusion& fusion, const Group& group, ir::NodeId node);

} // namespace heddle::passes
