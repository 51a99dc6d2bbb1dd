#include "ir/kernel_rules.h"

#include "ir/builder.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <array>

namespace heddle::ir {
namespace {

struct Rule {
    Function& function;
    Op op;
    std::span<const NodeId> operands;
    AttributesId attributes;
    TypeId given;

    Types& types() const { return function.module().types; }
    /// A copy: interning a new type may move the table.
    Type operand(std::size_t k) const { return function.type(operands[k]); }
    TypeId operand_type(std::size_t k) const { return function[operands[k]].type; }
    std::string show(TypeId id) const { return text(types(), function.module().dims, id); }
    std::string show(std::size_t k) const { return show(operand_type(k)); }

    [[noreturn]] void bad(const std::string& what) const {
        throw ShapeError(fmt::format("{}: {}", info(op).text, what));
    }
    [[noreturn]] void bad_dtype(const std::string& what) const {
        throw DtypeError(fmt::format("{}: {}", info(op).text, what));
    }

    void arity(std::size_t least, std::size_t most) const {
        if (operands.size() >= least && operands.size() <= most) return;
        const std::string wanted =
            least == most ? fmt::format("{}", least) : fmt::format("{} to {}", least, most);
        bad(fmt::format("takes {} operand{}, given {}", wanted, most == 1 ? "" : "s", operands.size()));
    }
    Type value(std::size_t k) const {
        Type type = operand(k);
        if (type.kind != TypeKind::vector)
            bad(fmt::format("operand {} is {}, expected a scalar or a vector", k, show(k)));
        return type;
    }
    void expect(std::size_t k, TypeId type) const {
        if (operand_type(k) != type)
            bad(fmt::format("operand {} is {}, expected {}", k, show(k), show(type)));
    }
    void expect_index(std::size_t k) const { expect(k, types().scalar(Dtype::index)); }
    Type memory(std::size_t k) const {
        Type type = operand(k);
        if (type.kind != TypeKind::pointer && type.kind != TypeKind::array)
            bad(fmt::format("operand {} is {}, expected a pointer or an array", k, show(k)));
        return type;
    }
    i64 attribute(Key key) const { return function.module().attributes.integer(attributes, key); }
    Type written() const {
        if (!given.valid()) bad("the result's type is missing");
        return types()[given];
    }
};

void check_width(const Rule& rule, i64 lanes) {
    if (!is_lane_count(lanes))
        rule.bad(fmt::format("a vector of {} lanes; the width is a power of two up to 64", lanes));
}

/// The lanes of an access: as many as the index has, or the value when the index is a scalar (then contiguous).
void check_access(const Rule& rule, const Type& place, std::size_t index, const Type& value) {
    const Type at = rule.value(index);
    if (at.dtype != Dtype::index)
        rule.bad_dtype(fmt::format("the index is {}, expected index", rule.show(index)));
    if (value.dtype != place.dtype)
        rule.bad_dtype(
            fmt::format("accesses {} in memory of {}", name_of(value.dtype), name_of(place.dtype)));
    if (at.lanes != 1 && at.lanes != value.lanes)
        rule.bad(fmt::format("{} indices for {} lanes", at.lanes, value.lanes));
    if (place.kind == TypeKind::array && place.lanes != 1 && (value.lanes != place.lanes || at.lanes != 1))
        rule.bad(
            fmt::format("accesses {} lanes of an array whose elements have {}", value.lanes, place.lanes));
    check_width(rule, value.lanes);
}

void check_mask(const Rule& rule, std::size_t mask, u32 lanes) {
    const Type type = rule.value(mask);
    if (type.dtype != Dtype::boolean)
        rule.bad_dtype(fmt::format("the mask is {}, expected bool", rule.show(mask)));
    if (type.lanes != 1 && type.lanes != lanes)
        rule.bad(fmt::format("a mask of {} lanes for an access of {}", type.lanes, lanes));
}

TypeId load_type(const Rule& rule) {
    rule.arity(2, 4);
    if (rule.operands.size() == 3) rule.bad("a masked load needs a value for where the mask is false");
    const Type place = rule.memory(0), result = rule.written();
    if (result.kind != TypeKind::vector)
        rule.bad(fmt::format("gives a scalar or a vector, not {}", rule.show(rule.given)));
    check_access(rule, place, 1, result);
    if (rule.operands.size() == 4) {
        check_mask(rule, 2, result.lanes);
        const Type otherwise = rule.value(3);
        if (otherwise.dtype != result.dtype || (otherwise.lanes != 1 && otherwise.lanes != result.lanes))
            rule.bad_dtype(
                fmt::format("the value else is {}, expected {}", rule.show(3), rule.show(rule.given)));
    }
    return rule.given;
}

TypeId store_type(const Rule& rule) {
    rule.arity(3, 4);
    const Type value = rule.value(0);
    check_access(rule, rule.memory(1), 2, value);
    if (rule.operands.size() == 4) check_mask(rule, 3, value.lanes);
    return rule.types().nothing();
}

/// Memory that blocks publish to each other: whole words at one place.
Type published(const Rule& rule, std::size_t k) {
    const Type place = rule.memory(k);
    if (place.kind != TypeKind::pointer || (place.dtype != Dtype::u32 && place.dtype != Dtype::u64))
        rule.bad_dtype(fmt::format("operand {} is {}, expected a pointer to u32 or u64", k, rule.show(k)));
    rule.expect_index(k + 1);
    return place;
}

TypeId await_type(const Rule& rule) {
    rule.arity(2, 2);
    const Type place = published(rule, 0);
    if (rule.attribute(Key::tries) < 1) rule.bad("tries at least once");
    return rule.types().scalar(place.dtype);
}

TypeId publish_type(const Rule& rule) {
    rule.arity(3, 3);
    rule.expect(0, rule.types().scalar(published(rule, 1).dtype));
    return rule.types().nothing();
}

TypeId array_type(const Rule& rule) {
    rule.arity(0, 0);
    const Type type = rule.written();
    if (type.kind != TypeKind::array) rule.bad(fmt::format("gives an array, not {}", rule.show(rule.given)));
    if (rule.op == Op::shared && !rule.function.module().dims.as_constant(type.count))
        rule.bad(fmt::format("the size of {} is not constant", rule.show(rule.given)));
    check_width(rule, type.lanes);
    return rule.given;
}

TypeId memory_type(const Rule& rule) {
    switch (rule.op) {
    case Op::load: return load_type(rule);
    case Op::store: return store_type(rule);
    case Op::await: return await_type(rule);
    case Op::publish: return publish_type(rule);
    case Op::rebase:
        rule.arity(2, 2);
        if (rule.operand(0).kind != TypeKind::pointer)
            rule.bad(fmt::format("operand 0 is {}, expected a pointer", rule.show(std::size_t{0})));
        if (rule.operand_type(1) != rule.types().scalar(Dtype::i64)) rule.expect_index(1);
        return rule.operand_type(0);
    default: return array_type(rule);
    }
}

TypeId divmod_type(const Rule& rule) {
    rule.arity(3, 3);
    if (rule.value(0).dtype != Dtype::index)
        rule.bad_dtype(fmt::format("operand 0 is {}, expected index", rule.show(std::size_t{0})));
    rule.expect_index(1);
    rule.expect(2, rule.types().magic());
    return rule.types().tuple(std::array{rule.operand_type(0), rule.operand_type(0)});
}

TypeId lanes_type(const Rule& rule) {
    rule.arity(0, 0);
    const Type type = rule.written();
    if (type.kind != TypeKind::vector || type.dtype != Dtype::index)
        rule.bad(fmt::format("gives index<W>, not {}", rule.show(rule.given)));
    check_width(rule, type.lanes);
    return rule.given;
}

TypeId splat_type(const Rule& rule) {
    rule.arity(1, 1);
    const Type scalar = rule.value(0), type = rule.written();
    if (scalar.lanes != 1 || type.kind != TypeKind::vector || type.dtype != scalar.dtype)
        rule.bad(fmt::format("of {} to {}", rule.show(std::size_t{0}), rule.show(rule.given)));
    check_width(rule, type.lanes);
    return rule.given;
}

TypeId pack_type(const Rule& rule) {
    rule.arity(1, 64);
    for (std::size_t k = 0; k < rule.operands.size(); ++k) {
        if (rule.value(k).lanes != 1)
            rule.bad(fmt::format("operand {} is {}, expected a scalar", k, rule.show(k)));
        rule.expect(k, rule.operand_type(0));
    }
    check_width(rule, static_cast<i64>(rule.operands.size()));
    return rule.types().vector(rule.value(0).dtype, static_cast<u32>(rule.operands.size()));
}

void check_lane(const Rule& rule, i64 lane, i64 lanes) {
    if (lane < 0 || lane >= lanes) rule.bad(fmt::format("lane {} of {}", lane, lanes));
}

TypeId shuffle_type(const Rule& rule) {
    rule.arity(2, 2);
    const Type vector = rule.value(0);
    rule.expect(1, rule.operand_type(0));
    const std::span<const i64> mask = rule.function.module().attributes.payload(rule.attributes, Key::mask);
    check_width(rule, static_cast<i64>(mask.size()));
    for (i64 lane : mask) check_lane(rule, lane, 2 * i64{vector.lanes});
    return rule.types().vector(vector.dtype, static_cast<u32>(mask.size()));
}

TypeId vector_type(const Rule& rule) {
    switch (rule.op) {
    case Op::splat: return splat_type(rule);
    case Op::pack: return pack_type(rule);
    case Op::shuffle: return shuffle_type(rule);
    case Op::insert: {
        rule.arity(2, 2);
        const Type vector = rule.value(0);
        check_lane(rule, rule.attribute(Key::at), vector.lanes);
        rule.expect(1, rule.types().scalar(vector.dtype));
        return rule.operand_type(0);
    }
    default: { // extract, vector_reduce
        rule.arity(1, 1);
        const Type vector = rule.value(0);
        if (rule.op == Op::extract) check_lane(rule, rule.attribute(Key::at), vector.lanes);
        return rule.types().scalar(vector.dtype);
    }
    }
}

TypeId synchronise_type(const Rule& rule) {
    if (rule.op == Op::barrier) {
        rule.arity(0, 0);
        return rule.types().nothing();
    }
    const bool block = rule.op == Op::block_reduce;
    rule.arity(block ? 2 : 1, block ? 2 : 1);
    const Type value = rule.value(0);
    if (block) {
        const Type scratch = rule.operand(1);
        if (scratch.kind != TypeKind::array || scratch.dtype != value.dtype || scratch.lanes != value.lanes)
            rule.bad(fmt::format("the scratch is {}, expected an array of {}", rule.show(1),
                                 rule.show(std::size_t{0})));
    }
    return rule.operand_type(0);
}

TypeId control_type(const Rule& rule) {
    if (rule.op == Op::for_loop) {
        rule.arity(3, 1u << 15);
        for (std::size_t k = 0; k < 3; ++k) rule.expect_index(k);
    } else if (rule.op == Op::if_then) {
        rule.arity(1, 1);
        rule.expect(0, rule.types().scalar(Dtype::boolean));
    }
    return rule.given.valid() ? rule.given : rule.types().nothing();
}

/// The rule of the graph level holds for lanes too. A pointer may be bitcast to see the same bytes as another dtype.
TypeId elementwise_type(const Rule& rule) {
    if (rule.op == Op::bitcast && rule.operands.size() == 1 && rule.operand(0).kind == TypeKind::pointer) {
        const Type type = rule.written();
        if (type.kind != TypeKind::pointer)
            rule.bad(fmt::format("of a pointer gives a pointer, not {}", rule.show(rule.given)));
        return rule.given;
    }
    for (std::size_t k = 0; k < rule.operands.size(); ++k) rule.value(k);
    const TypeId type = infer_type(rule.function, rule.op, rule.operands, rule.attributes);
    check_width(rule, rule.types()[type].lanes);
    return type;
}

TypeId creation_type(const Rule& rule) {
    const Type type = rule.written();
    if (rule.op != Op::constant || !type.is_scalar())
        rule.bad(fmt::format("gives a scalar in a kernel, not {}", rule.show(rule.given)));
    return rule.given;
}

} // namespace

bool is_lane_count(i64 lanes) { return lanes >= 1 && lanes <= 64 && (lanes & (lanes - 1)) == 0; }

TypeId infer_kernel_type(Function& function, Op op, std::span<const NodeId> operands, AttributesId attributes,
                         TypeId given) {
    const Rule rule{function, op, operands, attributes, given};
    switch (info(op).kind) {
    case OpKind::elementwise:
    case OpKind::predicate:
    case OpKind::choice:
    case OpKind::convert: return elementwise_type(rule);
    case OpKind::creation: return creation_type(rule);
    case OpKind::control: return control_type(rule);
    case OpKind::index_math: return op == Op::divmod ? divmod_type(rule) : lanes_type(rule);
    case OpKind::vector: return vector_type(rule);
    case OpKind::position: rule.arity(0, 0); return function.module().types.scalar(Dtype::index);
    case OpKind::memory: return memory_type(rule);
    case OpKind::synchronise: return synchronise_type(rule);
    case OpKind::special:
    case OpKind::movement:
    case OpKind::reduction:
    case OpKind::contraction:
    case OpKind::access:
    case OpKind::custom: break;
    }
    rule.bad("no op of the kernel level");
}

} // namespace heddle::ir
