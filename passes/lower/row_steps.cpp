#include "passes/lower/row_steps.h"

#include <algorithm>

namespace heddle::passes {

using namespace ir;

std::vector<NodeId> RowSteps::carried() const {
    std::vector<NodeId> nodes;
    for (const Phase& phase : phases_.loops)
        nodes.insert(nodes.end(), phase.carries.begin(), phase.carries.end());
    return nodes;
}

RowState RowSteps::step(u32 loop, std::span<const NodeId> state, NodeId slot, bool stores, Order order) {
    KernelBuilder& kernel = evaluator_.kernel();
    const Phase& phase = phases_.loops[loop];
    for (NodeId node : phase.reads)
        if (const auto array = arrays_.find(node.value); array != arrays_.end()) {
            const NodeId carried = kernel.load(array->second, slot, width_);
            evaluator_.define(node, carried);
            if (const auto products = products_.find(node.value); products != products_.end())
                for (const auto& [value, factor] : products->second)
                    evaluator_.define(value, kernel.mul(carried, factor));
        }
    RowState next;
    for (NodeId node : phase.reductions) {
        const Evaluator::Place place(evaluator_, node);
        const Reducer reducer(source_.graph, node);
        const std::vector<NodeId> operands = reducer.operands();
        make_ready(evaluator_, operands);
        const RowState neutral = reducer.identity(kernel, width_);
        RowState values;
        for (std::size_t k = 0; k < operands.size(); ++k) {
            const std::vector<DimId> index = full_index(source_.graph, source_.domain, operands[k]);
            NodeId value = kernel.splat(evaluator_.value(operands[k], index), width_);
            if (evaluator_.inside().valid()) value = kernel.select(evaluator_.inside(), value, neutral[k]);
            values.push_back(value);
        }
        RowState joined;
        if (reducer.asks_order() && order == Order::first)
            joined = values;
        else if (order == Order::next)
            joined = reducer.join_next(kernel, state.subspan(next.size(), reducer.size()), values);
        else
            joined = reducer.join(kernel, state.subspan(next.size(), reducer.size()), values);
        next.insert(next.end(), joined.begin(), joined.end());
    }
    if (!stores) return next;
    make_ready(evaluator_, phase.stores);
    const bool whole = !evaluator_.inside().valid();
    for (NodeId node : phase.stores) evaluator_.store(node, evaluator_.value(node), stream_ && whole);
    for (NodeId node : phase.carries)
        if (const auto array = arrays_.find(node.value); array != arrays_.end())
            kernel.store(kernel.splat(evaluator_.value(node), width_), array->second, slot);
    return next;
}

bool RowSteps::asks_order(u32 loop) const {
    return std::ranges::any_of(phases_.loops[loop].reductions,
                               [&](NodeId node) { return Reducer(source_.graph, node).asks_order(); });
}

RowState RowSteps::neutral(u32 loop) const {
    RowState state;
    for (NodeId node : phases_.loops[loop].reductions) {
        const RowState part = Reducer(source_.graph, node).identity(evaluator_.kernel(), width_);
        state.insert(state.end(), part.begin(), part.end());
    }
    return state;
}

RowState RowSteps::join(u32 loop, std::span<const NodeId> a, std::span<const NodeId> b) const {
    RowState joined;
    for (NodeId node : phases_.loops[loop].reductions) {
        const Reducer reducer(source_.graph, node);
        const std::size_t at = joined.size();
        const RowState part =
            reducer.join(evaluator_.kernel(), a.subspan(at, reducer.size()), b.subspan(at, reducer.size()));
        joined.insert(joined.end(), part.begin(), part.end());
    }
    return joined;
}

RowState RowSteps::joined(u32 loop, std::span<const NodeId> state, const Across& across) const {
    RowState joined;
    for (NodeId node : phases_.loops[loop].reductions) {
        const Reducer reducer(source_.graph, node);
        RowState part = reducer.join_lanes(evaluator_.kernel(), state.subspan(joined.size(), reducer.size()));
        if (across) part = across(reducer, std::move(part));
        joined.insert(joined.end(), part.begin(), part.end());
    }
    return joined;
}

void RowSteps::define(u32 loop, std::span<const NodeId> states) {
    std::size_t place = 0;
    for (NodeId node : phases_.loops[loop].reductions) {
        const std::size_t size = Reducer(source_.graph, node).size();
        define_reduction(evaluator_, node, states.subspan(place, size));
        place += size;
    }
}

void RowSteps::kept(u32 loops, const std::function<void(NodeId, NodeId)>& store) {
    for (NodeId node : phases_.kept_values[loops]) evaluator_.value(node);
    for (std::size_t k = 0; k < phases_.kept_stores.size(); ++k)
        if (phases_.kept_after[k] == loops)
            store(phases_.kept_stores[k], evaluator_.value(phases_.kept_stores[k]));
}

} // namespace heddle::passes
