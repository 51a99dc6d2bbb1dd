#include "passes/graph/expand.h"

#include "ir/builder.h"
#include "passes/rewrite.h"

#include <algorithm>

namespace heddle::passes {
namespace {

using namespace ir;

/// Which axes of an operand of `dot` are batch, contracted and free, in order of use.
struct OperandAxes {
    std::vector<i64> batch, contract, free;
};

OperandAxes operand_axes(const Function& from, NodeId dot, u32 operand) {
    auto half = [&](Key key) {
        const std::span<const i64> pairs = from.payload(dot, key);
        const std::span<const i64> mine = pairs.subspan(operand * pairs.size() / 2, pairs.size() / 2);
        return std::vector<i64>(mine.begin(), mine.end());
    };
    OperandAxes axes{half(Key::batch), half(Key::contract), {}};
    for (i64 k = 0; k < static_cast<i64>(from.shape(from.operand(dot, operand)).size()); ++k)
        if (std::ranges::find(axes.batch, k) == axes.batch.end() &&
            std::ranges::find(axes.contract, k) == axes.contract.end())
            axes.free.push_back(k);
    return axes;
}

/// Place of each operand axis in the product's shape: batch, free axes of a, then contracted and free axes of b in `order`.
std::vector<i64> places(const OperandAxes& axes, i64 free_at, i64 contract_at, std::size_t rank) {
    std::vector<i64> result(rank);
    for (std::size_t k = 0; k < axes.batch.size(); ++k) result[axes.batch[k]] = static_cast<i64>(k);
    for (std::size_t k = 0; k < axes.contract.size(); ++k)
        result[axes.contract[k]] = contract_at + static_cast<i64>(k);
    for (std::size_t k = 0; k < axes.free.size(); ++k) result[axes.free[k]] = free_at + static_cast<i64>(k);
    return result;
}

bool all_unit(const Dims& dims, std::span<const DimId> shape, std::span<const i64> axes) {
    return std::ranges::all_of(
        axes, [&](i64 axis) { return dims.is_constant(shape[static_cast<std::size_t>(axis)], 1); });
}

/// The sum over axes of size 1 alone, or over none. Sums start at +0, so one of -0 is +0.
NodeId sum_of_one(Builder& builder, NodeId value, std::span<const DimId> shape) {
    const NodeId one = builder.reshape(value, shape);
    const Dtype dtype = builder.function().dtype(one);
    return is_float(dtype) ? builder.binary(Op::add, one, builder.constant(dtype, u64{0})) : one;
}

NodeId expand_dot(Rewriter& rewriter, NodeId old) {
    const Function& from = rewriter.from();
    Builder builder(rewriter.to());
    builder.location = from[old].location;
    const OperandAxes a = operand_axes(from, old, 0), b = operand_axes(from, old, 1);
    const std::span<const DimId> shape_a = from.shape(from.operand(old, 0)),
                                 shape_b = from.shape(from.operand(old, 1));
    // Where b is contracted along its last axis, products lie next to each other along it; else along the last free axis of b.
    const bool contract_last =
        b.free.empty() || (!b.contract.empty() && b.contract.back() == static_cast<i64>(shape_b.size()) - 1);
    const i64 batch = static_cast<i64>(a.batch.size()), free_a = static_cast<i64>(a.free.size());
    const i64 free_b = static_cast<i64>(b.free.size()), contracted = static_cast<i64>(a.contract.size());
    const i64 contract_at = batch + free_a + (contract_last ? free_b : 0);
    const i64 free_b_at = batch + free_a + (contract_last ? 0 : contracted);

    std::vector<DimId> shape(static_cast<std::size_t>(batch + free_a + free_b + contracted));
    const std::vector<i64> places_a = places(a, batch, contract_at, shape_a.size());
    const std::vector<i64> places_b = places(b, free_b_at, contract_at, shape_b.size());
    for (std::size_t k = 0; k < shape_b.size(); ++k) shape[places_b[k]] = shape_b[k];
    for (std::size_t k = 0; k < shape_a.size(); ++k) shape[places_a[k]] = shape_a[k];
    const NodeId left = builder.broadcast(rewriter.mapped(from.operand(old, 0)), shape, places_a);
    const NodeId right = builder.broadcast(rewriter.mapped(from.operand(old, 1)), shape, places_b);
    std::vector<i64> axes;
    for (i64 k = 0; k < contracted; ++k) axes.push_back(contract_at + k);
    const NodeId product =
        builder.binary(from.dtype(old) == Dtype::boolean ? Op::bit_and : Op::mul, left, right);
    if (all_unit(from.module().dims, shape, axes)) return sum_of_one(builder, product, from.shape(old));
    return builder.reduce(Op::sum, product, axes, false);
}

/// The region of a reduce on its initial values and its only elements, as graph ops.
NodeId apply_region(Rewriter& rewriter, Builder& builder, NodeId old) {
    const Function& from = rewriter.from();
    const Region& region = from.region(old, 0);
    const u32 count = from[old].operand_count / 2;
    const bool several = from.type(old).kind == TypeKind::tuple;
    const auto shape_of = [&](u32 k) -> std::span<const DimId> {
        return several ? from.module().types[from.type(old).members[k]].shape : from.shape(old);
    };
    for (u32 k = 0; k < count; ++k) {
        rewriter.map(region.parameters[k], rewriter.mapped(from.operand(old, count + k)));
        rewriter.map(region.parameters[count + k],
                     builder.reshape(rewriter.mapped(from.operand(old, k)), shape_of(k)));
    }
    for (NodeId node : region.body) {
        const Op op = from.op(node);
        const std::vector<NodeId> operands = rewriter.mapped(from.operands(node));
        if (op == Op::constant)
            rewriter.map(node, builder.constant(from.dtype(node),
                                                static_cast<u64>(from.payload(node, Key::value)[0])));
        else if (op == Op::cast || op == Op::bitcast)
            rewriter.map(node, op == Op::cast ? builder.cast(operands[0], from.dtype(node))
                                              : builder.bitcast(operands[0], from.dtype(node)));
        else
            rewriter.map(node, builder.make(op, operands));
    }
    NodeId last;
    for (u32 k = 0; k < count; ++k) {
        last = rewriter.mapped(region.yields[k]);
        if (rewriter.to().shape(last).size() != shape_of(k).size())
            last = builder.broadcast(last, shape_of(k), {});
        if (several) rewriter.map_result(old, k, last);
    }
    return last;
}

/// A reduction over axes of size 1 alone is its operand, a sum that and 0; one with a region of its own joins each element with the initial values.
NodeId drop_unit_reduction(Rewriter& rewriter, NodeId old) {
    const Function& from = rewriter.from();
    if (!all_unit(from.module().dims, from.shape(from.operand(old, 0)), from.payload(old, Key::axes)))
        return {};
    Builder builder(rewriter.to());
    builder.location = from[old].location;
    if (from.op(old) == Op::reduce) return apply_region(rewriter, builder, old);
    const NodeId operand = rewriter.mapped(from.operand(old, 0));
    if (from.op(old) == Op::sum) return sum_of_one(builder, operand, from.shape(old));
    return builder.reshape(operand, from.shape(old));
}

/// A bool's bits are those of its byte; a byte is true unless it is 0.
NodeId expand_bool_bitcast(Rewriter& rewriter, NodeId old) {
    const Function& from = rewriter.from();
    const Dtype to = from.dtype(old);
    if (to != Dtype::boolean && from.dtype(from.operand(old, 0)) != Dtype::boolean) return {};
    Builder builder(rewriter.to());
    builder.location = from[old].location;
    return builder.cast(rewriter.mapped(from.operand(old, 0)), to);
}

} // namespace

Function& expand(Function& function) {
    return rewrite(function, [](Rewriter& rewriter, NodeId old) -> NodeId {
        const Op op = rewriter.from().op(old);
        if (op == Op::dot) return expand_dot(rewriter, old);
        if (op == Op::bitcast) return expand_bool_bitcast(rewriter, old);
        if (info(op).kind == OpKind::reduction) return drop_unit_reduction(rewriter, old);
        return {};
    });
}

} // namespace heddle::passes
