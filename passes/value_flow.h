#pragma once
// Where values of a kernel go without being changed: into the carried values and results of loops and conditions, and through arrays of
// an invocation or a block. What holds of all that may come to a place holds of the place.

#include "ir/function.h"

#include <span>
#include <vector>

namespace heddle::passes {

/// `to` may be `from`: a parameter or result, an array that it is stored in, a load from that array.
struct Flow {
    ir::NodeId from, to;
};

class ValueFlow {
public:
    explicit ValueFlow(const ir::Function& kernel);

    const std::vector<Flow>& all() const { return flows_; }
    /// Is all that such a place may hold known from the flows to it? Not so for arguments and memory of the caller's.
    bool is_place(ir::NodeId node) const { return place_[node.value]; }
    std::span<const ir::NodeId> sources(ir::NodeId place) const { return sources_[place.value]; }
    /// Is the operand at `place` only moved by `user`, along flows?
    bool moves(ir::NodeId user, u32 place) const;

private:
    void add(ir::NodeId from, ir::NodeId to);
    void control(ir::NodeId node);
    ir::NodeId array_of(ir::NodeId memory) const;

    const ir::Function& kernel_;
    std::vector<Flow> flows_;
    std::vector<bool> place_;
    std::vector<std::vector<ir::NodeId>> sources_;
    std::vector<std::vector<ir::NodeId>> results_; ///< of each op with several, by number
};

} // namespace heddle::passes
