#include "ir/builder.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace heddle::ir {
namespace {

/// One inference: the function, and what is known of the node to be.
struct Inference {
    Function& function;
    Op op;
    std::span<const NodeId> operands;
    AttributesId attributes;
    std::span<const TypeId> region_types;

    Module& module() const { return function.module(); }
    const Type& operand(u32 k) const { return function.type(operands[k]); }
    std::span<const i64> payload(Key key) const { return module().attributes.payload(attributes, key); }
    std::vector<DimId> dims(Key key) const { return module().attributes.dims(attributes, key); }
    std::string show(u32 k) const { return text(module().types, module().dims, function[operands[k]].type); }
    std::string show(DimId dim) const { return module().dims.text(dim); }
    DimId constant(i64 value) const { return module().dims.constant(value); }

    [[noreturn]] void bad_shape(const std::string& what) const {
        throw ShapeError(fmt::format("{}: {}", info(op).text, what));
    }
    [[noreturn]] void bad_dtype(const std::string& what) const {
        throw DtypeError(fmt::format("{}: {}", info(op).text, what));
    }
};

bool in_domain(OpDomain domain, Dtype dtype) {
    switch (domain) {
    case OpDomain::any: return true;
    case OpDomain::number: return dtype != Dtype::boolean;
    case OpDomain::floating: return is_float(dtype);
    case OpDomain::integer: return is_integer(dtype);
    case OpDomain::bits: return is_integer(dtype) || dtype == Dtype::boolean;
    case OpDomain::boolean: return dtype == Dtype::boolean;
    }
    return false;
}

std::string_view domain_text(OpDomain domain) {
    switch (domain) {
    case OpDomain::any: return "any dtype";
    case OpDomain::number: return "a number";
    case OpDomain::floating: return "a float";
    case OpDomain::integer: return "an integer";
    case OpDomain::bits: return "an integer or bool";
    case OpDomain::boolean: return "bool";
    }
    return "";
}

void check_arity(const Inference& in) {
    const int arity = info(in.op).arity;
    if (arity != variadic && static_cast<int>(in.operands.size()) != arity)
        throw ShapeError(fmt::format("{} takes {} operand{}, given {}", info(in.op).text, arity,
                                     arity == 1 ? "" : "s", in.operands.size()));
}

/// The operand whose shape (lanes, in a kernel) is the result's: the first that is not rank 0 (scalar).
u32 leading_operand(const Inference& in) {
    for (u32 k = 0; k < in.operands.size(); ++k) {
        const Type& type = in.operand(k);
        if (type.kind == TypeKind::tensor ? !type.shape.empty() : type.lanes > 1) return k;
    }
    return 0;
}

void check_same_shape(const Inference& in, u32 k, u32 leading) {
    const Type& type = in.operand(k);
    const Type& want = in.operand(leading);
    if (type.kind != want.kind)
        in.bad_shape(fmt::format("operands {} and {} do not mix", in.show(leading), in.show(k)));
    bool same = true;
    if (type.kind == TypeKind::tensor && !type.shape.empty()) {
        same = type.shape.size() == want.shape.size();
        for (u32 axis = 0; same && axis < type.shape.size(); ++axis)
            same = in.function.same_size(type.shape[axis], want.shape[axis]);
    } else if (type.kind == TypeKind::vector) {
        same = type.lanes == 1 || type.lanes == want.lanes;
    }
    if (!same) in.bad_shape(fmt::format("operands {} and {} differ in shape", in.show(leading), in.show(k)));
}

TypeId with_dtype(const Inference& in, u32 leading, Dtype dtype) {
    Type type = in.operand(leading);
    type.dtype = dtype;
    return in.module().types.intern(type);
}

TypeId infer_elementwise(const Inference& in) {
    const OpInfo& row = info(in.op);
    const u32 leading = leading_operand(in);
    const u32 first_value = in.op == Op::select ? 1 : 0;
    for (u32 k = 0; k < in.operands.size(); ++k) {
        check_same_shape(in, k, leading);
        const TypeKind kind = in.operand(k).kind;
        if (kind != TypeKind::tensor && kind != TypeKind::vector)
            in.bad_shape(fmt::format("operand {} is no value", in.show(k)));
    }
    const Dtype dtype = in.operand(first_value).dtype;
    if (in.op == Op::select && in.operand(0).dtype != Dtype::boolean)
        in.bad_dtype(fmt::format("the condition must be bool, given {}", name_of(in.operand(0).dtype)));
    for (u32 k = first_value; k < in.operands.size(); ++k) {
        if (in.operand(k).dtype != dtype)
            in.bad_dtype(fmt::format("operands of one dtype expected, given {} and {}", name_of(dtype),
                                     name_of(in.operand(k).dtype)));
    }
    if (!in_domain(row.domain, dtype))
        in.bad_dtype(fmt::format("takes {}, given {}", domain_text(row.domain), name_of(dtype)));
    return with_dtype(in, leading, row.kind == OpKind::predicate ? Dtype::boolean : dtype);
}

TypeId infer_convert(const Inference& in) {
    std::span<const i64> to = in.payload(Key::to);
    if (to.empty()) in.bad_dtype("the result's type is missing");
    const Dtype dtype = in.module().types[TypeId{static_cast<u32>(to[0])}].dtype;
    const Type& type = in.operand(0);
    if (in.op == Op::bitcast && type.kind == TypeKind::vector && type.dtype != Dtype::boolean) {
        // Lanes may be cut or joined: u32<2> has the bits of f16<4>.
        const std::size_t bytes = size_of(type.dtype) * type.lanes;
        if (bytes % size_of(dtype) == 0)
            return in.module().types.vector(dtype, static_cast<u32>(bytes / size_of(dtype)));
    }
    if (in.op == Op::bitcast && (size_of(dtype) != size_of(type.dtype)))
        in.bad_dtype(fmt::format("{} and {} differ in size", name_of(in.operand(0).dtype), name_of(dtype)));
    return with_dtype(in, 0, dtype);
}

u32 checked_axis(const Inference& in, i64 axis, std::size_t rank) {
    if (axis < 0 || axis >= static_cast<i64>(rank))
        in.bad_shape(fmt::format("axis {} is out of range for rank {}", axis, rank));
    return static_cast<u32>(axis);
}

std::vector<bool> axis_set(const Inference& in, std::span<const i64> axes, std::size_t rank) {
    std::vector<bool> set(rank);
    for (i64 axis : axes) {
        const u32 k = checked_axis(in, axis, rank);
        if (set[k]) in.bad_shape(fmt::format("axis {} is given twice", axis));
        set[k] = true;
    }
    return set;
}

TypeId infer_creation(const Inference& in) {
    const std::vector<DimId> shape = in.dims(Key::shape);
    std::span<const i64> to = in.payload(Key::to);
    if (to.empty()) in.bad_dtype("the result's type is missing");
    const Dtype dtype = in.module().types[TypeId{static_cast<u32>(to[0])}].dtype;
    if (!in_domain(info(in.op).domain, dtype))
        in.bad_dtype(fmt::format("gives {}, not {}", domain_text(info(in.op).domain), name_of(dtype)));
    if (in.op == Op::iota)
        checked_axis(in, in.module().attributes.integer(in.attributes, Key::axis), shape.size());
    return in.module().types.tensor(dtype, shape);
}

TypeId infer_broadcast(const Inference& in) {
    const Type& type = in.operand(0);
    const std::vector<DimId> shape = in.dims(Key::shape);
    std::span<const i64> dims = in.payload(Key::dims);
    if (dims.size() != type.shape.size())
        in.bad_shape(fmt::format("{} axes are mapped, the operand {} has {}", dims.size(), in.show(0),
                                 type.shape.size()));
    axis_set(in, dims, shape.size());
    for (u32 k = 0; k < dims.size(); ++k) {
        if (!in.module().dims.is_constant(type.shape[k], 1) &&
            !in.function.same_size(type.shape[k], shape[dims[k]]))
            in.bad_shape(fmt::format("axis {} of size {} does not stretch to {}", k, in.show(type.shape[k]),
                                     in.show(shape[dims[k]])));
    }
    return in.module().types.tensor(type.dtype, shape);
}

TypeId infer_reshape(const Inference& in) {
    const Type& type = in.operand(0);
    const std::vector<DimId> shape = in.dims(Key::shape);
    Dims& dims = in.module().dims;
    const DimId from = dims.product(type.shape), to = dims.product(shape);
    if (!in.function.same_size(from, to))
        in.bad_shape(
            fmt::format("{} holds {} elements, the new shape {}", in.show(0), in.show(from), in.show(to)));
    return in.module().types.tensor(type.dtype, shape);
}

TypeId infer_transpose(const Inference& in) {
    const Type& type = in.operand(0);
    std::span<const i64> permutation = in.payload(Key::permutation);
    if (permutation.size() != type.shape.size())
        in.bad_shape(fmt::format("a permutation of {} axes for {}", permutation.size(), in.show(0)));
    axis_set(in, permutation, type.shape.size());
    std::vector<DimId> shape;
    for (i64 axis : permutation) shape.push_back(type.shape[axis]);
    return in.module().types.tensor(type.dtype, shape);
}

TypeId infer_slice(const Inference& in) {
    const Type& type = in.operand(0);
    const std::vector<DimId> start = in.dims(Key::start), step = in.dims(Key::step),
                             shape = in.dims(Key::shape);
    if (start.size() != type.shape.size() || step.size() != start.size() || shape.size() != start.size())
        in.bad_shape(
            fmt::format("start, step and shape must have {} entries for {}", type.shape.size(), in.show(0)));
    Dims& dims = in.module().dims;
    const Assumptions assume{{}, in.function.facts};
    for (u32 k = 0; k < start.size(); ++k) {
        if (dims.is_constant(step[k], 0)) in.bad_shape(fmt::format("the step of axis {} is 0", k));
        if (const auto most = dims.upper_bound(shape[k], assume); most && *most <= 0)
            continue; // reads nothing
        const DimId last = dims.add(start[k], dims.mul(step[k], dims.sub(shape[k], in.constant(1))));
        for (DimId place : {start[k], last}) {
            const auto below = dims.upper_bound(place, assume);
            if ((below && *below < 0) || dims.prove_not_negative(dims.sub(place, type.shape[k]), assume))
                in.bad_shape(fmt::format("element {} of axis {} is out of range for size {}", in.show(place),
                                         k, in.show(type.shape[k])));
        }
    }
    return in.module().types.tensor(type.dtype, shape);
}

TypeId infer_pad(const Inference& in) {
    const Type& type = in.operand(0);
    const std::vector<DimId> low = in.dims(Key::low), high = in.dims(Key::high),
                             interior = in.dims(Key::interior);
    const std::size_t rank = type.shape.size();
    if (low.size() != rank || high.size() != rank || interior.size() != rank)
        in.bad_shape(fmt::format("low, high and interior must have {} entries for {}", rank, in.show(0)));
    if (!in.operand(1).shape.empty())
        in.bad_shape(fmt::format("the padding value must have rank 0, given {}", in.show(1)));
    if (in.operand(1).dtype != type.dtype)
        in.bad_dtype(fmt::format("padding {} with {}", name_of(type.dtype), name_of(in.operand(1).dtype)));
    Dims& dims = in.module().dims;
    std::vector<DimId> shape;
    for (u32 k = 0; k < rank; ++k) {
        // low + high + D + interior * max(D - 1, 0)
        const DimId gaps = dims.mul(interior[k], dims.maximum(dims.sub(type.shape[k], in.constant(1)),
                                                              in.constant(0), {{}, in.function.facts}));
        shape.push_back(dims.add(dims.add(low[k], high[k]), dims.add(type.shape[k], gaps)));
        if (const auto size = dims.as_constant(shape.back()); size && *size < 0)
            in.bad_shape(fmt::format("padding makes axis {} of size {}", k, *size));
    }
    return in.module().types.tensor(type.dtype, shape);
}

TypeId infer_concatenate(const Inference& in) {
    if (in.operands.empty()) in.bad_shape("takes at least one operand");
    Type type = in.operand(0);
    const u32 axis =
        checked_axis(in, in.module().attributes.integer(in.attributes, Key::axis), type.shape.size());
    for (u32 k = 1; k < in.operands.size(); ++k) {
        const Type& other = in.operand(k);
        if (other.dtype != type.dtype)
            in.bad_dtype(fmt::format("joins {} and {}", name_of(type.dtype), name_of(other.dtype)));
        bool fits = other.shape.size() == type.shape.size();
        for (u32 d = 0; fits && d < type.shape.size(); ++d)
            fits = d == axis || in.function.same_size(type.shape[d], other.shape[d]);
        if (!fits) in.bad_shape(fmt::format("{} and {} differ beside axis {}", in.show(0), in.show(k), axis));
        type.shape[axis] = in.module().dims.add(type.shape[axis], other.shape[axis]);
    }
    return in.module().types.intern(type);
}

TypeId infer_view(const Inference& in) {
    std::span<const i64> id = in.payload(Key::map);
    if (id.empty()) in.bad_shape("the map is missing");
    const IndexMap& map = in.module()[MapId{static_cast<u32>(id[0])}];
    const std::vector<DimId> shape = in.dims(Key::shape);
    if (map.axes != shape.size() || map.results.size() != in.operand(0).shape.size())
        in.bad_shape(fmt::format("a map of {} axes to {} does not read {} as rank {}", map.axes,
                                 map.results.size(), in.show(0), shape.size()));
    return in.module().types.tensor(in.operand(0).dtype, shape);
}

std::vector<DimId> reduced_shape(const Inference& in) {
    const Type& type = in.operand(0);
    const std::vector<bool> reduced = axis_set(in, in.payload(Key::axes), type.shape.size());
    const bool keep = in.module().attributes.integer(in.attributes, Key::keepdims) != 0;
    std::vector<DimId> shape;
    for (u32 k = 0; k < type.shape.size(); ++k) {
        if (!reduced[k])
            shape.push_back(type.shape[k]);
        else if (keep)
            shape.push_back(in.constant(1));
    }
    return shape;
}

TypeId infer_reduce_region(const Inference& in) {
    const std::size_t count = in.operands.size() / 2;
    if (count == 0 || in.operands.size() % 2 != 0) in.bad_shape("takes n operands and n initial values");
    const std::vector<DimId> shape = reduced_shape(in);
    std::vector<TypeId> types;
    for (u32 k = 0; k < count; ++k) {
        check_same_shape(in, k, 0);
        if (!in.operand(static_cast<u32>(count) + k).shape.empty() ||
            in.operand(static_cast<u32>(count) + k).dtype != in.operand(k).dtype)
            in.bad_shape(
                fmt::format("initial value {} must be rank 0 of {}", k, name_of(in.operand(k).dtype)));
        if (in.region_types.size() != count ||
            in.module().types[in.region_types[k]].dtype != in.operand(k).dtype)
            in.bad_dtype(fmt::format("the region must yield {} values of the operands' dtypes", count));
        types.push_back(in.module().types.tensor(in.operand(k).dtype, shape));
    }
    return types.size() == 1 ? types[0] : in.module().types.tuple(types);
}

TypeId infer_reduction(const Inference& in) {
    if (in.op == Op::reduce) return infer_reduce_region(in);
    const Dtype dtype = in.operand(0).dtype;
    if (!in_domain(info(in.op).domain, dtype))
        in.bad_dtype(fmt::format("takes {}, given {}", domain_text(info(in.op).domain), name_of(dtype)));
    return in.module().types.tensor(dtype, reduced_shape(in));
}

TypeId infer_dot(const Inference& in) {
    const Type &a = in.operand(0), &b = in.operand(1);
    if (a.dtype != b.dtype)
        in.bad_dtype(fmt::format("operands of one dtype expected, given {} and {}", name_of(a.dtype),
                                 name_of(b.dtype)));
    std::span<const i64> contract = in.payload(Key::contract), batch = in.payload(Key::batch);
    if (contract.size() % 2 != 0 || batch.size() % 2 != 0)
        in.bad_shape("contract and batch must list as many axes of a as of b");
    std::vector<bool> used_a(a.shape.size()), used_b(b.shape.size());
    std::vector<DimId> shape;
    auto take = [&](std::span<const i64> pairs, bool keep) {
        const std::size_t half = pairs.size() / 2;
        for (std::size_t k = 0; k < half; ++k) {
            const u32 i = checked_axis(in, pairs[k], a.shape.size()),
                      j = checked_axis(in, pairs[half + k], b.shape.size());
            if (used_a[i] || used_b[j]) in.bad_shape("an axis is used twice");
            used_a[i] = used_b[j] = true;
            if (!in.function.same_size(a.shape[i], b.shape[j]))
                in.bad_shape(fmt::format("{} and {} differ: axis {} of size {}, axis {} of size {}",
                                         in.show(0), in.show(1), i, in.show(a.shape[i]), j,
                                         in.show(b.shape[j])));
            if (keep) shape.push_back(a.shape[i]);
        }
    };
    take(batch, true);
    take(contract, false);
    for (u32 k = 0; k < a.shape.size(); ++k)
        if (!used_a[k]) shape.push_back(a.shape[k]);
    for (u32 k = 0; k < b.shape.size(); ++k)
        if (!used_b[k]) shape.push_back(b.shape[k]);
    return in.module().types.tensor(a.dtype, shape);
}

TypeId infer_gather(const Inference& in) {
    if (in.operands.empty() || in.operands.size() != in.operand(0).shape.size() + 1 || in.operands.size() < 2)
        in.bad_shape(fmt::format("takes one index operand for each axis of {}",
                                 in.operands.empty() ? "the operand" : in.show(0)));
    u32 leading = 1;
    for (u32 k = 1; k < in.operands.size(); ++k) {
        if (!is_integer(in.operand(k).dtype))
            in.bad_dtype(fmt::format("indices are integers, given {}", name_of(in.operand(k).dtype)));
        if (in.operand(leading).shape.empty()) leading = k;
    }
    for (u32 k = 1; k < in.operands.size(); ++k) check_same_shape(in, k, leading);
    return in.module().types.tensor(in.operand(0).dtype, in.operand(leading).shape);
}

TypeId infer_movement(const Inference& in) {
    switch (in.op) {
    case Op::broadcast: return infer_broadcast(in);
    case Op::reshape: return infer_reshape(in);
    case Op::transpose: return infer_transpose(in);
    case Op::slice: return infer_slice(in);
    case Op::flip:
        axis_set(in, in.payload(Key::axes), in.operand(0).shape.size());
        return in.function[in.operands[0]].type;
    case Op::pad: return infer_pad(in);
    case Op::concatenate: return infer_concatenate(in);
    default: return infer_view(in);
    }
}

/// The user's shape function gave the types when the op was recorded.
TypeId infer_custom(const Inference& in) {
    std::vector<TypeId> types;
    for (i64 id : in.payload(Key::to)) types.push_back(TypeId{static_cast<u32>(id)});
    if (types.empty()) in.bad_shape("gives at least one array");
    for (TypeId type : types)
        if (in.module().types[type].kind != TypeKind::tensor) in.bad_shape("gives arrays");
    for (u32 k = 0; k < in.operands.size(); ++k)
        if (in.function.has(in.operands[k], Key::number))
            in.bad_shape(fmt::format("operand {} is a number of the call, which lies in no memory", k));
    return types.size() == 1 ? types[0] : in.module().types.tuple(types);
}

/// Ops whose types their regions decide: the yields are checked by the verifier against parameters.
TypeId infer_control(const Inference& in) {
    if (in.region_types.empty()) return in.module().types.nothing();
    if (in.region_types.size() == 1) return in.region_types[0];
    return in.module().types.tuple(in.region_types);
}

} // namespace

TypeId infer_type(Function& function, Op op, std::span<const NodeId> operands, AttributesId attributes,
                  std::span<const TypeId> region_types) {
    const Inference in{function, op, operands, attributes, region_types};
    check_arity(in);
    switch (info(op).kind) {
    case OpKind::elementwise:
    case OpKind::predicate:
    case OpKind::choice: return infer_elementwise(in);
    case OpKind::convert: return infer_convert(in);
    case OpKind::creation: return infer_creation(in);
    case OpKind::movement: return infer_movement(in);
    case OpKind::reduction: return infer_reduction(in);
    case OpKind::contraction: return infer_dot(in);
    case OpKind::access: return infer_gather(in);
    case OpKind::custom: return infer_custom(in);
    case OpKind::control: return infer_control(in);
    case OpKind::special:
    case OpKind::index_math:
    case OpKind::vector:
    case OpKind::position:
    case OpKind::memory:
    case OpKind::synchronise: break;
    }
    throw InternalError(fmt::format("{} has no graph-level type rule", info(op).text));
}

} // namespace heddle::ir
