#include "passes/value_flow.h"

namespace heddle::passes {

using ir::NodeId;
using ir::Op;

ValueFlow::ValueFlow(const ir::Function& kernel)
    : kernel_(kernel), place_(kernel.size()), sources_(kernel.size()), results_(kernel.size()) {
    for (u32 k = 0; k < kernel.size(); ++k) {
        const NodeId node{k};
        if (kernel.op(node) != Op::result) continue;
        const auto number = static_cast<std::size_t>(kernel.integer(node, ir::Key::at));
        std::vector<NodeId>& results = results_[kernel.operand(node, 0).value];
        if (results.size() <= number) results.resize(number + 1);
        results[number] = node;
    }
    for (u32 k = 0; k < kernel.size(); ++k) {
        const NodeId node{k};
        switch (kernel.op(node)) {
        case Op::for_loop:
        case Op::if_then: control(node); break;
        case Op::local:
        case Op::shared: place_[k] = true; break;
        case Op::store:
            if (const NodeId array = array_of(kernel.operand(node, 1)); array.valid())
                add(kernel.operand(node, 0), array);
            break;
        case Op::load:
            if (const NodeId array = array_of(kernel.operand(node, 0)); array.valid()) {
                add(array, node);
                if (kernel.operands(node).size() > 3) add(kernel.operand(node, 3), node);
            }
            break;
        default: break;
        }
    }
}

void ValueFlow::add(NodeId from, NodeId to) {
    flows_.push_back({from, to});
    sources_[to.value].push_back(from);
    place_[to.value] = true;
}

/// Bitcasts of arrays do not occur.
NodeId ValueFlow::array_of(NodeId memory) const {
    const Op op = kernel_.op(memory);
    return op == Op::local || op == Op::shared ? memory : NodeId{};
}

void ValueFlow::control(NodeId node) {
    const bool loop = kernel_.op(node) == Op::for_loop;
    for (u32 r = 0; r < kernel_[node].region_count; ++r) {
        const ir::Region& region = kernel_.region(node, r);
        for (std::size_t k = 0; k < region.yields.size(); ++k) {
            NodeId result = node;
            if (region.yields.size() > 1)
                result = k < results_[node.value].size() ? results_[node.value][k] : NodeId{};
            std::vector<NodeId> values{region.yields[k]};
            if (loop) values.push_back(kernel_.operand(node, static_cast<u32>(3 + k)));
            for (NodeId value : values) {
                if (result.valid()) add(value, result);
                if (loop) add(value, region.parameters[k + 1]);
            }
        }
    }
}

bool ValueFlow::moves(NodeId user, u32 place) const {
    switch (kernel_.op(user)) {
    case Op::for_loop: return place >= 3;
    case Op::result: return true;
    case Op::store: return place <= 1 && array_of(kernel_.operand(user, 1)).valid();
    case Op::load: return (place == 0 || place == 3) && array_of(kernel_.operand(user, 0)).valid();
    default: return false;
    }
}

} // namespace heddle::passes
