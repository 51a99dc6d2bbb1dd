#include "passes/lower/phases.h"

#include <algorithm>
#include <map>
#include <set>

namespace heddle::passes {

using namespace ir;

bool is_full(const Function& function, const Group& group, NodeId node) {
    if (is_reduction(function.op(node)) || function.op(node) == Op::result) return false;
    return squeezed_rank(function.module(), function.shape(node)) == group.domain.size();
}

namespace {

constexpr u32 carried_weight = 12; ///< arithmetic worth keeping from one pass to the next

class PhaseFinder {
public:
    PhaseFinder(const Function& function, const Fusion& fusion, const Group& group)
        : function_(function), fusion_(fusion), group_(group) {}

    Phases run() {
        // ready[n]: passes that must have run before n can be had. A reduction of ready values is complete one pass later.
        u32 count = 0;
        for (NodeId node : group_.nodes) {
            u32 ready = 0;
            for (const Edge& edge : edges_of(function_, node))
                if (auto known = ready_.find(edge.producer.value); known != ready_.end())
                    ready = std::max(ready, known->second);
            if (is_reduction(function_.op(node))) ++ready;
            ready_[node.value] = ready;
            const bool stores_full = std::ranges::find(group_.outputs, node) != group_.outputs.end() &&
                                     is_full(function_, group_, node);
            count = std::max(count, stores_full ? ready + 1 : ready);
        }
        phases_.loops.resize(count);
        phases_.kept_values.resize(count + 1);
        for (NodeId node : group_.nodes)
            if (is_elementwise(function_.op(node)) && !is_full(function_, group_, node) &&
                ready_[node.value] <= count)
                phases_.kept_values[ready_[node.value]].push_back(node);
        for (NodeId node : group_.nodes)
            if (is_reduction(function_.op(node)))
                phases_.loops[ready_[node.value] - 1].reductions.push_back(node);
        for (NodeId node : group_.outputs) {
            if (is_full(function_, group_, node)) {
                phases_.loops[ready_[node.value]].stores.push_back(node);
            } else {
                phases_.kept_stores.push_back(node);
                phases_.kept_after.push_back(ready_[node.value]);
            }
        }
        for (u32 loop = 0; loop < count; ++loop) find_carried(loop);
        return std::move(phases_);
    }

private:
    void find_carried(u32 loop) {
        std::vector<NodeId> work;
        for (NodeId node : phases_.loops[loop].reductions)
            for (NodeId operand : function_.operands(node)) work.push_back(operand);
        for (NodeId node : phases_.loops[loop].stores) work.push_back(node);
        std::set<u32> seen;
        while (!work.empty()) {
            const NodeId node = work.back();
            work.pop_back();
            if (!seen.insert(node.value).second || !is_full(function_, group_, node)) continue;
            const auto before = first_loop_.find(node.value);
            if (before != first_loop_.end() && before->second < loop && worth_carrying(node)) {
                std::vector<NodeId>& carries = phases_.loops[before->second].carries;
                if (std::ranges::find(carries, node) == carries.end()) carries.push_back(node);
                phases_.loops[loop].reads.push_back(node);
                continue;
            }
            if (before == first_loop_.end()) first_loop_[node.value] = loop;
            if (is_access(node)) continue;
            for (NodeId operand : function_.operands(node)) work.push_back(operand);
        }
    }

    bool is_access(NodeId node) const {
        const Op op = function_.op(node);
        return op == Op::view || op == Op::gather || is_loaded(function_, fusion_, group_, node);
    }

    bool worth_carrying(NodeId node) const {
        if (function_.op(node) == Op::view) return !broadcasts_kept(node);
        return is_access(node) ||
               (is_elementwise(function_.op(node)) && info(function_.op(node)).cost >= carried_weight);
    }

    /// A view of a value that is the same along the reduced axes costs nothing to read again.
    bool broadcasts_kept(NodeId node) const {
        const std::vector<Edge> edges = edges_of(function_, node);
        const Dims& dims = function_.module().dims;
        for (DimId result : edges[0].results)
            for (u32 axis = 0; axis < group_.domain.size(); ++axis)
                if (group_.reduced[axis] && dims.mentions_axis(result, axis)) return false;
        return !edges[0].bounded;
    }

    const Function& function_;
    const Fusion& fusion_;
    const Group& group_;
    Phases phases_;
    std::map<u32, u32> ready_;
    std::map<u32, u32> first_loop_;
};

} // namespace

Phases phases_of(const Function& function, const Fusion& fusion, const Group& group) {
    return PhaseFinder(function, fusion, group).run();
}

CarriedArrays carried_arrays(const Function& function, const Phases& phases) {
    std::map<u32, u32> last_read; // by value, the phase
    for (u32 loop = 0; loop < phases.loops.size(); ++loop)
        for (NodeId node : phases.loops[loop].reads) last_read[node.value] = loop;
    CarriedArrays arrays;
    std::vector<u32> busy_until; // by array, the phase that reads it last
    for (u32 loop = 0; loop < phases.loops.size(); ++loop)
        for (NodeId node : phases.loops[loop].carries) {
            u32 array = 0;
            while (array < busy_until.size() &&
                   (busy_until[array] > loop || arrays.dtypes[array] != function.dtype(node)))
                ++array;
            if (array == busy_until.size()) {
                busy_until.push_back(0);
                arrays.dtypes.push_back(function.dtype(node));
            }
            busy_until[array] = last_read[node.value];
            arrays.of.emplace_back(node, array);
        }
    return arrays;
}

} // namespace heddle::passes
