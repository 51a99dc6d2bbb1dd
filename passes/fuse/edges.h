#pragma once
// What a node reads, seen through views: for each operand the value that has to be computed or loaded, and the map from the
// reader's index to that value's. Shared by the sweep, rematerialisation and reports.

#include "passes/fuse/fusion.h"

namespace heddle::passes {

struct Edge {
    ir::NodeId
        producer; ///< a node that is no view (but for custom ops); a parameter, a free node or a computed value
    std::vector<ir::DimId>
        results; ///< for each axis of the producer that is not 1, over the reader's axes without unit axes
    bool bounded = false; ///< some elements are filled rather than read
    bool random = false;  ///< read at run-time indices, or wherever a kernel of the user's likes
};

/// Edges of a node; the reader's axes are those of its operands' shape for reductions, its own otherwise.
std::vector<Edge> edges_of(const ir::Function& function, ir::NodeId node);

/// Shape over which a node is computed: the operand's for reductions, its own otherwise; without unit axes.
std::vector<ir::DimId> domain_of(const ir::Function& function, ir::NodeId node);

bool is_reduction(ir::Op op);
/// Which axes of `domain_of` a reduction reduces.
std::vector<bool> reduced_axes(const ir::Function& function, ir::NodeId reduction);

} // namespace heddle::passes
