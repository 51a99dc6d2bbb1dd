#include "passes/lower/team.h"

#include <algorithm>

namespace heddle::passes {

using namespace ir;

std::vector<NodeId> Team::join_lanes(const Reducer& reducer, std::vector<NodeId> state, u32 low, u32 high) {
    for (u32 mask = low; mask < high; mask *= 2) {
        std::vector<NodeId> other;
        for (NodeId part : state) other.push_back(kernel_.subgroup_shuffle_xor(part, mask));
        state = reducer.join(kernel_, state, other);
    }
    return state;
}

NodeId Team::scratch(Dtype dtype, u32 number) {
    NodeId& array = arrays_[{dtype, number}];
    if (!array.valid()) array = kernel_.shared(dtype, 1, std::max(1u, block_ / subgroup_));
    return array;
}

void Team::reserve(const Reducer& reducer) {
    reserved_ = true;
    for (u32 k = 0; k < reducer.size(); ++k) scratch(reducer.dtype(k), k);
}

/// For one join. Of arrays of its own all that is known is known of this join.
std::vector<NodeId> Team::scratch_for(std::span<const NodeId> state) {
    std::vector<NodeId> arrays;
    for (u32 k = 0; k < state.size(); ++k)
        arrays.push_back(scratch(kernel_.dtype(state[k]), reserved_ ? k : arrays_taken_++));
    return arrays;
}

std::vector<NodeId> Team::join_block(const Reducer& reducer, std::vector<NodeId> state) {
    if (const auto op = reducer.joining_op())
        return {kernel_.block_reduce(state[0], scratch_for(state)[0], *op)};
    state = join_lanes(reducer, std::move(state), 1, subgroup_);
    return block_ == subgroup_ ? state : join_subgroups(reducer, std::move(state));
}

/// One state a subgroup goes through shared memory; every invocation joins them in order.
std::vector<NodeId> Team::join_subgroups(const Reducer& reducer, std::vector<NodeId> state) {
    const std::vector<NodeId> arrays = scratch_for(state);
    kernel_.if_then(kernel_.binary(Op::eq, kernel_.lane_index(), kernel_.index(0)), [&] {
        for (std::size_t k = 0; k < state.size(); ++k)
            kernel_.store(state[k], arrays[k], kernel_.subgroup_index());
        return std::vector<NodeId>{};
    });
    kernel_.barrier(BarrierScope::block, true, false);
    std::vector<NodeId> first;
    for (NodeId array : arrays) first.push_back(kernel_.load(array, kernel_.index(0), 1));
    std::vector<NodeId> joined =
        kernel_.for_loop(kernel_.index(1), kernel_.index(block_ / subgroup_), kernel_.index(1), first,
                         [&](NodeId k, std::span<const NodeId> carried) {
                             std::vector<NodeId> other;
                             for (NodeId array : arrays) other.push_back(kernel_.load(array, k, 1));
                             return reducer.join(kernel_, carried, other);
                         });
    // Another join may write the arrays, or the next iteration of a loop around this one.
    kernel_.barrier(BarrierScope::block, true, false);
    return joined;
}

} // namespace heddle::passes
