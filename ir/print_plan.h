#pragma once
// What the printer decides before it writes a function: which constants stand inline as literals, which index arithmetic
// stands inside its consumer, and which `result` nodes name the results of an op.

#include "ir/function.h"

#include <unordered_map>
#include <vector>

namespace heddle::ir {

class PrintPlan {
public:
    PrintPlan(const Function& function, bool keep_names);

    /// True if the node has no line of its own: a literal, part of an infix expression, or a result of another op.
    bool is_inline(NodeId id) const { return inline_[id.value]; }
    bool is_literal(NodeId id) const { return is_inline(id) && is_candidate(id); }
    bool is_expression(NodeId id) const {
        return is_inline(id) && !is_candidate(id) && function_.op(id) != Op::result;
    }
    /// The node that takes result k of an op with several, if there is one.
    NodeId result(NodeId op, u32 k) const;
    /// The bits of a constant of one element, also behind a `splat`.
    u64 literal_value(NodeId id) const;

private:
    /// False for ids of a broken function that name no node.
    bool exists(NodeId id) const { return id.valid() && id.value < function_.size(); }
    /// Constants of one element, and splats of those.
    bool is_candidate(NodeId id) const;
    bool is_index_math(NodeId id) const;
    void visit_region(RegionId id, std::span<const TypeId> yielded);
    void visit_node(NodeId id, RegionId region);
    void use(NodeId id, TypeId wanted, RegionId region);
    void decide(RegionId id, bool keep_names);

    const Function& function_;
    std::vector<bool> inline_;
    std::vector<bool> named_; ///< constants that stand where a literal cannot
    std::vector<u32> uses_;
    std::vector<RegionId> user_; ///< region of the last use
    std::vector<u8> depth_;      ///< levels of infix arithmetic below a node
    std::unordered_map<u64, NodeId> results_;
};

/// Types that the regions of a node yield where a literal may stand for them; empty if that is not known.
std::vector<TypeId> yielded_types(const Function& function, NodeId id, u32 region);

} // namespace heddle::ir
