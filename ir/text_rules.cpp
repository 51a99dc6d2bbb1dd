#include "ir/text_rules.h"

#include <array>

namespace heddle::ir {
namespace {

constexpr bool required = true, optional = false;
constexpr std::array reduction_keys{OpKey{Key::axes, required}, OpKey{Key::keepdims, optional}};
constexpr std::array axis_keys{OpKey{Key::axis, required}};
constexpr std::array dim_keys{OpKey{Key::extent, required}};
constexpr std::array broadcast_keys{OpKey{Key::dims, required}};
constexpr std::array transpose_keys{OpKey{Key::permutation, required}};
constexpr std::array slice_keys{OpKey{Key::start, required}, OpKey{Key::step, required}};
constexpr std::array flip_keys{OpKey{Key::axes, required}};
constexpr std::array pad_keys{OpKey{Key::high, required}, OpKey{Key::interior, required},
                              OpKey{Key::low, required}};
constexpr std::array dot_keys{OpKey{Key::batch, optional}, OpKey{Key::contract, required}};
constexpr std::array custom_keys{OpKey{Key::code, required}, OpKey{Key::grid, optional},
                                 OpKey{Key::sizes, optional}, OpKey{Key::temporaries, optional}};
constexpr std::array load_keys{OpKey{Key::align, optional}, OpKey{Key::visible, optional}};
constexpr std::array store_keys{OpKey{Key::align, optional}, OpKey{Key::stream, optional},
                                OpKey{Key::visible, optional}};
constexpr std::array exp_keys{OpKey{Key::at_most, optional}};
constexpr std::array await_keys{OpKey{Key::tries, required}};
constexpr std::array at_keys{OpKey{Key::at, required}};
constexpr std::array mask_keys{OpKey{Key::mask, required}};
constexpr std::array lane_keys{OpKey{Key::lane, required}};
constexpr std::array op_keys{OpKey{Key::op, required}};
constexpr std::array barrier_keys{OpKey{Key::memory, required}, OpKey{Key::scope, optional}};
constexpr std::array for_keys{OpKey{Key::combine, optional}, OpKey{Key::interleave, optional},
                              OpKey{Key::unroll, optional}};

/// Dtype of the first operand in [from, ...) whose type is known.
TypeId first_known(std::span<const TypeId> operands, std::size_t from) {
    for (std::size_t k = from; k < operands.size(); ++k)
        if (operands[k].valid()) return operands[k];
    return {};
}

TypeId like(Types& types, TypeId sibling) {
    return sibling.valid() ? rank_0_like(types, sibling, types[sibling].dtype) : TypeId{};
}

TypeId at_or_none(std::span<const TypeId> types, std::size_t k) {
    return k < types.size() ? types[k] : TypeId{};
}

TypeId memory_literal(Types& types, Op op, u32 k, std::span<const TypeId> operands) {
    const u32 memory = op == Op::store || op == Op::publish ? 1 : 0;
    if (op == Op::rebase || k == memory + 1) return types.scalar(Dtype::index);
    if (k == memory + 2) return types.scalar(Dtype::boolean);
    const TypeId place = at_or_none(operands, memory);
    if (!place.valid() || k == memory) return {};
    // What is stored into an array of vectors is a vector; the value of a masked load is splat by the load.
    const Type type = types[place];
    return types.vector(type.dtype, op == Op::store && type.kind == TypeKind::array ? type.lanes : 1);
}

TypeId control_literal(Types& types, Op op, u32 k, std::span<const TypeId> results) {
    if (op == Op::for_loop) return k < 3 ? types.scalar(Dtype::index) : at_or_none(results, k - 3);
    if (op == Op::if_then) return types.scalar(Dtype::boolean);
    if (op == Op::while_loop) return at_or_none(results, k);
    return k == 0 ? types.tensor(Dtype::boolean, {}) : TypeId{};
}

TypeId vector_literal(Types& types, Op op, u32 k, std::span<const TypeId> operands,
                      std::span<const TypeId> results) {
    if (op == Op::splat || op == Op::pack) return like(types, at_or_none(results, 0));
    if (op == Op::insert && k == 1) return like(types, at_or_none(operands, 0));
    return {};
}

} // namespace

std::span<const OpKey> written_keys(Op op) {
    if (op == Op::exp) return exp_keys;
    switch (info(op).kind) {
    case OpKind::reduction: return reduction_keys;
    case OpKind::contraction: return dot_keys;
    case OpKind::custom: return custom_keys;
    case OpKind::elementwise:
    case OpKind::predicate:
    case OpKind::choice:
    case OpKind::convert:
    case OpKind::special:
    case OpKind::access: return {};
    case OpKind::creation:
    case OpKind::movement:
    case OpKind::control:
    case OpKind::index_math:
    case OpKind::vector:
    case OpKind::position:
    case OpKind::memory:
    case OpKind::synchronise: break;
    }
    struct Row {
        Op op;
        std::span<const OpKey> keys;
    };
    static constexpr Row rows[] = {
        {Op::iota, axis_keys},
        {Op::dim, dim_keys},
        {Op::broadcast, broadcast_keys},
        {Op::transpose, transpose_keys},
        {Op::slice, slice_keys},
        {Op::flip, flip_keys},
        {Op::pad, pad_keys},
        {Op::concatenate, axis_keys},
        {Op::for_loop, for_keys},
        {Op::extract, at_keys},
        {Op::insert, at_keys},
        {Op::shuffle, mask_keys},
        {Op::vector_reduce, op_keys},
        {Op::load, load_keys},
        {Op::store, store_keys},
        {Op::await, await_keys},
        {Op::barrier, barrier_keys},
        {Op::block_reduce, op_keys},
        {Op::subgroup_reduce, op_keys},
        {Op::subgroup_shuffle_xor, mask_keys},
        {Op::subgroup_broadcast, lane_keys},
    };
    for (const Row& row : rows)
        if (row.op == op) return row.keys;
    return {};
}

bool is_implied(Op op, Key key) {
    switch (key) {
    case Key::to:
        return op == Op::cast || op == Op::bitcast || op == Op::custom || info(op).kind == OpKind::creation;
    case Key::shape: return info(op).kind == OpKind::creation || info(op).kind == OpKind::movement;
    case Key::value: return op == Op::constant;
    case Key::map: return op == Op::view;
    case Key::count: return op == Op::local || op == Op::shared;
    case Key::at: return op == Op::grid_index || op == Op::result || op == Op::parameter;
    case Key::size: return op == Op::parameter;
    default: return false;
    }
}

bool needs_type(Op op) {
    switch (op) {
    case Op::constant:
    case Op::cast:
    case Op::bitcast:
    case Op::lanes:
    case Op::splat:
    case Op::pack:
    case Op::load:
    case Op::local:
    case Op::shared:
    case Op::for_loop:
    case Op::if_then:
    case Op::while_loop: return true;
    default: return false;
    }
}

TypeId rank_0_like(Types& types, TypeId sibling, Dtype dtype) {
    return types[sibling].kind == TypeKind::tensor ? types.tensor(dtype, {}) : types.scalar(dtype);
}

TypeId literal_type(Types& types, Op op, u32 k, std::span<const TypeId> operands,
                    std::span<const TypeId> results) {
    const TypeId result = at_or_none(results, 0);
    switch (info(op).kind) {
    case OpKind::elementwise: {
        const TypeId known = first_known(operands, 0);
        return like(types, known.valid() ? known : result);
    }
    case OpKind::predicate: return like(types, first_known(operands, 0));
    case OpKind::choice: {
        const TypeId value = first_known(operands, 1);
        if (k == 0) {
            const TypeId sibling = value.valid() ? value : result;
            return sibling.valid() ? rank_0_like(types, sibling, Dtype::boolean) : TypeId{};
        }
        return like(types, value.valid() ? value : result);
    }
    case OpKind::movement:
        if (op == Op::pad && k == 1) return like(types, at_or_none(operands, 0));
        return op == Op::concatenate || op == Op::view ? TypeId{} : like(types, result);
    case OpKind::reduction:
        if (op != Op::reduce || k < operands.size() / 2) return {};
        return like(types, operands[k - operands.size() / 2]);
    case OpKind::control: return control_literal(types, op, k, results);
    case OpKind::index_math: return op == Op::divmod && k < 2 ? types.scalar(Dtype::index) : TypeId{};
    case OpKind::vector: return vector_literal(types, op, k, operands, results);
    case OpKind::memory: return memory_literal(types, op, k, operands);
    case OpKind::convert:
    case OpKind::creation:
    case OpKind::special:
    case OpKind::contraction:
    case OpKind::access:
    case OpKind::custom:
    case OpKind::position:
    case OpKind::synchronise: return {};
    }
    return {};
}

bool is_infix(Op op) {
    switch (op) {
    case Op::add:
    case Op::sub:
    case Op::mul:
    case Op::div:
    case Op::rem:
    case Op::minimum:
    case Op::maximum: return true;
    default: return false;
    }
}

std::vector<TypeId> result_types(const Types& types, TypeId type) {
    if (types[type].kind == TypeKind::nothing) return {};
    if (types[type].kind == TypeKind::tuple) return types[type].members;
    return {type};
}

} // namespace heddle::ir
