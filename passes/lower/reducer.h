#pragma once
// A reduction as a monoid: its state (one value, or several for `reduce` with a region), its identity, and how two states join.
// Every schedule reduces through this, so each reduction works in each of them.

#include "passes/lower/evaluator.h"

namespace heddle::passes {

class Reducer {
public:
    Reducer(const ir::Function& graph, ir::NodeId reduction);

    ir::NodeId node() const { return node_; }
    std::size_t size() const { return dtypes_.size(); }
    Dtype dtype(std::size_t part) const { return dtypes_[part]; }
    /// The values that go in, one for each part of the state.
    std::vector<ir::NodeId> operands() const;
    /// The op that joins two values, when one does; `reduce` with a region has none.
    std::optional<ir::Op> joining_op() const { return op_; }

    std::vector<ir::NodeId> identity(ir::KernelBuilder& kernel, u32 width) const;
    std::vector<ir::NodeId> join(ir::KernelBuilder& kernel, std::span<const ir::NodeId> a,
                                 std::span<const ir::NodeId> b) const;
    /// Does the region ask which of two places along the reduced axis is lower, as that of argmax does?
    bool asks_order() const { return !places_.empty(); }
    /// Joins to a state of some elements, the identity not among them, one that lies behind all of them along the reduced axis: whether its
    /// place is lower need not be asked.
    std::vector<ir::NodeId> join_next(ir::KernelBuilder& kernel, std::span<const ir::NodeId> a,
                                      std::span<const ir::NodeId> b) const;
    /// Joins the lanes of a vector state: lane i with lane i + W/2 until one is left.
    std::vector<ir::NodeId> join_lanes(ir::KernelBuilder& kernel, std::span<const ir::NodeId> state) const;

private:
    const ir::Function& graph_;
    ir::NodeId node_;
    std::optional<ir::Op> op_;
    std::vector<Dtype> dtypes_;
    std::vector<u32>
        places_; ///< parts of the state that are places along the reduced axis, and whose order the region asks for
};

/// The reduction's value (each `result` of one with several) is the state from here on.
void define_reduction(Evaluator& evaluator, ir::NodeId reduction, std::span<const ir::NodeId> state);

} // namespace heddle::passes
