#include "ir/print_plan.h"

#include "ir/text_rules.h"

#include <algorithm>

namespace heddle::ir {
namespace {

/// Deeper trees of index arithmetic are cut into lines.
constexpr u8 deepest_expression = 5;

u64 result_key(NodeId op, u32 k) { return u64{op.value} << 32 | k; }

} // namespace

std::vector<TypeId> yielded_types(const Function& function, NodeId id, u32 region) {
    Types& types = function.module().types;
    std::vector<TypeId> result = result_types(types, function[id].type);
    if (function.op(id) == Op::while_loop && region == 0)
        return {result.empty() ? types.scalar(Dtype::boolean)
                               : rank_0_like(types, result[0], Dtype::boolean)};
    if (function.op(id) == Op::reduce)
        for (TypeId& type : result) type = types.scalar(types[type].dtype);
    return result;
}

PrintPlan::PrintPlan(const Function& function, bool keep_names)
    : function_(function), inline_(function.size()), named_(function.size()), uses_(function.size()),
      user_(function.size()), depth_(function.size()) {
    std::vector<TypeId> results;
    for (NodeId id : function.results()) results.push_back(exists(id) ? function[id].type : TypeId{});
    visit_region(function.root(), results);
    decide(function.root(), keep_names);
}

NodeId PrintPlan::result(NodeId op, u32 k) const {
    const auto found = results_.find(result_key(op, k));
    return found == results_.end() ? NodeId{} : found->second;
}

u64 PrintPlan::literal_value(NodeId id) const {
    if (function_.op(id) == Op::splat) id = function_.operand(id, 0);
    return static_cast<u64>(function_.payload(id, Key::value)[0]);
}

bool PrintPlan::is_candidate(NodeId id) const {
    if (!exists(id)) return false;
    if (function_.op(id) == Op::splat) {
        id = function_.operand(id, 0);
        return function_.op(id) == Op::constant && is_candidate(id);
    }
    if (function_.op(id) != Op::constant || function_.payload(id, Key::value).size() != 1) return false;
    const Type& type = function_.type(id);
    return type.is_scalar() || (type.kind == TypeKind::tensor && type.shape.empty());
}

bool PrintPlan::is_index_math(NodeId id) const {
    const Type& type = function_.type(id);
    return is_infix(function_.op(id)) && type.is_scalar() && type.dtype == Dtype::index &&
           function_.level() == Level::kernel;
}

void PrintPlan::use(NodeId id, TypeId wanted, RegionId region) {
    if (!exists(id)) return;
    ++uses_[id.value];
    user_[id.value] = region;
    if (is_candidate(id) && wanted != function_[id].type) named_[id.value] = true;
}

void PrintPlan::visit_node(NodeId id, RegionId region) {
    const Op op = function_.op(id);
    if (op == Op::result) {
        results_.emplace(
            result_key(function_.operand(id, 0), static_cast<u32>(function_.integer(id, Key::at))), id);
        inline_[id.value] = true;
        return;
    }
    Types& types = function_.module().types;
    std::vector<TypeId> operands, results;
    for (NodeId operand : function_.operands(id))
        operands.push_back(!exists(operand) || is_candidate(operand) ? TypeId{} : function_[operand].type);
    if (function_.level() == Level::graph || needs_type(op))
        results = result_types(types, function_[id].type);
    const bool infix = is_index_math(id);
    for (u32 k = 0; k < operands.size(); ++k) {
        const TypeId wanted =
            infix ? types.scalar(Dtype::index) : literal_type(types, op, k, operands, results);
        const NodeId operand = function_.operand(id, k);
        use(operand, wanted, region);
        // What cannot be a literal is a name, which tells the dtype of the literals beside it.
        if (exists(operand) && !operands[k].valid() && wanted != function_[operand].type)
            operands[k] = function_[operand].type;
    }
    for (u32 k = 0; k < function_[id].region_count; ++k) {
        const RegionId inner{function_[id].first_region.value + k};
        visit_region(inner, yielded_types(function_, id, k));
    }
}

void PrintPlan::visit_region(RegionId id, std::span<const TypeId> yielded) {
    const Region& region = function_.region(id);
    for (NodeId node : region.body) visit_node(node, id);
    for (std::size_t k = 0; k < region.yields.size(); ++k)
        use(region.yields[k], k < yielded.size() ? yielded[k] : TypeId{}, id);
}

void PrintPlan::decide(RegionId id, bool keep_names) {
    for (NodeId node : function_.region(id).body) {
        const u32 at = node.value;
        if (is_candidate(node)) {
            inline_[at] = !named_[at] && (function_.op(node) == Op::constant || uses_[at] > 0);
        } else if (is_index_math(node)) {
            for (NodeId operand : function_.operands(node))
                if (exists(operand) && is_expression(operand))
                    depth_[at] = std::max<u8>(depth_[at], depth_[operand.value] + 1);
            inline_[at] = uses_[at] == 1 && user_[at] == id && depth_[at] < deepest_expression &&
                          (!keep_names || function_.name_of(node).empty());
        }
        for (u32 k = 0; k < function_[node].region_count; ++k)
            decide(RegionId{function_[node].first_region.value + k}, keep_names);
    }
}

} // namespace heddle::ir
