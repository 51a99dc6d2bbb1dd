// Elementwise ops: one definition for each elementwise or predicate row of ir/ops.def. They are defined by qualified name, so a row
// whose function <heddle/ops.h> does not declare does not build.

#include "frontend/emit.h"

#include "frontend/location.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <algorithm>

namespace heddle {

using namespace detail;

namespace {

/// The dtype an op computes in, given what its operands promote to.
Dtype computed(ir::Op op, Dtype dtype) {
    switch (ir::info(op).domain) {
    case ir::OpDomain::any: return dtype;
    case ir::OpDomain::number:
    case ir::OpDomain::integer: return dtype == Dtype::boolean ? Dtype::i32 : dtype;
    case ir::OpDomain::floating: return floating(dtype);
    case ir::OpDomain::bits:
    case ir::OpDomain::boolean: return dtype;
    }
    return dtype;
}

Array elementwise(ir::Op op, const char* name, std::span<const Operand* const> operands) {
    return record(name, operands.front()->where(), operands, [&](Emitter& emitter) {
        const Dtype dtype = computed(op, emitter.common_dtype(operands));
        std::vector<ir::NodeId> nodes = emitter.nodes(operands, dtype);
        emitter.align(nodes);
        return emitter.builder().make(op, nodes);
    });
}

bool is_whole(const Operand& operand, double number) {
    if (operand.kind() == Operand::Kind::floating) return operand.floating() == number;
    return operand.is_number() && operand.kind() != Operand::Kind::boolean &&
           static_cast<double>(operand.integer()) == number;
}

Array unary(ir::Op op, const char* name, const Operand& a) {
    const Operand* const operands[] = {&a};
    return elementwise(op, name, operands);
}

Array binary(ir::Op op, const char* name, const Operand& a, const Operand& b) {
    // x^2 is x * x, exactly rounded, also where 2 would be a parameter.
    if (op == ir::Op::power && is_whole(b, 2) && a.is_array()) return binary(ir::Op::mul, name, a, a);
    const Operand* const operands[] = {&a, &b};
    return elementwise(op, name, operands);
}

Array ternary(ir::Op op, const char* name, const Operand& a, const Operand& b, const Operand& c) {
    const Operand* const operands[] = {&a, &b, &c};
    return elementwise(op, name, operands);
}

} // namespace
} // namespace heddle

#define HEDDLE_elementwise_1(id)                                                                             \
    heddle::Array heddle::id(const Operand& a) { return unary(ir::Op::id, #id, a); }
#define HEDDLE_elementwise_2(id)                                                                             \
    heddle::Array heddle::id(const Operand& a, const Operand& b) { return binary(ir::Op::id, #id, a, b); }
#define HEDDLE_elementwise_3(id)                                                                             \
    heddle::Array heddle::id(const Operand& a, const Operand& b, const Operand& c) {                         \
        return ternary(ir::Op::id, #id, a, b, c);                                                            \
    }
#define HEDDLE_predicate_1(id) HEDDLE_elementwise_1(id)
#define HEDDLE_predicate_2(id) HEDDLE_elementwise_2(id)
// The other kinds have files of their own.
#define HEDDLE_choice_3(id)
#define HEDDLE_convert_1(id)
#define HEDDLE_creation_0(id)
#define HEDDLE_special_0(id)
#define HEDDLE_special_1(id)
#define HEDDLE_movement_1(id)
#define HEDDLE_movement_2(id)
#define HEDDLE_movement_variadic(id)
#define HEDDLE_reduction_1(id)
#define HEDDLE_reduction_variadic(id)
#define HEDDLE_contraction_2(id)
#define HEDDLE_access_variadic(id)
#define HEDDLE_custom_variadic(id)
#define HEDDLE_control_1(id)
#define HEDDLE_control_variadic(id)
#define HEDDLE_index_math_0(id)
#define HEDDLE_index_math_3(id)
#define HEDDLE_index_math_variadic(id)
#define HEDDLE_vector_1(id)
#define HEDDLE_vector_2(id)
#define HEDDLE_vector_variadic(id)
#define HEDDLE_position_0(id)
#define HEDDLE_memory_0(id)
#define HEDDLE_memory_2(id)
#define HEDDLE_memory_3(id)
#define HEDDLE_memory_variadic(id)
#define HEDDLE_synchronise_0(id)
#define HEDDLE_synchronise_1(id)
#define HEDDLE_synchronise_2(id)
#define OP(id, text, arity, kind, domain, traits) HEDDLE_##kind##_##arity(id)
#include "ir/ops.def"

namespace heddle {

Array select(const Operand& condition, const Operand& a, const Operand& b) {
    const Operand* const operands[] = {&condition, &a, &b};
    const std::span<const Operand* const> values = std::span(operands).subspan(1);
    return record("select", condition.where(), operands, [&](Emitter& emitter) {
        const Dtype dtype = emitter.common_dtype(values);
        std::vector<ir::NodeId> nodes{emitter.truth(condition)};
        for (const Operand* value : values) nodes.push_back(emitter.node(*value, dtype));
        emitter.align(nodes);
        return emitter.builder().make(ir::Op::select, nodes);
    });
}

Array cast(const Operand& a, Dtype dtype) {
    if (dtype == Dtype::index)
        throw DtypeError(fmt::format("cast: index is no dtype of arrays ({})", text(user_place(a.where()))));
    return record("cast", a, [&](Emitter& emitter) {
        // A number that becomes a float need not pass through its default dtype.
        if (a.is_number() && (is_float(dtype) || a.kind() != Operand::Kind::floating))
            return emitter.node(a, dtype);
        return emitter.builder().cast(emitter.node(a), dtype);
    });
}

Array bitcast(const Operand& a, Dtype dtype) {
    return record("bitcast", a,
                  [&](Emitter& emitter) { return emitter.builder().bitcast(emitter.node(a), dtype); });
}

namespace {

Array logical(ir::Op op, const char* name, const Operand& a, const Operand& b) {
    return record(name, a, b, [&](Emitter& emitter) {
        ir::NodeId nodes[] = {emitter.truth(a), emitter.truth(b)};
        emitter.align(nodes);
        return emitter.builder().make(op, nodes);
    });
}

} // namespace

Array logical_and(const Operand& a, const Operand& b) {
    return logical(ir::Op::bit_and, "logical_and", a, b);
}
Array logical_or(const Operand& a, const Operand& b) { return logical(ir::Op::bit_or, "logical_or", a, b); }
Array logical_xor(const Operand& a, const Operand& b) {
    return logical(ir::Op::bit_xor, "logical_xor", a, b);
}

Array logical_not(const Operand& a) {
    return record("logical_not", a, [&](Emitter& emitter) {
        return emitter.builder().unary(ir::Op::bit_not, emitter.truth(a));
    });
}

} // namespace heddle
