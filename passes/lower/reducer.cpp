#include "passes/lower/reducer.h"

#include "support/numeric.h"

#include <heddle/error.h>

namespace heddle::passes {

using namespace ir;

namespace {

std::optional<Op> op_of(Op reduction) {
    switch (reduction) {
    case Op::sum: return Op::add;
    case Op::prod: return Op::mul;
    case Op::reduce_max: return Op::maximum;
    case Op::reduce_min: return Op::minimum;
    case Op::all: return Op::bit_and;
    case Op::any: return Op::bit_or;
    default: return std::nullopt;
    }
}

u64 identity_bits(Op reduction, Dtype dtype) {
    switch (reduction) {
    case Op::prod: return bits_of(dtype, i64{1});
    case Op::reduce_max: return lowest_bits(dtype);
    case Op::reduce_min: return highest_bits(dtype);
    case Op::all: return 1;
    default: return 0;
    }
}

/// Copies a region of scalar graph code into the kernel, on vectors if the arguments are.
std::vector<NodeId> inline_region(KernelBuilder& kernel, const Function& graph, const Region& region,
                                  std::span<const NodeId> arguments) {
    std::unordered_map<NodeId, NodeId> made;
    for (std::size_t k = 0; k < arguments.size(); ++k) made[region.parameters[k]] = arguments[k];
    auto find = [&](NodeId id) {
        if (graph.op(id) == Op::constant)
            return kernel.constant(graph.dtype(id), static_cast<u64>(graph.payload(id, Key::value)[0]));
        const auto known = made.find(id);
        if (known == made.end()) throw InternalError("the region of a reduction reads a value from outside");
        return known->second;
    };
    for (NodeId id : region.body) {
        const Op op = graph.op(id);
        if (op == Op::constant) continue;
        std::vector<NodeId> operands;
        for (NodeId operand : graph.operands(id)) operands.push_back(find(operand));
        if (op == Op::cast)
            made[id] = kernel.cast(operands[0], graph.dtype(id));
        else if (op == Op::bitcast)
            made[id] = kernel.bitcast(operands[0], graph.dtype(id));
        else if (operands.size() == 1)
            made[id] = kernel.unary(op, operands[0]);
        else if (operands.size() == 2)
            made[id] = kernel.binary(op, operands[0], operands[1]);
        else
            made[id] = kernel.ternary(op, operands[0], operands[1], operands[2]);
    }
    std::vector<NodeId> results;
    for (NodeId id : region.yields) results.push_back(find(id));
    return results;
}

} // namespace

Reducer::Reducer(const Function& graph, NodeId reduction)
    : graph_(graph), node_(reduction), op_(op_of(graph.op(reduction))) {
    for (NodeId operand : operands()) dtypes_.push_back(graph.dtype(operand));
}

std::vector<NodeId> Reducer::operands() const {
    const std::span<const NodeId> all = graph_.operands(node_);
    const std::size_t count = op_ ? 1 : all.size() / 2;
    return {all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count)};
}

std::vector<NodeId> Reducer::identity(KernelBuilder& kernel, u32 width) const {
    std::vector<NodeId> state;
    for (std::size_t k = 0; k < dtypes_.size(); ++k) {
        u64 bits = identity_bits(graph_.op(node_), dtypes_[k]);
        if (!op_) {
            const NodeId initial = graph_.operand(node_, static_cast<u32>(dtypes_.size() + k));
            if (graph_.op(initial) != Op::constant)
                throw InternalError("the initial value of a reduction is no constant");
            bits = static_cast<u64>(graph_.payload(initial, Key::value)[0]);
        }
        state.push_back(kernel.splat(kernel.constant(dtypes_[k], bits), width));
    }
    return state;
}

std::vector<NodeId> Reducer::join(KernelBuilder& kernel, std::span<const NodeId> a,
                                  std::span<const NodeId> b) const {
    if (op_) return {kernel.binary(*op_, a[0], b[0])};
    std::vector<NodeId> arguments(a.begin(), a.end());
    arguments.insert(arguments.end(), b.begin(), b.end());
    return inline_region(kernel, graph_, graph_.region(node_, 0), arguments);
}

std::vector<NodeId> Reducer::join_lanes(KernelBuilder& kernel, std::span<const NodeId> state) const {
    if (op_) return {kernel.vector_reduce(state[0], *op_)};
    std::vector<NodeId> current(state.begin(), state.end());
    for (u32 width = kernel.width(current[0]); width > 1; width /= 2) {
        std::vector<i64> low(width / 2), high(width / 2);
        for (u32 k = 0; k < width / 2; ++k) low[k] = k, high[k] = k + width / 2;
        std::vector<NodeId> a, b;
        for (NodeId part : current) {
            a.push_back(width == 2 ? kernel.extract(part, 0) : kernel.shuffle(part, part, low));
            b.push_back(width == 2 ? kernel.extract(part, 1) : kernel.shuffle(part, part, high));
        }
        current = join(kernel, a, b);
    }
    return current;
}

void define_reduction(Evaluator& evaluator, NodeId reduction, std::span<const NodeId> state) {
    const Function& graph = evaluator.source().graph;
    if (state.size() == 1) return evaluator.define(reduction, state[0]);
    for (NodeId user : evaluator.source().group.nodes)
        if (graph.op(user) == Op::result && graph.operand(user, 0) == reduction)
            evaluator.define(user, state[static_cast<std::size_t>(graph.integer(user, Key::at))]);
}

} // namespace heddle::passes
