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
    return axes.empty() ? product : builder.reduce(Op::sum, product, axes, false);
}

/// A reduction whose axes all have size 1 gives its operand back.
NodeId drop_unit_reduction(Rewriter& rewriter, NodeId old) {
    const Function& from = rewriter.from();
    const std::span<const DimId> shape = from.shape(from.operand(old, 0));
    const auto is_unit = [&](i64 axis) {
        return from.module().dims.is_constant(shape[static_cast<std::size_t>(axis)], 1);
    };
    if (!std::ranges::all_of(from.payload(old, Key::axes), is_unit)) return {};
    Builder builder(rewriter.to());
    builder.location = from[old].location;
    const bool several = from.type(old).kind == TypeKind::tuple;
    if (!several) return builder.reshape(rewriter.mapped(from.operand(old, 0)), from.shape(old));
    const std::vector<TypeId> members = from.type(old).members;
    NodeId last;
    for (u32 k = 0; k < members.size(); ++k) {
        last = builder.reshape(rewriter.mapped(from.operand(old, k)), from.module().types[members[k]].shape);
        rewriter.map_result(old, k, last);
    }
    return last;
}

} // namespace

Function& expand(Function& function) {
    return rewrite(function, [](Rewriter& rewriter, NodeId old) -> NodeId {
        const Op op = rewriter.from().op(old);
        if (op == Op::dot) return expand_dot(rewriter, old);
        if (info(op).kind == OpKind::reduction) return drop_unit_reduction(rewriter, old);
        return {};
    });
}

} // namespace heddle::passes
