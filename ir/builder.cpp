#include "ir/builder.h"

#include "support/numeric.h"

#include <heddle/error.h>

#include <array>

namespace heddle::ir {

NodeId Builder::make(Op op, std::span<const NodeId> operands, const AttributeList& attributes) {
    const AttributesId id = function_->module().attributes.intern(attributes);
    return function_->make(op, infer_type(*function_, op, operands, id), operands, id, location);
}

NodeId Builder::binary(Op op, NodeId a, NodeId b) { return make(op, std::array{a, b}); }
NodeId Builder::ternary(Op op, NodeId a, NodeId b, NodeId c) { return make(op, std::array{a, b, c}); }

NodeId Builder::constant(Dtype dtype, u64 bits) { return constant(dtype, {}, std::span(&bits, 1)); }

NodeId Builder::number(Dtype dtype, double value) { return constant(dtype, bits_of(dtype, value)); }
NodeId Builder::number(Dtype dtype, i64 value) { return constant(dtype, bits_of(dtype, value)); }

NodeId Builder::constant(Dtype dtype, std::span<const DimId> shape, std::span<const u64> bits) {
    AttributeList list;
    list.bits(Key::value, bits)
        .type(Key::to, function_->module().types.tensor(dtype, shape))
        .dims(Key::shape, shape);
    return make(Op::constant, {}, list);
}

NodeId Builder::iota(Dtype dtype, std::span<const DimId> shape, u32 axis) {
    AttributeList list;
    list.integer(Key::axis, axis)
        .type(Key::to, function_->module().types.tensor(dtype, shape))
        .dims(Key::shape, shape);
    return make(Op::iota, {}, list);
}

NodeId Builder::dim(Dtype dtype, DimId extent) {
    AttributeList list;
    list.dim(Key::extent, extent).type(Key::to, function_->module().types.tensor(dtype, {}));
    return make(Op::dim, {}, list);
}

NodeId Builder::cast(NodeId a, Dtype dtype) {
    if (function_->dtype(a) == dtype) return a;
    AttributeList list;
    list.type(Key::to, function_->module().types.tensor(dtype, {}));
    return make(Op::cast, std::array{a}, list);
}

NodeId Builder::bitcast(NodeId a, Dtype dtype) {
    if (function_->dtype(a) == dtype) return a;
    AttributeList list;
    list.type(Key::to, function_->module().types.tensor(dtype, {}));
    return make(Op::bitcast, std::array{a}, list);
}

NodeId Builder::broadcast(NodeId a, std::span<const DimId> shape, std::span<const i64> dims) {
    AttributeList list;
    list.integers(Key::dims, dims).dims(Key::shape, shape);
    return make(Op::broadcast, std::array{a}, list);
}

NodeId Builder::reshape(NodeId a, std::span<const DimId> shape) {
    AttributeList list;
    list.dims(Key::shape, shape);
    return make(Op::reshape, std::array{a}, list);
}

NodeId Builder::transpose(NodeId a, std::span<const i64> permutation) {
    AttributeList list;
    list.integers(Key::permutation, permutation);
    return make(Op::transpose, std::array{a}, list);
}

NodeId Builder::slice(NodeId a, std::span<const DimId> start, std::span<const DimId> step,
                      std::span<const DimId> shape) {
    AttributeList list;
    list.dims(Key::start, start).dims(Key::step, step).dims(Key::shape, shape);
    return make(Op::slice, std::array{a}, list);
}

NodeId Builder::flip(NodeId a, std::span<const i64> axes) {
    AttributeList list;
    list.integers(Key::axes, axes);
    return make(Op::flip, std::array{a}, list);
}

NodeId Builder::pad(NodeId a, NodeId value, std::span<const DimId> low, std::span<const DimId> high,
                    std::span<const DimId> interior) {
    AttributeList list;
    list.dims(Key::low, low).dims(Key::high, high).dims(Key::interior, interior);
    return make(Op::pad, std::array{a, value}, list);
}

NodeId Builder::concatenate(std::span<const NodeId> parts, u32 axis) {
    AttributeList list;
    list.integer(Key::axis, axis);
    return make(Op::concatenate, parts, list);
}

NodeId Builder::view(NodeId a, const IndexMap& map, std::span<const DimId> shape) {
    AttributeList list;
    list.map(Key::map, function_->module().map(map)).dims(Key::shape, shape);
    return make(Op::view, std::array{a}, list);
}

NodeId Builder::reduce(Op op, NodeId a, std::span<const i64> axes, bool keepdims) {
    AttributeList list;
    list.integers(Key::axes, axes);
    if (keepdims) list.flag(Key::keepdims, true);
    return make(op, std::array{a}, list);
}

NodeId Builder::dot(NodeId a, NodeId b, std::span<const i64> contract, std::span<const i64> batch) {
    AttributeList list;
    list.integers(Key::contract, contract);
    if (!batch.empty()) list.integers(Key::batch, batch);
    return make(Op::dot, std::array{a, b}, list);
}

NodeId Builder::gather(NodeId a, std::span<const NodeId> indices) {
    std::vector<NodeId> operands{a};
    operands.insert(operands.end(), indices.begin(), indices.end());
    return make(Op::gather, operands);
}

} // namespace heddle::ir
