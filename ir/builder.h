#pragma once
// Making graph nodes with their type rules: each function checks its operands, infers the result's type and records the
// node. Errors are ShapeError and DtypeError without a location, which callers add (the parser a line of text, the
// frontend a line of the user's source). Sizes that must be equal are equal expressions, or equal by the function's facts.

#include "ir/function.h"

namespace heddle::ir {

/// Type of a node from its operands and attributes: the op's rule. Throws ShapeError or DtypeError. Ops whose regions decide
/// (reduce, while, cond, for, if) take `region_types`, the types the first region yields.
TypeId infer_type(Function& function, Op op, std::span<const NodeId> operands, AttributesId attributes,
                  std::span<const TypeId> region_types = {});

/// Graph-level construction. Elementwise operands have one shape, or are rank 0.
class Builder {
public:
    explicit Builder(Function& function) : function_(&function) {}

    Function& function() { return *function_; }
    /// Location of the nodes made from now on.
    LocationId location;

    NodeId make(Op op, std::span<const NodeId> operands, const AttributeList& attributes = {});
    NodeId unary(Op op, NodeId a) { return make(op, std::span(&a, 1)); }
    NodeId binary(Op op, NodeId a, NodeId b);
    NodeId ternary(Op op, NodeId a, NodeId b, NodeId c);

    NodeId constant(Dtype dtype, u64 bits);
    /// A constant of a floating or integer dtype, rounded as a conversion rounds.
    NodeId number(Dtype dtype, double value);
    NodeId number(Dtype dtype, i64 value);
    NodeId constant(Dtype dtype, std::span<const DimId> shape, std::span<const u64> bits);
    NodeId iota(Dtype dtype, std::span<const DimId> shape, u32 axis);
    NodeId dim(Dtype dtype, DimId extent);
    NodeId cast(NodeId a, Dtype dtype);
    NodeId bitcast(NodeId a, Dtype dtype);
    NodeId broadcast(NodeId a, std::span<const DimId> shape, std::span<const i64> dims);
    NodeId reshape(NodeId a, std::span<const DimId> shape);
    NodeId transpose(NodeId a, std::span<const i64> permutation);
    NodeId slice(NodeId a, std::span<const DimId> start, std::span<const DimId> step,
                 std::span<const DimId> shape);
    NodeId flip(NodeId a, std::span<const i64> axes);
    NodeId pad(NodeId a, NodeId value, std::span<const DimId> low, std::span<const DimId> high,
               std::span<const DimId> interior);
    NodeId concatenate(std::span<const NodeId> parts, u32 axis);
    NodeId view(NodeId a, const IndexMap& map, std::span<const DimId> shape);
    NodeId reduce(Op op, NodeId a, std::span<const i64> axes, bool keepdims);
    /// contract and batch list axes of a, then the matching axes of b.
    NodeId dot(NodeId a, NodeId b, std::span<const i64> contract, std::span<const i64> batch);
    NodeId gather(NodeId a, std::span<const NodeId> indices);

private:
    Function* function_;
};

} // namespace heddle::ir
