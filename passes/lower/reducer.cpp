#include "passes/lower/reducer.h"

#include "support/numeric.h"

#include <heddle/error.h>

#include <algorithm>
#include <map>
#include <set>

namespace heddle::passes {

using namespace ir;

namespace {

std::optional<Op> op_of(Op reduction) {
    switch (reduction) {
    case Op::sum: return Op::add;
    case Op::prod: return Op::mul;
    case Op::reduce_max: return Op::maximum;
    case Op::reduce_max_number: return Op::maximum_number;
    case Op::reduce_min: return Op::minimum;
    case Op::all: return Op::bit_and;
    case Op::any: return Op::bit_or;
    default: return std::nullopt;
    }
}

u64 identity_bits(Op reduction, Dtype dtype) {
    switch (reduction) {
    case Op::prod: return bits_of(dtype, i64{1});
    case Op::reduce_max:
    case Op::reduce_max_number: return lowest_bits(dtype);
    case Op::reduce_min: return highest_bits(dtype);
    case Op::all: return 1;
    default: return 0;
    }
}

/// Copies what a region of scalar graph code yields into the kernel, on vectors if the arguments are.
class InlinedRegion {
public:
    /// `known_false`: nodes of the region that are.
    InlinedRegion(KernelBuilder& kernel, const Function& graph, const Region& region,
                  std::span<const NodeId> arguments, std::set<u32> known_false)
        : kernel_(kernel), graph_(graph), region_(region), false_(std::move(known_false)) {
        for (std::size_t k = 0; k < arguments.size(); ++k) made_[region.parameters[k]] = arguments[k];
    }

    std::vector<NodeId> yields() {
        simplify();
        for (NodeId id : region_.body)
            if (needed_.contains(id.value)) made_[id] = make(id);
        std::vector<NodeId> results;
        for (NodeId id : region_.yields) results.push_back(find(id));
        return results;
    }

private:
    /// What is false, and what equals one of its operands since the other is; then what is left to compute.
    void simplify() {
        for (NodeId id : region_.body) {
            const Op op = graph_.op(id);
            if (op != Op::bit_and && op != Op::bit_or) continue;
            const NodeId a = same(graph_.operand(id, 0)), b = same(graph_.operand(id, 1));
            if (op == Op::bit_and && (is_false(a) || is_false(b))) false_.insert(id.value);
            if (op == Op::bit_or && is_false(a)) same_[id.value] = b;
            if (op == Op::bit_or && is_false(b)) same_[id.value] = a;
        }
        for (NodeId id : region_.yields) needed_.insert(same(id).value);
        for (auto id = region_.body.rbegin(); id != region_.body.rend(); ++id)
            if (needed_.contains(id->value) && !is_false(*id))
                for (NodeId operand : graph_.operands(*id)) needed_.insert(same(operand).value);
    }

    bool is_false(NodeId id) const { return false_.contains(id.value); }
    NodeId same(NodeId id) const {
        const auto known = same_.find(id.value);
        return known == same_.end() ? id : known->second;
    }

    NodeId find(NodeId id) const {
        id = same(id);
        if (is_false(id)) return kernel_.boolean(false);
        if (graph_.op(id) == Op::constant)
            return kernel_.constant(graph_.dtype(id), static_cast<u64>(graph_.payload(id, Key::value)[0]));
        const auto known = made_.find(id);
        if (known == made_.end()) throw InternalError("the region of a reduction reads a value from outside");
        return known->second;
    }

    NodeId make(NodeId id) const {
        const Op op = graph_.op(id);
        if (op == Op::constant || is_false(id)) return {};
        std::vector<NodeId> operands;
        for (NodeId operand : graph_.operands(id)) operands.push_back(find(operand));
        if (op == Op::cast) return kernel_.cast(operands[0], graph_.dtype(id));
        if (op == Op::bitcast) return kernel_.bitcast(operands[0], graph_.dtype(id));
        if (operands.size() == 1) return kernel_.unary(op, operands[0]);
        if (operands.size() == 2) return kernel_.binary(op, operands[0], operands[1]);
        return kernel_.ternary(op, operands[0], operands[1], operands[2]);
    }

    KernelBuilder& kernel_;
    const Function& graph_;
    const Region& region_;
    std::set<u32> false_, needed_;
    std::map<u32, NodeId> same_;
    std::unordered_map<NodeId, NodeId> made_;
};

/// Is this `place of the element < place of the state`? `count`: parts of a state, `part`: which of them the place is.
bool asks_which_is_lower(const Function& graph, const Region& region, NodeId id, std::size_t count,
                         u32 part) {
    const NodeId state = region.parameters[part], element = region.parameters[count + part];
    const Op op = graph.op(id);
    if (op != Op::lt && op != Op::gt) return false;
    return graph.operand(id, op == Op::lt ? 0 : 1) == element &&
           graph.operand(id, op == Op::lt ? 1 : 0) == state;
}

} // namespace

Reducer::Reducer(const Function& graph, NodeId reduction)
    : graph_(graph), node_(reduction), op_(op_of(graph.op(reduction))) {
    const std::vector<NodeId> in = operands();
    for (NodeId operand : in) dtypes_.push_back(graph.dtype(operand));
    if (op_) return;
    const Region& region = graph.region(node_, 0);
    const std::span<const i64> axes = graph.payload(node_, Key::axes);
    for (u32 part = 0; part < in.size(); ++part) {
        if (graph.op(in[part]) != Op::iota || axes.size() != 1 ||
            graph.integer(in[part], Key::axis) != axes[0])
            continue;
        if (std::ranges::any_of(region.body, [&](NodeId id) {
                return asks_which_is_lower(graph, region, id, in.size(), part);
            }))
            places_.push_back(part);
    }
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
    return InlinedRegion(kernel, graph_, graph_.region(node_, 0), arguments, {}).yields();
}

std::vector<NodeId> Reducer::join_next(KernelBuilder& kernel, std::span<const NodeId> a,
                                       std::span<const NodeId> b) const {
    if (places_.empty()) return join(kernel, a, b);
    std::vector<NodeId> arguments(a.begin(), a.end());
    arguments.insert(arguments.end(), b.begin(), b.end());
    const Region& region = graph_.region(node_, 0);
    std::set<u32> known_false;
    for (NodeId id : region.body)
        for (u32 part : places_)
            if (asks_which_is_lower(graph_, region, id, size(), part)) known_false.insert(id.value);
    return InlinedRegion(kernel, graph_, region, arguments, std::move(known_false)).yields();
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
