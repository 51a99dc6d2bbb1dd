#include "passes/fuse/sweep.h"

#include <algorithm>
#include <optional>

namespace heddle::passes {

using namespace ir;

std::vector<DimId> kept_shape(std::span<const DimId> domain, const std::vector<bool>& reduced) {
    std::vector<DimId> kept;
    for (u32 k = 0; k < domain.size(); ++k)
        if (!reduced[k]) kept.push_back(domain[k]);
    return kept;
}

namespace {

constexpr std::size_t node_limit = 2048;

void insert_sorted(std::vector<NodeId>& set, NodeId value) {
    const auto at = std::ranges::lower_bound(set, value);
    if (at == set.end() || *at != value) set.insert(at, value);
}

/// Members of both sorted sets together.
std::size_t joint_size(const std::vector<NodeId>& a, const std::vector<NodeId>& b) {
    std::size_t common = 0;
    for (NodeId value : b) common += std::ranges::binary_search(a, value);
    return a.size() + b.size() - common;
}

class Sweeper {
public:
    explicit Sweeper(const Function& function)
        : function_(function), dims_(function.module().dims), free_(free_nodes(function)),
          is_result_(function.size()), in_memory_(function.size()), group_of_(function.size()) {
        for (NodeId id : function.results()) is_result_[id.value] = true;
        in_memory_ = is_result_;
        for (NodeId node : live_nodes(function))
            if (function.op(node) == Op::custom || function.op(node) == Op::gather)
                for (const Edge& edge : edges_of(function, node))
                    if (function.op(node) == Op::custom || edge.random)
                        in_memory_[edge.producer.value] = true;
    }

    SweepResult run() {
        for (NodeId node : live_nodes(function_)) {
            const bool movement = function_.op(node) == Op::view || free_[node.value];
            if (!movement || in_memory_[node.value]) place(node);
        }
        return finish();
    }

private:
    /// Edges of the node in hand that come from one group, and whether that group may take the node.
    struct Candidate {
        u32 group;
        std::optional<CutReason> refused;
        NodeId producer;
    };

    u32 find(u32 group) {
        while (parent_[group] != group) group = parent_[group] = parent_[parent_[group]];
        return group;
    }

    bool same_shape(std::span<const DimId> a, std::span<const DimId> b) const {
        if (a.size() != b.size()) return false;
        for (u32 k = 0; k < a.size(); ++k)
            if (!function_.same_size(a[k], b[k])) return false;
        return true;
    }

    /// True if the edge reads exactly the axes `wanted` of the reader, in order.
    bool reads_axes(const Edge& edge, const std::vector<u32>& wanted) const {
        if (edge.bounded || edge.random || edge.results.size() != wanted.size()) return false;
        for (u32 k = 0; k < wanted.size(); ++k)
            if (edge.results[k] != dims_.axis(wanted[k])) return false;
        return true;
    }

    static std::vector<u32> all_axes(std::size_t count) {
        std::vector<u32> axes(count);
        for (u32 k = 0; k < count; ++k) axes[k] = k;
        return axes;
    }

    /// Why `group` may not take `node`, which reads `edge` from it.
    std::optional<CutReason> refuse(const SweepGroup& group, NodeId node, const Edge& edge) const {
        if (function_.op(node) == Op::result) return std::nullopt;
        if (group.kind == GroupKind::custom || function_.op(node) == Op::custom) return CutReason::custom;
        if (edge.random) return CutReason::random_access;
        if (group.nodes.size() >= node_limit) return CutReason::limit_nodes;
        const std::vector<DimId> shape = domain_of(function_, node);
        const bool full = same_shape(shape, group.domain);
        const std::vector<DimId> producer_shape = squeeze(function_.module(), function_.shape(edge.producer));
        if (is_reduction(function_.op(node))) {
            if (!full) return CutReason::domain;
            if (group.kind != GroupKind::pointwise && group.reduced != reduced_axes(function_, node))
                return CutReason::axes;
        }
        if (group.kind == GroupKind::pointwise || (full && same_shape(producer_shape, group.domain))) {
            if (!full) return CutReason::domain;
            return reads_axes(edge, all_axes(shape.size())) ? std::nullopt
                                                            : std::optional(CutReason::grid_sync);
        }
        const std::vector<DimId> kept = kept_shape(group.domain, group.reduced);
        if (!same_shape(producer_shape, kept)) return CutReason::grid_sync;
        if (same_shape(shape, kept) && !is_reduction(function_.op(node)))
            return reads_axes(edge, all_axes(shape.size())) ? std::nullopt
                                                            : std::optional(CutReason::grid_sync);
        if (!full) return CutReason::domain;
        if (group.kind == GroupKind::column) return CutReason::column_chain;
        std::vector<u32> axes;
        for (u32 k = 0; k < group.domain.size(); ++k)
            if (!group.reduced[k]) axes.push_back(k);
        return reads_axes(edge, axes) ? std::nullopt : std::optional(CutReason::grid_sync);
    }

    /// Arguments and values of other groups that the node would bring into `group`.
    std::vector<NodeId> loads_beside(u32 group, const std::vector<Edge>& edges) {
        std::vector<NodeId> loads;
        for (const Edge& edge : edges) {
            const GroupId home = group_of_[edge.producer.value];
            if (home.valid() ? find(home.value) != group
                             : !free_[edge.producer.value] && !function_.has(edge.producer, Key::number))
                insert_sorted(loads, edge.producer);
        }
        return loads;
    }

    /// Why `group` has no room for the node's buffers.
    std::optional<CutReason> refuse_buffers(u32 group, NodeId node, const std::vector<Edge>& edges) {
        const SweepGroup& into = groups_[group];
        if (is_result_[node.value] && into.stores.size() >= most_outputs) return CutReason::limit_outputs;
        const std::size_t loads = joint_size(into.loads, loads_beside(group, edges));
        const std::size_t stores = std::max<std::size_t>(into.stores.size() + is_result_[node.value], 1);
        return loads + stores > most_buffers ? std::optional(CutReason::limit_buffers) : std::nullopt;
    }

    bool can_unite(const SweepGroup& a, const SweepGroup& b) const {
        if (a.depth != b.depth || a.nodes.size() + b.nodes.size() > node_limit ||
            !same_shape(a.domain, b.domain))
            return false;
        const std::size_t stores = a.stores.size() + b.stores.size();
        if (stores > most_outputs || joint_size(a.loads, b.loads) + stores > most_buffers) return false;
        return a.kind == GroupKind::pointwise || b.kind == GroupKind::pointwise || a.reduced == b.reduced;
    }

    void unite(u32 into, u32 other) {
        SweepGroup &a = groups_[into], &b = groups_[other];
        if (a.kind == GroupKind::pointwise && b.kind != GroupKind::pointwise) {
            a.kind = b.kind;
            a.reduced = b.reduced;
        }
        a.read_outside |= b.read_outside;
        std::vector<NodeId> merged;
        std::ranges::merge(a.nodes, b.nodes, std::back_inserter(merged));
        a.nodes = std::move(merged);
        b.nodes.clear();
        for (NodeId value : b.loads) insert_sorted(a.loads, value);
        for (NodeId value : b.stores) insert_sorted(a.stores, value);
        parent_[other] = into;
    }

    std::vector<Candidate> candidates(NodeId node, const std::vector<Edge>& edges) {
        std::vector<Candidate> list;
        for (const Edge& edge : edges) {
            if (!group_of_[edge.producer.value].valid()) continue;
            const u32 group = find(group_of_[edge.producer.value].value);
            auto known = std::ranges::find(list, group, &Candidate::group);
            if (known == list.end()) known = list.insert(list.end(), {group, std::nullopt, edge.producer});
            if (!known->refused) known->refused = refuse(groups_[group], node, edge);
        }
        for (Candidate& candidate : list)
            if (!candidate.refused && function_.op(node) != Op::result)
                candidate.refused = refuse_buffers(candidate.group, node, edges);
        return list;
    }

    void place(NodeId node) {
        const std::vector<Edge> edges = edges_of(function_, node);
        std::vector<Candidate> list = candidates(node, edges);
        u32 base = 0;
        for (const Candidate& candidate : list) base = std::max(base, groups_[candidate.group].depth + 1);
        GroupId target;
        for (const Candidate& candidate : list) {
            if (candidate.refused) continue;
            if (!target || groups_[candidate.group].depth > groups_[target.value].depth)
                target = GroupId{candidate.group};
        }
        u32 deepest_rest = 0;
        bool any_rest = false;
        for (Candidate& candidate : list) {
            if (target && candidate.group == target.value) continue;
            if (target && !candidate.refused && can_unite(groups_[target.value], groups_[candidate.group])) {
                unite(target.value, candidate.group);
                continue;
            }
            if (!candidate.refused) candidate.refused = CutReason::stage;
            deepest_rest = std::max(deepest_rest, groups_[candidate.group].depth);
            any_rest = true;
        }
        if (target && any_rest && groups_[target.value].depth <= deepest_rest) {
            if (groups_[target.value].read_outside)
                target = {};
            else
                groups_[target.value].depth = deepest_rest + 1;
        }
        for (const Candidate& candidate : list) {
            const u32 group = find(candidate.group);
            if (target && group == target.value) continue;
            groups_[group].read_outside = true;
            cuts_.push_back({candidate.producer, node, candidate.refused.value_or(CutReason::stage)});
        }
        join(node, target ? target.value : open(node, base));
        note_buffers(node, edges);
    }

    /// What the node, now in its group, makes that group and others load and store.
    void note_buffers(NodeId node, const std::vector<Edge>& edges) {
        const u32 own = group_of_[node.value].value;
        for (NodeId value : loads_beside(own, edges)) {
            insert_sorted(groups_[own].loads, value);
            if (const GroupId home = group_of_[value.value]; home.valid())
                insert_sorted(groups_[find(home.value)].stores, value);
        }
        if (is_result_[node.value]) insert_sorted(groups_[own].stores, node);
    }

    u32 open(NodeId node, u32 depth) {
        const u32 id = static_cast<u32>(groups_.size());
        SweepGroup& group = groups_.emplace_back();
        if (function_.op(node) == Op::custom)
            group.kind = GroupKind::custom;
        else
            group.domain = domain_of(function_, node);
        group.depth = depth;
        parent_.push_back(id);
        return id;
    }

    void join(NodeId node, u32 id) {
        SweepGroup& group = groups_[id];
        if (is_reduction(function_.op(node)) && group.kind == GroupKind::pointwise) {
            group.reduced = reduced_axes(function_, node);
            // A reduction over unit axes alone reduces nothing: it stays pointwise.
            const bool any = std::ranges::find(group.reduced, true) != group.reduced.end();
            const bool innermost = any && group.reduced.back();
            group.kind = innermost || group.domain.empty() ? GroupKind::row : GroupKind::column;
            if (!any) group.kind = GroupKind::row;
        }
        group.nodes.push_back(node);
        group_of_[node.value] = GroupId{id};
    }

    SweepResult finish() {
        SweepResult result;
        std::vector<u32> new_id(groups_.size());
        for (u32 k = 0; k < groups_.size(); ++k) {
            if (find(k) != k) continue;
            new_id[k] = static_cast<u32>(result.groups.size());
            result.groups.push_back(std::move(groups_[k]));
        }
        result.group_of = std::move(group_of_);
        for (GroupId& id : result.group_of)
            if (id.valid()) id = GroupId{new_id[find(id.value)]};
        result.cuts = std::move(cuts_);
        return result;
    }

    const Function& function_;
    Dims& dims_;
    std::vector<bool> free_;
    std::vector<bool> is_result_;
    std::vector<bool> in_memory_; ///< results, and what custom kernels and gathers read
    std::vector<SweepGroup> groups_;
    std::vector<GroupId> group_of_;
    std::vector<u32> parent_;
    std::vector<FusionCut> cuts_;
};

} // namespace

SweepResult sweep(const Function& function) { return Sweeper(function).run(); }

} // namespace heddle::passes
