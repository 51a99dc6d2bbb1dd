#include "passes/fuse/chain.h"
#include "passes/fuse/rematerialise.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace heddle::passes {

using namespace ir;

std::string_view name_of(CutReason reason) {
    switch (reason) {
    case CutReason::domain: return "domain";
    case CutReason::axes: return "axes";
    case CutReason::grid_sync: return "grid_sync";
    case CutReason::random_access: return "random_access";
    case CutReason::stage: return "stage";
    case CutReason::recompute: return "recompute";
    case CutReason::column_chain: return "column_chain";
    case CutReason::custom: return "custom";
    case CutReason::limit_nodes: return "limit_nodes";
    case CutReason::limit_buffers: return "limit_buffers";
    case CutReason::limit_outputs: return "limit_outputs";
    case CutReason::frozen: return "frozen";
    case CutReason::fuel: return "fuel";
    }
    return "";
}

std::string_view name_of(GroupKind kind) {
    switch (kind) {
    case GroupKind::pointwise: return "pointwise";
    case GroupKind::row: return "row";
    case GroupKind::column: return "column";
    case GroupKind::custom: return "custom";
    case GroupKind::chain: return "chain";
    }
    return "";
}

namespace {

/// Values in memory after the sweep: results, and what another group reads.
std::vector<bool> realised_values(const Function& function, const SweepResult& swept) {
    std::vector<bool> realised(function.size());
    for (NodeId id : function.results()) realised[id.value] = swept.group_of[id.value].valid();
    for (const SweepGroup& group : swept.groups) {
        for (NodeId node : group.nodes) {
            for (const Edge& edge : edges_of(function, node)) {
                const GroupId home = swept.group_of[edge.producer.value];
                if (home.valid() && home != swept.group_of[node.value]) realised[edge.producer.value] = true;
            }
        }
    }
    return realised;
}

class Finisher {
public:
    Finisher(const Function& function, SweepResult swept, Fusion fusion)
        : function_(function), swept_(std::move(swept)), fusion_(std::move(fusion)) {}

    Fusion run() {
        for (u32 k = 0; k < swept_.groups.size(); ++k) keep_needed(k);
        order();
        unite_siblings();
        return std::move(fusion_);
    }

private:
    /// Nodes of the group that its outputs need, computed at the domain's own index.
    void keep_needed(u32 k) {
        const SweepGroup& from = swept_.groups[k];
        Group group{.kind = from.kind, .domain = from.domain, .reduced = from.reduced, .depth = from.depth};
        for (auto node = from.nodes.rbegin(); node != from.nodes.rend(); ++node) {
            const bool output = fusion_.realised[node->value];
            if (output) group.outputs.push_back(*node);
            if (!output && !needed_[node->value]) continue;
            group.nodes.push_back(*node);
            for (const Edge& edge : edges_of(function_, *node))
                if (swept_.group_of[edge.producer.value] == GroupId{k}) needed_[edge.producer.value] = true;
        }
        if (group.outputs.empty()) return;
        std::ranges::reverse(group.nodes);
        std::ranges::reverse(group.outputs);
        drop_unused_reductions(group);
        for (NodeId node : group.outputs) made_by_[node.value] = static_cast<u32>(fusion_.groups.size());
        fusion_.groups.push_back(std::move(group));
    }

    /// A group whose reductions have all gone elsewhere is pointwise.
    void drop_unused_reductions(Group& group) {
        if (group.kind == GroupKind::custom) return;
        const bool any =
            std::ranges::any_of(group.nodes, [&](NodeId node) { return is_reduction(function_.op(node)); });
        if (!any) group.kind = GroupKind::pointwise, group.reduced.clear();
    }

    /// Values in memory that computing `node` at any index needs.
    void gather_reads(NodeId node, std::vector<NodeId>& reads, std::vector<bool>& seen) {
        std::vector<NodeId> work{node};
        while (!work.empty()) {
            const NodeId next = work.back();
            work.pop_back();
            for (const Edge& edge : edges_of(function_, next)) {
                if (seen[edge.producer.value]) continue;
                seen[edge.producer.value] = true;
                if (made_by_.contains(edge.producer.value))
                    reads.push_back(edge.producer);
                else if (swept_.group_of[edge.producer.value].valid())
                    work.push_back(edge.producer);
            }
        }
    }

    void order() {
        std::vector<Group>& groups = fusion_.groups;
        std::vector<std::vector<u32>> reads(groups.size());
        for (u32 k = 0; k < groups.size(); ++k) {
            std::vector<NodeId> values;
            std::vector<bool> seen(function_.size());
            for (NodeId output : groups[k].outputs) gather_reads(output, values, seen);
            for (NodeId value : values)
                if (made_by_[value.value] != k) reads[k].push_back(made_by_[value.value]);
        }
        // The sweep's depths order the groups; longest paths are counted along it.
        std::vector<u32> by_depth(groups.size());
        for (u32 k = 0; k < groups.size(); ++k) by_depth[k] = k;
        std::ranges::stable_sort(by_depth, {}, [&](u32 k) { return groups[k].depth; });
        for (u32 k : by_depth) {
            u32 depth = 0;
            for (u32 other : reads[k]) depth = std::max(depth, groups[other].depth + 1);
            groups[k].depth = depth;
        }
        std::ranges::stable_sort(
            groups, {}, [](const Group& group) { return std::pair(group.depth, group.nodes.front()); });
    }

    /// Groups of one depth, kind and domain that read a common input become one.
    void unite_siblings() {
        std::map<std::tuple<u32, GroupKind, std::vector<DimId>, std::vector<bool>, u32>, u32> by_leaf;
        std::vector<Group>& groups = fusion_.groups;
        std::vector<u32> place_of(groups.size());
        for (u32 k = 0; k < groups.size(); ++k) {
            place_of[k] = k;
            if (groups[k].kind == GroupKind::custom) continue;
            for (NodeId leaf : full_leaves(groups[k])) {
                const auto key = std::tuple(groups[k].depth, groups[k].kind, groups[k].domain,
                                            groups[k].reduced, leaf.value);
                const u32 found = place_of[by_leaf.try_emplace(key, k).first->second];
                if (found == k || groups[found].outputs.size() + groups[k].outputs.size() > most_outputs)
                    continue;
                Group& into = groups[found];
                place_of[k] = found;
                append(into.nodes, groups[k].nodes);
                append(into.outputs, groups[k].outputs);
                groups[k].outputs.clear();
                break;
            }
        }
        std::erase_if(groups, [](const Group& group) { return group.outputs.empty(); });
    }

    static void append(std::vector<NodeId>& into, const std::vector<NodeId>& more) {
        into.insert(into.end(), more.begin(), more.end());
        std::ranges::sort(into);
        into.erase(std::ranges::unique(into).begin(), into.end());
    }

    std::vector<NodeId> full_leaves(const Group& group) {
        std::vector<NodeId> leaves;
        for (NodeId node : group.nodes)
            for (const Edge& edge : edges_of(function_, node))
                if (edge.results.size() == group.domain.size() && !group.domain.empty() && !edge.random &&
                    (function_.op(edge.producer) == Op::parameter || fusion_.realised[edge.producer.value]) &&
                    !std::ranges::binary_search(group.nodes, edge.producer))
                    leaves.push_back(edge.producer);
        return leaves;
    }

    const Function& function_;
    SweepResult swept_;
    Fusion fusion_;
    std::map<u32, u32> made_by_;
    std::vector<bool> needed_ = std::vector<bool>(function_.size());
};

} // namespace

Fusion fuse(const Function& function, const Target& target) {
    SweepResult swept = sweep(function);
    Fusion fusion;
    fusion.free = free_nodes(function);
    fusion.realised = realised_values(function, swept);
    fusion.cuts = swept.cuts;
    std::erase_if(fusion.cuts, [&](const FusionCut& cut) { return !fusion.realised[cut.producer.value]; });
    rematerialise(function, target, swept, fusion.realised, fusion.cuts);
    fusion = Finisher(function, std::move(swept), std::move(fusion)).run();
    if (target.kind == TargetKind::gpu) form_chains(function, target, fusion);
    return fusion;
}

namespace {

std::string print_domain(const Function& function, const Group& group) {
    std::string text = "[";
    for (u32 axis = 0; axis < group.domain.size(); ++axis)
        text +=
            fmt::format("{}{}{}{}", axis ? ", " : "",
                        std::ranges::find(group.parallel, axis) != group.parallel.end() ? "parallel " : "",
                        !group.reduced.empty() && group.reduced[axis] ? "reduced " : "",
                        function.module().dims.text(group.domain[axis]));
    return text + "]";
}

} // namespace

std::string print(const Function& function, const Fusion& fusion) {
    auto name = [&](NodeId node) {
        const std::string_view given = function.name_of(node);
        return given.empty() ? fmt::format("%{}", node.value) : fmt::format("%{}", given);
    };
    auto contents = [&](const Group& group) {
        std::string text = print_domain(function, group);
        for (NodeId node : group.nodes)
            text += fmt::format(" {}:{}", name(node), info(function.op(node)).text);
        text += " ->";
        for (NodeId node : group.outputs) text += fmt::format(" {}", name(node));
        return text + "\n";
    };
    std::string text;
    for (u32 k = 0; k < fusion.groups.size(); ++k) {
        const Group& group = fusion.groups[k];
        text += fmt::format("group {} {} depth {} ", k, name_of(group.kind), group.depth);
        if (group.kind != GroupKind::chain) {
            text += contents(group);
            continue;
        }
        text += print_domain(function, group) + " ->";
        for (NodeId node : group.outputs) text += fmt::format(" {}", name(node));
        text += "\n";
        for (u32 stage = 0; stage < group.stages.size(); ++stage)
            text += fmt::format("  stage {} {} {}", stage, name_of(group.stages[stage].kind),
                                contents(group.stages[stage]));
    }
    for (const FusionCut& cut : fusion.cuts)
        text +=
            fmt::format("cut {} to {}: {}\n", name(cut.producer), name(cut.consumer), name_of(cut.reason));
    return text;
}

} // namespace heddle::passes
