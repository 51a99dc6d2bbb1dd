#include "passes/lower/rescaled_sums.h"

#include "support/numeric.h"

#include <algorithm>
#include <limits>
#include <set>

namespace heddle::passes {

using namespace ir;

namespace {

bool is_maximum(Op op) { return op == Op::reduce_max || op == Op::reduce_max_number; }

/// A value that is broadcast, without the broadcast.
NodeId before_views(const Function& graph, NodeId node) {
    while (graph.op(node) == Op::view) node = graph.operand(node, 0);
    return node;
}

/// The reduction whose value this is where it is finite, and which is 0 elsewhere; else the value itself.
NodeId before_finite(const Function& graph, NodeId node) {
    if (graph.op(node) != Op::select) return node;
    const NodeId test = graph.operand(node, 0), value = graph.operand(node, 1),
                 other = graph.operand(node, 2);
    const bool is_zero = graph.op(other) == Op::constant && graph.payload(other, Key::value)[0] == 0;
    return graph.op(test) == Op::isfinite && graph.operand(test, 0) == value && is_zero ? value : node;
}

/// exp(x - max x), with a maximum of that phase.
std::optional<Rescaled> exponential(const Function& graph, const Phase& phase, NodeId node) {
    const Op op = graph.op(node);
    const Dtype dtype = graph.dtype(node);
    if ((op != Op::exp && op != Op::exp2) || (dtype != Dtype::f32 && dtype != Dtype::f64)) return {};
    const NodeId exponent = graph.operand(node, 0);
    if (graph.op(exponent) != Op::sub) return {};
    const NodeId under = before_views(graph, graph.operand(exponent, 1));
    const NodeId maximum = before_finite(graph, under);
    if (!is_maximum(graph.op(maximum)) || graph.operand(maximum, 0) != graph.operand(exponent, 0)) return {};
    if (std::ranges::find(phase.reductions, maximum) == phase.reductions.end()) return {};
    return Rescaled{node, maximum, {op, maximum != under}};
}

/// Is the value made from one of those?
bool depends_on(const Function& graph, NodeId node, std::span<const NodeId> reductions) {
    if (reductions.empty()) return false;
    const NodeId first = *std::ranges::min_element(reductions); // what stands before it does not read it
    std::vector<NodeId> work{node};
    std::set<u32> seen;
    while (!work.empty()) {
        const NodeId next = work.back();
        work.pop_back();
        if (std::ranges::find(reductions, next) != reductions.end()) return true;
        if (next < first || !seen.insert(next.value).second) continue;
        const std::span<const NodeId> operands = graph.operands(next);
        work.insert(work.end(), operands.begin(), operands.end());
    }
    return false;
}

void find_quotients(const Function& graph, const Group& group, RescaledPhase& phase) {
    for (NodeId node : group.nodes) {
        if (graph.op(node) != Op::div) continue;
        const NodeId sum = before_views(graph, graph.operand(node, 1));
        const auto above = std::ranges::find(phase.carries, graph.operand(node, 0), &Rescaled::value);
        const auto below = std::ranges::find(phase.sums, sum, &Rescaled::value);
        if (above == phase.carries.end() || below == phase.sums.end() || above->maximum != below->maximum)
            continue;
        phase.quotients.push_back({node, static_cast<u32>(above - phase.carries.begin()), sum});
    }
}

} // namespace

std::optional<RescaledPhase> rescaled_after(const Function& graph, const Group& group, const Phases& phases,
                                            u32 loop) {
    if (loop + 1 >= phases.loops.size()) return {};
    const Phase &before = phases.loops[loop], &phase = phases.loops[loop + 1];
    if (phase.reductions.empty() || !phase.stores.empty()) return {};
    RescaledPhase found;
    for (NodeId reduction : phase.reductions) {
        if (graph.op(reduction) != Op::sum) return {};
        const auto summed = exponential(graph, before, graph.operand(reduction, 0));
        if (!summed) return {};
        found.sums.push_back({reduction, summed->maximum, summed->scaling});
    }
    for (NodeId carried : phase.carries) {
        if (const auto scales = exponential(graph, before, carried); scales && !scales->scaling.finite)
            found.carries.push_back(*scales);
        else if (depends_on(graph, carried, before.reductions))
            return {};
    }
    const auto later = std::span(phases.loops).subspan(loop + 2);
    if (!found.carries.empty() &&
        std::ranges::any_of(later, [](const Phase& p) { return !p.reductions.empty(); }))
        return {};
    find_quotients(graph, group, found);
    return found;
}

NodeId offset_of_part(KernelBuilder& kernel, NodeId maximum) {
    const Dtype dtype = kernel.dtype(maximum);
    const NodeId lowest = kernel.constant(dtype, lowest_bits(dtype));
    return kernel.select(kernel.binary(Op::eq, maximum, lowest), kernel.number(dtype, 0), maximum);
}

NodeId factor_of_part(KernelBuilder& kernel, Scaling scaling, NodeId part, NodeId row) {
    const Dtype dtype = kernel.dtype(part);
    const NodeId zero = kernel.number(dtype, 0);
    const NodeId infinity = kernel.number(dtype, std::numeric_limits<double>::infinity());
    const NodeId lowest = kernel.constant(dtype, lowest_bits(dtype));
    const auto is = [&](NodeId value, NodeId what) { return kernel.binary(Op::eq, value, what); };
    if (scaling.finite) {
        const auto offset = [&](NodeId maximum) {
            return kernel.select(kernel.unary(Op::isfinite, maximum), maximum, zero);
        };
        const NodeId above = kernel.sub(offset(part), offset(row));
        return kernel.unary(scaling.exponential, kernel.select(is(part, lowest), lowest, above));
    }
    const NodeId both = kernel.binary(Op::bit_and, is(part, infinity), is(row, infinity));
    const NodeId below = kernel.select(both, zero, kernel.sub(part, row));
    return scaling.exponential == Op::exp ? kernel.exp_below(below, 0)
                                          : kernel.unary(scaling.exponential, below);
}

} // namespace heddle::passes
