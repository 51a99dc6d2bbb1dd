#include "passes/fuse/edges.h"

#include <algorithm>

namespace heddle::passes {

using namespace ir;

std::vector<DimId> squeeze(const Module& module, std::span<const DimId> shape) {
    std::vector<DimId> result;
    for (DimId extent : shape)
        if (!module.dims.is_constant(extent, 1)) result.push_back(extent);
    return result;
}

std::size_t squeezed_rank(const Module& module, std::span<const DimId> shape) {
    return static_cast<std::size_t>(
        std::ranges::count_if(shape, [&](DimId extent) { return !module.dims.is_constant(extent, 1); }));
}

bool is_reduction(Op op) { return info(op).kind == OpKind::reduction; }

std::vector<DimId> domain_of(const Function& function, NodeId node) {
    const NodeId shaped = is_reduction(function.op(node)) ? function.operand(node, 0) : node;
    return squeeze(function.module(), function.shape(shaped));
}

std::vector<bool> reduced_axes(const Function& function, NodeId reduction) {
    const std::span<const DimId> shape = function.shape(function.operand(reduction, 0));
    std::vector<bool> flags(shape.size()), result;
    for (i64 axis : function.payload(reduction, Key::axes)) flags[axis] = true;
    for (u32 k = 0; k < shape.size(); ++k)
        if (!function.module().dims.is_constant(shape[k], 1)) result.push_back(flags[k]);
    return result;
}

std::vector<bool> free_nodes(const Function& function) {
    constexpr u32 limit = 32; // ops copied to each reader
    std::vector<bool> free(function.size());
    std::vector<u32> weight(function.size());
    for (u32 k = 0; k < function.size(); ++k) {
        const NodeId id{k};
        const Op op = function.op(id);
        if (op == Op::constant) {
            free[k] = function.shape(id).empty();
        } else if (op == Op::iota || op == Op::dim) {
            free[k] = true;
        } else if (is_elementwise(op) || op == Op::view) {
            bool all = true;
            u32 sum = 1;
            for (NodeId operand : function.operands(id)) {
                all &= free[operand.value];
                sum += weight[operand.value];
            }
            free[k] = all && sum <= limit;
            weight[k] = sum;
        }
    }
    return free;
}

namespace {

/// Index of a reader's axes without unit axes: where each axis went, units to 0.
std::vector<DimId> squeezed_axes(Dims& dims, std::span<const DimId> shape) {
    std::vector<DimId> axes;
    u32 next = 0;
    for (DimId extent : shape)
        axes.push_back(dims.is_constant(extent, 1) ? dims.constant(0) : dims.axis(next++));
    return axes;
}

void follow(const Function& function, NodeId operand, std::vector<DimId> index, bool random,
            std::vector<Edge>& edges) {
    Dims& dims = function.module().dims;
    Edge edge;
    edge.random = random;
    while (function.op(operand) == Op::view) {
        const IndexMap& map = function.module()[MapId{static_cast<u32>(function.integer(operand, Key::map))}];
        edge.bounded |= !map.valid.empty();
        std::vector<DimId> source;
        for (DimId result : map.results) source.push_back(dims.substitute(result, index));
        index = std::move(source);
        operand = function.operand(operand, 0);
    }
    edge.producer = operand;
    const std::span<const DimId> shape = function.shape(operand);
    for (u32 k = 0; k < shape.size(); ++k)
        if (!dims.is_constant(shape[k], 1))
            edge.results.push_back(index.empty() ? dims.constant(0) : index[k]);
    edges.push_back(std::move(edge));
}

} // namespace

std::vector<Edge> edges_of(const Function& function, NodeId node) {
    Dims& dims = function.module().dims;
    std::vector<Edge> edges;
    const Op op = function.op(node);
    if (op == Op::view) { // a view that is a result: copies
        follow(function, node, squeezed_axes(dims, function.shape(node)), false, edges);
        return edges;
    }
    if (op == Op::custom) { // whole arrays, in memory; constants lie there in any case
        for (NodeId operand : function.operands(node))
            if (!function.is_constant(operand)) edges.push_back({operand, {}, false, true});
        return edges;
    }
    const NodeId shaped = is_reduction(op) ? function.operand(node, 0) : node;
    const std::vector<DimId> axes =
        op == Op::result ? std::vector<DimId>{} : squeezed_axes(dims, function.shape(shaped));
    u32 position = 0;
    for (NodeId operand : function.operands(node)) {
        const bool random = op == Op::gather && position == 0;
        ++position;
        if (op == Op::result) {
            edges.push_back({operand, {}, false, false});
            continue;
        }
        const bool scalar = function.shape(operand).empty();
        follow(function, operand, scalar || random ? std::vector<DimId>{} : axes, random, edges);
    }
    return edges;
}

} // namespace heddle::passes
