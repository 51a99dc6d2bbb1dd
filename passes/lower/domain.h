#pragma once
// The iteration space of one kernel: a group's domain with axes joined wherever every access walks them as one (rule M8), and how
// the index of each value follows from it.

#include "passes/fuse/edges.h"

namespace heddle::passes {

struct Domain {
    std::vector<ir::DimId> extents; ///< of the joined axes; axis k is `d<k>` in index expressions
    std::vector<bool> reduced;      ///< by joined axis
    std::vector<ir::DimId>
        group_axes; ///< for each axis of the group's domain, its index in terms of the joined axes
};

/// The group's domain, joined as far as its accesses allow.
Domain joined_domain(const ir::Function& function, const Fusion& fusion, const Group& group);

/// Index of a full-size value's own axes (0 for unit axes), or of a kept value's.
std::vector<ir::DimId> full_index(const ir::Function& function, const Domain& domain, ir::NodeId node);
std::vector<ir::DimId> kept_index(const ir::Function& function, const Group& group, const Domain& domain,
                                  ir::NodeId node);
/// Whichever of the two fits the value's shape.
std::vector<ir::DimId> own_index(const ir::Function& function, const Group& group, const Domain& domain,
                                 ir::NodeId node);

/// Row-major element offset of an index.
ir::DimId flat_offset(ir::Module& module, std::span<const ir::DimId> shape, std::span<const ir::DimId> index);

/// True for values that the kernel of `group` loads: arguments, and what other groups store.
bool is_loaded(const ir::Function& function, const Fusion& fusion, const Group& group, ir::NodeId node);

/// The values the kernel loads, in node order.
std::vector<ir::NodeId> loaded_values(const ir::Function& function, const Fusion& fusion, const Group& group);

} // namespace heddle::passes
