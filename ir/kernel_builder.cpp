#include "ir/kernel_builder.h"

#include "ir/builder.h"
#include "ir/scalar.h"
#include "support/numeric.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <array>

namespace heddle::ir {
namespace {

AttributesId one(Module& module, Key key, i64 value) {
    AttributeList list;
    list.integer(key, value);
    return module.attributes.intern(list);
}

AttributesId op_attribute(Module& module, Op op) {
    AttributeList list;
    list.word(Key::op, module.words.intern(info(op).text));
    return module.attributes.intern(list);
}

std::optional<i64> constant_index(const Function& function, NodeId id) {
    if (function.op(id) != Op::constant || function.dtype(id) != Dtype::index) return std::nullopt;
    return function.payload(id, Key::value)[0];
}

/// Of an integer constant of one lane, whatever its dtype.
std::optional<i64> constant_integer(const Function& function, NodeId id) {
    if (const auto value = constant_index(function, id)) return value;
    const bool is_one = function.op(id) == Op::constant && function.type(id).lanes <= 1;
    if (!is_one || !is_integer(function.dtype(id))) return std::nullopt;
    return scalar_of(function.dtype(id), static_cast<u64>(function.payload(id, Key::value)[0])).whole;
}

std::optional<i64> fold_constants(Op op, i64 a, i64 b) {
    switch (op) {
    case Op::add: return a + b;
    case Op::sub: return a - b;
    case Op::mul: return a * b;
    case Op::div: return b > 0 && a >= 0 ? std::optional(a / b) : std::nullopt;
    case Op::rem: return b > 0 && a >= 0 ? std::optional(a % b) : std::nullopt;
    case Op::minimum: return std::min(a, b);
    case Op::maximum: return std::max(a, b);
    default: return std::nullopt;
    }
}

} // namespace

// ---- parameters -----------------------------------------------------------------------------------------------------

NodeId KernelBuilder::pointer(std::string name, Dtype dtype) {
    const NodeId id = function_->add_parameter(function_->module().types.pointer(dtype));
    function_->set_name(id, std::move(name));
    return id;
}

NodeId KernelBuilder::size(std::string name, DimId value) {
    AttributeList list;
    list.dim(Key::size, value);
    Module& module = function_->module();
    const NodeId id =
        function_->add_parameter(module.types.scalar(Dtype::index), module.attributes.intern(list));
    function_->set_name(id, std::move(name));
    return id;
}

NodeId KernelBuilder::magic(std::string name, DimId divisor) {
    AttributeList list;
    list.dim(Key::size, divisor);
    Module& module = function_->module();
    const NodeId id = function_->add_parameter(module.types.magic(), module.attributes.intern(list));
    function_->set_name(id, std::move(name));
    return id;
}

NodeId KernelBuilder::number_parameter(std::string name, Dtype dtype, u32 number) {
    Module& module = function_->module();
    const NodeId id = function_->add_parameter(module.types.scalar(dtype), one(module, Key::number, number));
    function_->set_name(id, std::move(name));
    return id;
}

// ---- constants and positions ----------------------------------------------------------------------------------------

NodeId KernelBuilder::constant(Dtype dtype, u64 bits) {
    Module& module = function_->module();
    AttributeList list;
    list.bits(Key::value, bits);
    return function_->make(Op::constant, module.types.scalar(dtype), {}, module.attributes.intern(list));
}

NodeId KernelBuilder::number(Dtype dtype, double value) { return constant(dtype, bits_of(dtype, value)); }

NodeId KernelBuilder::lanes(u32 width) {
    return function_->make(Op::lanes, function_->module().types.vector(Dtype::index, width), {});
}

NodeId KernelBuilder::grid_index(u32 axis) {
    Module& module = function_->module();
    return function_->make(Op::grid_index, module.types.scalar(Dtype::index), {}, one(module, Key::at, axis));
}

NodeId KernelBuilder::thread_index() {
    return function_->make(Op::thread_index, function_->module().types.scalar(Dtype::index), {});
}
NodeId KernelBuilder::subgroup_index() {
    return function_->make(Op::subgroup_index, function_->module().types.scalar(Dtype::index), {});
}
NodeId KernelBuilder::lane_index() {
    return function_->make(Op::lane_index, function_->module().types.scalar(Dtype::index), {});
}

// ---- elementwise ----------------------------------------------------------------------------------------------------

NodeId KernelBuilder::unary(Op op, NodeId a) {
    return function_->make(op, infer_type(*function_, op, std::span(&a, 1), {}), std::span(&a, 1));
}

NodeId KernelBuilder::exp_below(NodeId a, i64 at_most) {
    return function_->make(Op::exp, function_->operator[](a).type, std::span(&a, 1),
                           one(function_->module(), Key::at_most, at_most));
}

NodeId KernelBuilder::binary(Op op, NodeId a, NodeId b) {
    if (dtype(a) == Dtype::index)
        if (NodeId folded = fold_index(op, a, b); folded.valid()) return folded;
    const std::array operands{a, b};
    return function_->make(op, infer_type(*function_, op, operands, {}), operands);
}

NodeId KernelBuilder::ternary(Op op, NodeId a, NodeId b, NodeId c) {
    const std::array operands{a, b, c};
    return function_->make(op, infer_type(*function_, op, operands, {}), operands);
}

NodeId KernelBuilder::fold_index(Op op, NodeId a, NodeId b) {
    const auto left = constant_index(*function_, a), right = constant_index(*function_, b);
    if (left && right) {
        if (auto value = fold_constants(op, *left, *right)) return index(*value);
        return {};
    }
    // A scalar identity may only stand for the other operand when that keeps the width.
    const bool keeps_a = width(b) == 1, keeps_b = width(a) == 1;
    if (right && keeps_a) {
        if (*right == 0 && (op == Op::add || op == Op::sub)) return a;
        if (*right == 1 && (op == Op::mul || op == Op::div)) return a;
        if (*right == 0 && op == Op::mul && width(a) == 1) return b;
        if (*right == 1 && op == Op::rem && width(a) == 1) return index(0);
    }
    if (left && keeps_b) {
        if (*left == 0 && op == Op::add) return b;
        if (*left == 1 && op == Op::mul) return b;
        if (*left == 0 && op == Op::mul && width(b) == 1) return a;
    }
    return {};
}

NodeId KernelBuilder::cast(NodeId a, Dtype to) {
    if (dtype(a) == to) return a;
    const bool is_whole = to == Dtype::index || is_integer(to);
    if (const auto value = is_whole ? constant_integer(*function_, a) : constant_index(*function_, a))
        return constant(to, bits_of(to, *value));
    Module& module = function_->module();
    AttributeList list;
    list.type(Key::to, module.types.scalar(to));
    return function_->make(Op::cast, module.types.vector(to, width(a)), std::span(&a, 1),
                           module.attributes.intern(list));
}

NodeId KernelBuilder::bitcast(NodeId a, Dtype to) {
    if (dtype(a) == to) return a;
    Module& module = function_->module();
    AttributeList list;
    list.type(Key::to, module.types.scalar(to));
    const bool pointer = function_->type(a).kind == TypeKind::pointer;
    const u32 lanes = width(a) * static_cast<u32>(size_of(dtype(a))) / static_cast<u32>(size_of(to));
    const TypeId type = pointer ? module.types.pointer(to) : module.types.vector(to, lanes);
    return function_->make(Op::bitcast, type, std::span(&a, 1), module.attributes.intern(list));
}

std::pair<NodeId, NodeId> KernelBuilder::divmod(NodeId x, NodeId divisor, NodeId magic) {
    Module& module = function_->module();
    const TypeId type = function_->operator[](x).type;
    const std::array members{type, type};
    const std::array operands{x, divisor, magic};
    const NodeId pair = function_->make(Op::divmod, module.types.tuple(members), operands);
    return {function_->result(pair, 0), function_->result(pair, 1)};
}

// ---- vectors --------------------------------------------------------------------------------------------------------

NodeId KernelBuilder::splat(NodeId scalar, u32 width) {
    if (width == 1 || this->width(scalar) == width) return scalar;
    return function_->make(Op::splat, function_->module().types.vector(dtype(scalar), width),
                           std::span(&scalar, 1));
}

NodeId KernelBuilder::pack(std::span<const NodeId> scalars) {
    if (scalars.size() == 1) return scalars[0];
    return function_->make(
        Op::pack, function_->module().types.vector(dtype(scalars[0]), static_cast<u32>(scalars.size())),
        scalars);
}

NodeId KernelBuilder::extract(NodeId vector, u32 lane) {
    if (width(vector) == 1) return vector;
    Module& module = function_->module();
    return function_->make(Op::extract, module.types.scalar(dtype(vector)), std::span(&vector, 1),
                           one(module, Key::at, lane));
}

NodeId KernelBuilder::insert(NodeId vector, NodeId scalar, u32 lane) {
    if (width(vector) == 1) return scalar;
    Module& module = function_->module();
    return function_->make(Op::insert, function_->operator[](vector).type, std::array{vector, scalar},
                           one(module, Key::at, lane));
}

NodeId KernelBuilder::shuffle(NodeId a, NodeId b, std::span<const i64> mask) {
    Module& module = function_->module();
    AttributeList list;
    list.integers(Key::mask, mask);
    return function_->make(Op::shuffle, module.types.vector(dtype(a), static_cast<u32>(mask.size())),
                           std::array{a, b}, module.attributes.intern(list));
}

NodeId KernelBuilder::vector_reduce(NodeId vector, Op op) {
    if (width(vector) == 1) return vector;
    Module& module = function_->module();
    return function_->make(Op::vector_reduce, module.types.scalar(dtype(vector)), std::span(&vector, 1),
                           op_attribute(module, op));
}

// ---- memory ---------------------------------------------------------------------------------------------------------

NodeId KernelBuilder::rebase(NodeId pointer, NodeId elements) {
    if (constant_index(*function_, elements) == 0) return pointer;
    return function_->make(Op::rebase, function_->operator[](pointer).type, std::array{pointer, elements});
}

NodeId KernelBuilder::load(NodeId memory, NodeId index, u32 width, const MemoryOptions& options) {
    Module& module = function_->module();
    const Dtype element = dtype(memory);
    std::vector<NodeId> operands{memory, index};
    if (options.mask.valid()) {
        operands.push_back(options.mask);
        operands.push_back(options.otherwise.valid() ? options.otherwise : constant(element, 0));
    }
    AttributeList list;
    if (options.align > size_of(element)) list.integer(Key::align, options.align);
    return function_->make(Op::load, module.types.vector(element, width), operands,
                           module.attributes.intern(list));
}

void KernelBuilder::store(NodeId value, NodeId memory, NodeId index, const MemoryOptions& options) {
    Module& module = function_->module();
    std::vector<NodeId> operands{value, memory, index};
    if (options.mask.valid()) operands.push_back(options.mask);
    AttributeList list;
    if (options.align > size_of(dtype(memory))) list.integer(Key::align, options.align);
    if (options.stream) list.flag(Key::stream, true);
    function_->make(Op::store, module.types.nothing(), operands, module.attributes.intern(list));
}

NodeId KernelBuilder::await(NodeId pointer, NodeId index, u32 tries) {
    Module& module = function_->module();
    return function_->make(Op::await, module.types.scalar(dtype(pointer)), std::array{pointer, index},
                           one(module, Key::tries, tries));
}

void KernelBuilder::publish(NodeId value, NodeId pointer, NodeId index) {
    function_->make(Op::publish, function_->module().types.nothing(), std::array{value, pointer, index});
}

NodeId KernelBuilder::local(Dtype dtype, u32 width, DimId count) {
    Module& module = function_->module();
    AttributeList list;
    list.dim(Key::count, count);
    return function_->make(Op::local, module.types.array(dtype, width, count), {},
                           module.attributes.intern(list));
}

NodeId KernelBuilder::shared(Dtype dtype, u32 width, i64 count) {
    Module& module = function_->module();
    const DimId size = module.dims.constant(count);
    AttributeList list;
    list.dim(Key::count, size);
    return function_->make(Op::shared, module.types.array(dtype, width, size), {},
                           module.attributes.intern(list));
}

// ---- control --------------------------------------------------------------------------------------------------------

namespace {

TypeId result_type(Function& function, std::span<const NodeId> values) {
    Module& module = function.module();
    if (values.empty()) return module.types.nothing();
    std::vector<TypeId> types;
    for (NodeId value : values) types.push_back(function[value].type);
    return types.size() == 1 ? types[0] : module.types.tuple(types);
}

std::vector<NodeId> results_of(Function& function, NodeId node, std::size_t count) {
    std::vector<NodeId> results;
    for (u32 k = 0; k < count; ++k) results.push_back(function.result(node, k));
    return results;
}

} // namespace

std::vector<NodeId> KernelBuilder::for_loop(NodeId low, NodeId high, NodeId step,
                                            std::span<const NodeId> initial, const LoopBody& body,
                                            const LoopOptions& options) {
    Module& module = function_->module();
    std::vector<NodeId> operands{low, high, step};
    operands.insert(operands.end(), initial.begin(), initial.end());
    const RegionId region = function_->open_region();
    const NodeId index = function_->add_region_parameter(function_->operator[](low).type);
    std::vector<NodeId> carried;
    for (NodeId value : initial)
        carried.push_back(function_->add_region_parameter(function_->operator[](value).type));
    std::vector<NodeId> yields = body(index, carried);
    if (yields.size() != initial.size()) throw InternalError("a loop body must yield what it carries");
    function_->close_region(std::move(yields));
    AttributeList list;
    if (options.unroll) list.word(Key::unroll, module.words.intern("full"));
    if (options.interleave > 1) {
        std::vector<i64> combine;
        for (Op op : options.combine) combine.push_back(module.words.intern(info(op).text).value);
        list.integer(Key::interleave, options.interleave).words(Key::combine, combine);
    }
    const NodeId loop = function_->make_with_regions(Op::for_loop, result_type(*function_, initial), operands,
                                                     std::span(&region, 1), module.attributes.intern(list));
    return results_of(*function_, loop, initial.size());
}

std::vector<NodeId> KernelBuilder::if_then(NodeId condition, const Body& then_body, const Body& else_body) {
    std::vector<RegionId> regions{function_->open_region()};
    std::vector<NodeId> yields = then_body();
    const std::size_t count = yields.size();
    const TypeId type = result_type(*function_, yields);
    function_->close_region(std::move(yields));
    if (else_body) {
        regions.push_back(function_->open_region());
        std::vector<NodeId> others = else_body();
        if (others.size() != count) throw InternalError("both sides of an if must yield the same values");
        function_->close_region(std::move(others));
    } else if (count != 0) {
        throw InternalError("an if with results needs an else");
    }
    const NodeId node = function_->make_with_regions(Op::if_then, type, std::span(&condition, 1), regions);
    return results_of(*function_, node, count);
}

// ---- between invocations --------------------------------------------------------------------------------------------

void KernelBuilder::barrier(BarrierScope scope, bool shared_memory, bool global_memory) {
    Module& module = function_->module();
    std::vector<i64> memory;
    if (shared_memory) memory.push_back(module.words.intern("shared").value);
    if (global_memory) memory.push_back(module.words.intern("global").value);
    AttributeList list;
    list.words(Key::memory, memory);
    list.word(Key::scope, module.words.intern(scope == BarrierScope::block ? "block" : "subgroup"));
    function_->make(Op::barrier, module.types.nothing(), {}, module.attributes.intern(list));
}

NodeId KernelBuilder::subgroup_shuffle_xor(NodeId value, u32 mask) {
    return function_->make(Op::subgroup_shuffle_xor, function_->operator[](value).type, std::span(&value, 1),
                           one(function_->module(), Key::mask, mask));
}

NodeId KernelBuilder::subgroup_broadcast(NodeId value, u32 lane) {
    return function_->make(Op::subgroup_broadcast, function_->operator[](value).type, std::span(&value, 1),
                           one(function_->module(), Key::lane, lane));
}

NodeId KernelBuilder::subgroup_reduce(NodeId value, Op op) {
    return function_->make(Op::subgroup_reduce, function_->operator[](value).type, std::span(&value, 1),
                           op_attribute(function_->module(), op));
}

NodeId KernelBuilder::block_reduce(NodeId value, NodeId scratch, Op op) {
    return function_->make(Op::block_reduce, function_->operator[](value).type, std::array{value, scratch},
                           op_attribute(function_->module(), op));
}

} // namespace heddle::ir
