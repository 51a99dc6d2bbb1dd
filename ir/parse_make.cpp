// From a line that was read to a node: literals get their types, the op's rule is checked against what is written.

#include "ir/builder.h"
#include "ir/kernel_builder.h"
#include "ir/kernel_rules.h"
#include "ir/op.h"
#include "ir/parser_impl.h"
#include "ir/text_rules.h"

#include <array>

namespace heddle::ir {

std::string Parser::show(TypeId type) const { return text(module_->types, module_->dims, type); }

std::string Parser::show(std::span<const TypeId> types) const {
    std::string result;
    for (TypeId type : types) result += (result.empty() ? "" : ", ") + show(type);
    return result.empty() ? "nothing" : result;
}

/// Equal, or equal by the function's facts.
bool Parser::same_type(TypeId a, TypeId b) const {
    if (a == b) return true;
    const Type &left = module_->types[a], &right = module_->types[b];
    if (left.kind != TypeKind::tensor || right.kind != TypeKind::tensor || left.dtype != right.dtype ||
        left.shape.size() != right.shape.size())
        return false;
    for (std::size_t k = 0; k < left.shape.size(); ++k)
        if (!function_->same_size(left.shape[k], right.shape[k])) return false;
    return true;
}

// ---- literals -------------------------------------------------------------------------------------------------------

NodeId Parser::literal_node(const Operand& operand, TypeId id) {
    const Type type = module_->types[id];
    const bool rank_0 = type.kind == TypeKind::tensor && type.shape.empty();
    if (!rank_0 && type.kind != TypeKind::vector)
        fail(*operand.at, fmt::format("expected a value of {}, given a literal", show(id)));
    const u64 bits = bits_of_literal(*operand.at, type.dtype, operand.literal);
    if (rank_0) return Builder(*function_).constant(type.dtype, bits);
    KernelBuilder kernel(*function_);
    return kernel.splat(kernel.constant(type.dtype, bits), type.lanes);
}

void Parser::resolve_literals(Line& line) {
    std::vector<TypeId> types;
    for (const Operand& operand : line.operands)
        types.push_back(operand.node.valid() ? (*function_)[operand.node].type : TypeId{});
    for (u32 k = 0; k < types.size(); ++k) {
        if (types[k].valid()) continue;
        const TypeId type = literal_type(module_->types, line.op, k, types, line.types);
        if (!type.valid())
            fail(*line.operands[k].at, "the dtype of this literal does not follow; name a constant");
        line.operands[k].node = literal_node(line.operands[k], type);
    }
}

// ---- checks ---------------------------------------------------------------------------------------------------------

void Parser::check_level(const Line& line) const {
    const OpInfo& row = info(line.op);
    const bool kernel = function_->level() == Level::kernel;
    if (row.has(both_levels) || is_elementwise(line.op)) return;
    if (row.has(kernel_level) != kernel)
        fail(*line.at, fmt::format("{} is an op of the {} level", row.text, kernel ? "graph" : "kernel"));
}

void Parser::check_required(const Line& line) const {
    const AttributesId id = module_->attributes.intern(line.attributes);
    for (const OpKey& key : written_keys(line.op)) {
        if (key.required && !module_->attributes.has(id, key.key))
            fail(*line.at, fmt::format("{} needs the attribute '{}'", line.at->text, name_of(key.key)));
    }
    const bool typed = function_->level() == Level::graph || needs_type(line.op);
    if (typed && line.types.empty() && !info(line.op).has(regions) && line.op != Op::store &&
        line.op != Op::barrier)
        fail(*line.types_at, fmt::format("expected ':' and the type of what {} gives, given {}",
                                         line.at->text, describe(*line.types_at)));
}

/// What the line says without naming it: the type is the shape, the literal the value.
void Parser::implied_attributes(Line& line) {
    Types& types = module_->types;
    const TypeId written = line.types.empty() ? TypeId{} : line.types[0];
    const bool graph = written.valid() && types[written].kind == TypeKind::tensor;
    switch (line.op) {
    case Op::constant:
        if (!graph) return; // a scalar's type says all
        [[fallthrough]];
    case Op::iota:
    case Op::dim: line.attributes.type(Key::to, written).dims(Key::shape, types[written].shape); return;
    case Op::custom: {
        std::vector<i64> ids;
        for (TypeId type : line.types) ids.push_back(type.value);
        line.attributes.words(Key::to, ids);
        return;
    }
    case Op::cast:
    case Op::bitcast:
        line.attributes.type(Key::to, rank_0_like(types, written, types[written].dtype));
        return;
    case Op::broadcast:
    case Op::reshape:
    case Op::slice:
    case Op::view: line.attributes.dims(Key::shape, types[written].shape); return;
    case Op::local:
    case Op::shared: line.attributes.dim(Key::count, types[written].count); return;
    case Op::barrier:
        if (!module_->attributes.has(module_->attributes.intern(line.attributes), Key::scope))
            line.attributes.word(Key::scope, module_->words.intern("block"));
        return;
    default: return;
    }
}

// ---- types ----------------------------------------------------------------------------------------------------------

TypeId Parser::written_type(const Line& line) const {
    if (line.types.empty()) return module_->types.nothing();
    return line.types.size() == 1 ? line.types[0] : module_->types.tuple(line.types);
}

/// The node's type by its op's rule, which must be the written one.
TypeId Parser::type_of(Line& line) {
    std::vector<NodeId> operands;
    for (const Operand& operand : line.operands) operands.push_back(operand.node);
    const AttributesId attributes = module_->attributes.intern(line.attributes);
    const TypeId written = written_type(line);
    if (info(line.op).kind == OpKind::control && function_->level() == Level::graph) return written;
    const TypeId given = line.types.empty() && !info(line.op).has(regions) ? TypeId{} : written;
    const TypeId type = located(*line.at, [&] {
        if (function_->level() == Level::kernel)
            return infer_kernel_type(*function_, line.op, operands, attributes, given);
        const std::span<const TypeId> yields =
            line.regions.empty() ? std::span<const TypeId>{} : line.regions[0].yielded;
        return infer_type(*function_, line.op, operands, attributes, yields);
    });
    if (!given.valid() || type == given) return type;
    const std::vector<TypeId> members = result_types(module_->types, type);
    bool same = members.size() == line.types.size();
    for (std::size_t k = 0; same && k < members.size(); ++k) same = same_type(members[k], line.types[k]);
    if (!same)
        fail(*line.types_at,
             fmt::format("{} gives {}, written is {}", line.at->text, show(members), show(line.types)));
    return given;
}

void Parser::check_region(const Line& line, std::size_t k, std::span<const TypeId> parameters,
                          std::span<const TypeId> yields) {
    const ReadRegion& read = line.regions[k];
    std::vector<TypeId> given;
    for (NodeId id : function_->region(read.id).parameters) given.push_back((*function_)[id].type);
    bool same = given.size() == parameters.size();
    for (std::size_t p = 0; same && p < given.size(); ++p) same = same_type(given[p], parameters[p]);
    if (!same)
        fail(*read.at, fmt::format("{}: the region takes {}, expected {}", line.at->text, show(given),
                                   show(parameters)));
    same = read.yielded.size() == yields.size();
    for (std::size_t y = 0; same && y < yields.size(); ++y) same = same_type(read.yielded[y], yields[y]);
    if (!same)
        fail(*read.yield, fmt::format("{}: the region yields {}, expected {}", line.at->text,
                                      show(read.yielded), show(yields)));
}

void Parser::check_regions(const Line& line) {
    Types& types = module_->types;
    std::vector<TypeId> operands;
    for (const Operand& operand : line.operands) operands.push_back((*function_)[operand.node].type);
    auto check_values = [&](std::span<const TypeId> given) {
        bool same = given.size() == line.types.size();
        for (std::size_t k = 0; same && k < given.size(); ++k) same = same_type(given[k], line.types[k]);
        if (!same)
            fail(*line.at,
                 fmt::format("{}: starts with {}, carries {}", line.at->text, show(given), show(line.types)));
    };
    switch (line.op) {
    case Op::reduce: {
        std::vector<TypeId> yields, parameters;
        for (std::size_t k = 0; k < operands.size() / 2; ++k)
            yields.push_back(types.scalar(types[operands[k]].dtype));
        parameters = yields;
        parameters.insert(parameters.end(), yields.begin(), yields.end());
        return check_region(line, 0, parameters, yields);
    }
    case Op::while_loop: {
        check_values(operands);
        const TypeId go =
            operands.empty() ? types.scalar(Dtype::boolean) : rank_0_like(types, operands[0], Dtype::boolean);
        check_region(line, 0, line.types, std::span(&go, 1));
        return check_region(line, 1, line.types, line.types);
    }
    case Op::cond: {
        if (operands.empty() || operands[0] != types.tensor(Dtype::boolean, {}))
            fail(*line.at, fmt::format("cond: the condition is {}, expected bool[]",
                                       operands.empty() ? "missing" : show(operands[0])));
        const std::span<const TypeId> arguments = std::span(operands).subspan(1);
        check_region(line, 0, arguments, line.types);
        return check_region(line, 1, arguments, line.types);
    }
    case Op::for_loop: {
        check_values(std::span(operands).subspan(3));
        std::vector<TypeId> parameters{types.scalar(Dtype::index)};
        parameters.insert(parameters.end(), line.types.begin(), line.types.end());
        return check_region(line, 0, parameters, line.types);
    }
    default: // if
        for (std::size_t k = 0; k < line.regions.size(); ++k) check_region(line, k, {}, line.types);
        if (line.regions.size() < 2 && !line.types.empty())
            fail(*line.at, "if: what has results needs an else");
    }
}

// ---- the node -------------------------------------------------------------------------------------------------------

NodeId Parser::make(Line& line, LocationId location) {
    implied_attributes(line);
    if (line.op == Op::reduce) check_regions(line);
    const TypeId type = type_of(line);
    std::vector<NodeId> operands;
    for (const Operand& operand : line.operands) operands.push_back(operand.node);
    if (operands.size() > 0xFFFF) fail(*line.at, "more than 65535 operands");
    const AttributesId attributes = module_->attributes.intern(line.attributes);
    if (!line.regions.empty() && line.op != Op::reduce) check_regions(line);
    std::vector<RegionId> regions;
    for (const ReadRegion& read : line.regions) regions.push_back(read.id);
    const NodeId node = regions.empty() ? function_->make(line.op, type, operands, attributes, location)
                                        : function_->make_with_regions(line.op, type, operands, regions,
                                                                       attributes, location);
    if (places_ != nullptr) places_->add(*function_, node, {line.at->line, line.at->column});
    return node;
}

void Parser::bind_results(const Line& line, NodeId node) {
    const std::size_t count = result_types(module_->types, (*function_)[node].type).size();
    if (line.names.size() != count)
        fail(line.names.empty() ? *line.at : *line.names[0],
             fmt::format("{} gives {} value{}, {} named", line.at->text, count, count == 1 ? "" : "s",
                         line.names.size()));
    for (u32 k = 0; k < count; ++k) define(*line.names[k], function_->result(node, k));
}

} // namespace heddle::ir
