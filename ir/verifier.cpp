#include "ir/verifier.h"

#include "ir/builder.h"
#include "ir/kernel_builder.h"
#include "ir/kernel_rules.h"
#include "ir/printer.h"
#include "ir/text_rules.h"
#include "ir/uniform.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

namespace heddle::ir {
namespace {

class Verifier {
public:
    // The rules intern types as they go, so they want the function itself; nothing of it changes.
    Verifier(const Function& function, const Target* target)
        : function_(const_cast<Function&>(function)), module_(function.module()), target_(target),
          kernel_(function.level() == Level::kernel), defined_(function.size()) {}

    std::vector<Diagnostic> run() {
        symbols();
        if (kernel_) parameters();
        region(function_.root());
        // What follows needs a function that is sound so far.
        if (kernel_ && found_.empty()) header();
        if (kernel_ && found_.empty()) control_flow();
        return std::move(found_);
    }

private:
    Function& function_;
    Module& module_;
    const Target* target_;
    bool kernel_;
    std::vector<bool> defined_;
    std::vector<Diagnostic> found_;
    std::unordered_set<u32> symbols_;
    std::unordered_set<DimId> known_sizes_;

    void report(int rule, NodeId id, const std::string& what) {
        std::string message = fmt::format("@{}", function_.name());
        if (id.valid() && id.value < function_.size()) {
            const std::string name = value_name(function_, id);
            message += fmt::format(": {}{}{}", name, name.empty() ? "" : " = ", info(function_.op(id)).text);
        }
        message += ": " + what;
        if (id.valid() && id.value < function_.size() && function_[id].location.valid()) {
            const Location& place = module_.locations[function_[id].location.value];
            message += fmt::format(" ({}:{}:{})", place.file, place.line, place.column);
        }
        found_.push_back({rule, id, message});
    }

    std::string show(TypeId type) const { return text(module_.types, module_.dims, type); }
    std::string show(std::span<const TypeId> types) const {
        std::string result;
        for (TypeId type : types) result += (result.empty() ? "" : ", ") + show(type);
        return result.empty() ? "nothing" : result;
    }

    bool is_defined(NodeId id) const {
        return id.valid() && id.value < defined_.size() && defined_[id.value];
    }

    // ---- sizes (rule 4)

    void symbols() {
        if (kernel_) return;
        for (NodeId id : function_.parameters()) {
            for (DimId size : function_.shape(id)) {
                const std::span<const Term> terms = module_.dims.terms(size);
                const bool bare =
                    terms.size() == 1 && terms[0].coefficient == 1 && terms[0].atoms.size() == 1;
                if (!bare) continue;
                const Atom& atom = module_.dims.atom(terms[0].atoms[0]);
                if (atom.kind == AtomKind::symbol) symbols_.insert(atom.index);
            }
        }
    }

    void size(NodeId id, DimId dim) {
        if (!known_sizes_.insert(dim).second) return;
        for (const Term& term : module_.dims.terms(dim)) {
            for (AtomId atom_id : term.atoms) {
                const Atom atom = module_.dims.atom(atom_id);
                if (atom.kind == AtomKind::axis) {
                    report(4, id, fmt::format("the size {} mentions an axis", module_.dims.text(dim)));
                } else if (atom.kind != AtomKind::symbol) {
                    size(id, atom.left);
                    size(id, atom.right);
                } else if (!symbols_.contains(atom.index)) {
                    report(4, id,
                           fmt::format("?{} is not declared: no parameter has it as a size",
                                       module_.dims.symbol_name(atom.index)));
                }
            }
        }
    }

    void sizes_of(NodeId id, TypeId type) {
        if (kernel_) return;
        for (TypeId member : result_types(module_.types, type))
            for (DimId dim : module_.types[member].shape) {
                if (const auto constant = module_.dims.as_constant(dim); constant && *constant < 0)
                    report(4, id, fmt::format("the size {} is negative", *constant));
                size(id, dim);
            }
    }

    // ---- parameters and header of a kernel (rules 7 to 9)

    void parameters() {
        bool values = false;
        for (NodeId id : function_.parameters()) {
            const Type& type = function_.type(id);
            const bool pointer = type.kind == TypeKind::pointer;
            if (pointer && values) report(1, id, "pointers come before the other parameters");
            values |= !pointer;
            if (!pointer && function_.has(id, Key::size) == function_.has(id, Key::number))
                report(4, id, "a value parameter has a size expression or a number that fills it");
        }
        for (const auto& [pointer, bytes] : function_.aligned)
            if (function_.type(pointer).kind != TypeKind::pointer)
                report(2, pointer, "is no pointer that could be aligned");
    }

    void header() {
        if (!module_.attributes.has(function_.attributes, Key::target))
            return report(8, {}, "names no target");
        const KernelInfo info = kernel_info(function_);
        if (info.grid.empty() || info.grid.size() > 3)
            report(8, {}, fmt::format("a grid has 1 to 3 extents, given {}", info.grid.size()));
        if (info.index_bits != 32 && info.index_bits != 64)
            report(8, {}, fmt::format("an index has 32 or 64 bits, given {}", info.index_bits));
        if (info.block == 0 || (info.subgroup != 0 && info.block % info.subgroup != 0))
            report(8, {},
                   fmt::format("a block of {} is no multiple of its subgroups of {}", info.block,
                               info.subgroup));
        inplace();
        if (target_) limits(info);
    }

    void inplace() {
        const std::span<const i64> pairs = module_.attributes.payload(function_.attributes, Key::inplace);
        for (std::size_t k = 0; k + 1 < pairs.size(); k += 2) {
            const std::size_t count = function_.parameters().size();
            if (static_cast<std::size_t>(pairs[k]) >= count ||
                static_cast<std::size_t>(pairs[k + 1]) >= count) {
                report(9, {}, "inplace names a parameter that is not there");
                continue;
            }
            const NodeId a = function_.parameters()[pairs[k]], b = function_.parameters()[pairs[k + 1]];
            if (function_[a].type != function_[b].type || function_.type(a).kind != TypeKind::pointer ||
                a == b)
                report(9, a,
                       fmt::format("inplace pairs {} with {}", show(function_[a].type),
                                   show(function_[b].type)));
            for (u32 r = 0; r < function_.region_count(); ++r)
                reads_before_writes(function_.region(RegionId{r}), a, b);
        }
    }

    /// The parameter, local or shared memory that a pointer points into.
    NodeId memory_of(NodeId pointer) const {
        while (function_.op(pointer) == Op::rebase || function_.op(pointer) == Op::bitcast)
            pointer = function_.operand(pointer, 0);
        return pointer;
    }

    /// True for a store to that memory, and for ops whose regions hold one.
    bool stores_to(NodeId node, NodeId memory) const {
        const bool stores = function_.op(node) == Op::store || function_.op(node) == Op::publish;
        if (stores && memory_of(function_.operand(node, 1)) == memory) return true;
        for (u32 k = 0; k < function_[node].region_count; ++k)
            for (NodeId inner : function_.region(node, k).body)
                if (stores_to(inner, memory)) return true;
        return false;
    }

    /// In each region, a pair's elements are read before any is written: the one that is written may be the one that is read next.
    void reads_before_writes(const Region& region, NodeId read, NodeId written) {
        bool stored = false;
        for (NodeId node : region.body) {
            stored = stored || stores_to(node, written);
            if (stored && function_.op(node) == Op::load && memory_of(function_.operand(node, 0)) == read)
                return report(9, node, "reads memory that an earlier store of this region may have written");
        }
    }

    void limits(const KernelInfo& info) {
        if (info.target != TargetKind::gpu) return;
        if (info.block > target_->max_block)
            report(8, {}, fmt::format("a block of {}, the device allows {}", info.block, target_->max_block));
        u64 shared = 0;
        for (u32 k = 0; k < function_.size(); ++k) {
            if (function_.op(NodeId{k}) != Op::shared) continue;
            const Type& type = function_.type(NodeId{k});
            shared += static_cast<u64>(module_.dims.as_constant(type.count).value_or(0)) *
                      size_of(type.dtype) * type.lanes;
        }
        if (shared > target_->shared_bytes)
            report(
                8, {},
                fmt::format("{} bytes of shared memory, the device has {}", shared, target_->shared_bytes));
    }

    // ---- regions and ops (rules 1 to 3, 5)

    void region(RegionId id) {
        const Region& region = function_.region(id);
        std::vector<NodeId> here(region.parameters);
        for (NodeId parameter : region.parameters) {
            defined_[parameter.value] = true;
            sizes_of(parameter, function_[parameter].type);
        }
        for (NodeId node : region.body) {
            this->node(node, id);
            defined_[node.value] = true;
            here.push_back(node);
        }
        for (NodeId yielded : region.yields)
            if (!is_defined(yielded)) report(1, yielded, "is handed back but not defined here");
        if (id != function_.root())
            for (NodeId node : here) defined_[node.value] = false;
    }

    void node(NodeId id, RegionId region_id) {
        const Op op = function_.op(id);
        if (function_[id].parent != region_id) report(1, id, "lies in another region than its node says");
        for (NodeId operand : function_.operands(id)) {
            if (!is_defined(operand)) {
                report(1, id,
                       fmt::format("its operand {} is not defined here", value_name(function_, operand)));
                return;
            }
        }
        sizes_of(id, function_[id].type);
        for (u32 k = 0; k < function_[id].region_count; ++k)
            region(RegionId{function_[id].first_region.value + k});
        if (op == Op::result) return result(id);
        const OpInfo& row = info(op);
        if (!row.has(both_levels) && !is_elementwise(op) && row.has(kernel_level) != kernel_)
            return report(1, id, fmt::format("is an op of the {} level", kernel_ ? "graph" : "kernel"));
        if (op == Op::index || op == Op::parameter) return report(1, id, "stands in a body");
        required(id);
        regions(id);
        type(id);
        if (op == Op::load || op == Op::store) alignment(id);
    }

    void result(NodeId id) {
        const NodeId operand = function_.operand(id, 0);
        const std::vector<TypeId> members = result_types(module_.types, function_[operand].type);
        const i64 at = function_.integer(id, Key::at, -1);
        if (at < 0 || at >= static_cast<i64>(members.size()) || function_[id].type != members[at])
            report(1, id, fmt::format("takes value {} of {}", at, show(members)));
    }

    void required(NodeId id) {
        for (const OpKey& key : written_keys(function_.op(id)))
            if (key.required && !function_.has(id, key.key))
                report(1, id, fmt::format("needs the attribute '{}'", name_of(key.key)));
        for (Key key : module_.attributes.keys(function_[id].attributes)) {
            const std::span<const OpKey> keys = written_keys(function_.op(id));
            const bool known = std::ranges::any_of(keys, [&](const OpKey& row) { return row.key == key; });
            if (!known && !is_implied(function_.op(id), key))
                report(1, id, fmt::format("has no attribute '{}'", name_of(key)));
        }
    }

    void type(NodeId id) {
        const Op op = function_.op(id);
        if (info(op).kind == OpKind::control && !kernel_) return; // regions() compared all types
        const std::vector<NodeId> operands(function_.operands(id).begin(), function_.operands(id).end());
        try {
            const AttributesId attributes = function_[id].attributes;
            const TypeId inferred =
                kernel_ ? infer_kernel_type(function_, op, operands, attributes, function_[id].type)
                        : infer_type(function_, op, operands, attributes, region_types(id));
            if (!same_type(inferred, function_[id].type))
                report(1, id,
                       fmt::format("is {}, its rule gives {}", show(function_[id].type), show(inferred)));
        } catch (const Error& error) {
            const OpKind kind = info(op).kind;
            report(kind == OpKind::memory ? 2 : 1, id, error.what());
        }
    }

    bool same_type(TypeId a, TypeId b) const {
        if (a == b) return true;
        const Type &left = module_.types[a], &right = module_.types[b];
        if (left.kind != right.kind || left.dtype != right.dtype || left.lanes != right.lanes ||
            left.shape.size() != right.shape.size() || left.members.size() != right.members.size() ||
            left.count != right.count)
            return false;
        for (std::size_t k = 0; k < left.shape.size(); ++k)
            if (!function_.same_size(left.shape[k], right.shape[k])) return false;
        for (std::size_t k = 0; k < left.members.size(); ++k)
            if (!same_type(left.members[k], right.members[k])) return false;
        return true;
    }

    bool same_types(std::span<const TypeId> a, std::span<const TypeId> b) const {
        return std::ranges::equal(a, b, [&](TypeId left, TypeId right) { return same_type(left, right); });
    }

    std::vector<TypeId> types_of(std::span<const NodeId> nodes) const {
        std::vector<TypeId> types;
        for (NodeId node : nodes) types.push_back(function_[node].type);
        return types;
    }

    std::vector<TypeId> region_types(NodeId id) const {
        return function_[id].region_count == 0 ? std::vector<TypeId>{}
                                               : types_of(function_.region(id, 0).yields);
    }

    /// Rule 5 for one region: what it takes and yields.
    void body(NodeId id, u32 k, std::span<const TypeId> parameters, std::span<const TypeId> yields) {
        const Region& region = function_.region(id, k);
        const std::vector<TypeId> takes = types_of(region.parameters), gives = types_of(region.yields);
        if (!same_types(takes, parameters))
            report(5, id, fmt::format("region {} takes {}, expected {}", k, show(takes), show(parameters)));
        if (!same_types(gives, yields))
            report(5, id, fmt::format("region {} yields {}, expected {}", k, show(gives), show(yields)));
    }

    void regions(NodeId id) {
        const Op op = function_.op(id);
        const u32 count = function_[id].region_count;
        if (!info(op).has(Traits::regions)) {
            if (count != 0) report(5, id, "has a region");
            return;
        }
        const u32 least = op == Op::while_loop || op == Op::cond ? 2 : 1,
                  most = op == Op::if_then ? 2 : least;
        if (count < least || count > most)
            return report(5, id, fmt::format("has {} regions, expected {}", count, least));
        const std::vector<TypeId> results = result_types(module_.types, function_[id].type);
        const std::vector<TypeId> operands = types_of(function_.operands(id));
        Types& types = module_.types;
        auto carries = [&](std::span<const TypeId> initial) {
            if (!same_types(initial, results))
                report(5, id, fmt::format("starts with {}, gives {}", show(initial), show(results)));
        };
        switch (op) {
        case Op::reduce: {
            std::vector<TypeId> yields;
            for (std::size_t k = 0; k < operands.size() / 2; ++k)
                yields.push_back(types.scalar(types[operands[k]].dtype));
            std::vector<TypeId> parameters(yields);
            parameters.insert(parameters.end(), yields.begin(), yields.end());
            return body(id, 0, parameters, yields);
        }
        case Op::while_loop: {
            carries(operands);
            const TypeId go = operands.empty() ? types.scalar(Dtype::boolean)
                                               : rank_0_like(types, operands[0], Dtype::boolean);
            body(id, 0, results, std::span(&go, 1));
            return body(id, 1, results, results);
        }
        case Op::cond: {
            if (operands.empty() || operands[0] != types.tensor(Dtype::boolean, {}))
                return report(1, id, "its condition is not bool[]");
            body(id, 0, std::span(operands).subspan(1), results);
            return body(id, 1, std::span(operands).subspan(1), results);
        }
        case Op::for_loop: {
            if (operands.size() < 3) return report(1, id, "has no bounds");
            carries(std::span(operands).subspan(3));
            std::vector<TypeId> parameters{types.scalar(Dtype::index)};
            parameters.insert(parameters.end(), results.begin(), results.end());
            body(id, 0, parameters, results);
            return interleave(id, results.size());
        }
        default: // if
            for (u32 k = 0; k < count; ++k) body(id, k, {}, results);
            if (count < 2 && !results.empty()) report(5, id, "has results but no else");
        }
    }

    void interleave(NodeId id, std::size_t carried) {
        const i64 copies = function_.integer(id, Key::interleave, 1);
        const std::size_t ops = function_.payload(id, Key::combine).size();
        if (copies < 1 || copies > 64)
            report(5, id, fmt::format("interleave = {}, expected 1 to 64", copies));
        else if (copies > 1 && ops != carried)
            report(5, id, fmt::format("combines {} of {} carried values", ops, carried));
    }

    void alignment(NodeId id) {
        const NodeId memory = function_.operand(id, function_.op(id) == Op::load ? 0 : 1);
        const i64 element = static_cast<i64>(size_of(function_.dtype(memory)));
        const i64 align = function_.integer(id, Key::align, element);
        if (align < element || align > 4096 || (align & (align - 1)) != 0)
            report(2, id, fmt::format("align = {}, expected a power of two from {}", align, element));
    }

    // ---- control flow (rules 6, 7)

    void control_flow() {
        const bool gpu = kernel_info(function_).target == TargetKind::gpu;
        const Uniformity uniform = gpu ? uniformity(function_) : Uniformity{};
        for (u32 region_id = 0; region_id < function_.region_count(); ++region_id) {
            for (NodeId id : function_.region(RegionId{region_id}).body) {
                const Op op = function_.op(id);
                const OpKind kind = info(op).kind;
                const bool invocations = kind == OpKind::synchronise || op == Op::shared || op == Op::await ||
                                         op == Op::publish ||
                                         (kind == OpKind::position && op != Op::grid_index);
                if (!gpu && invocations)
                    report(7, id, "stands in a CPU kernel, which has one invocation a grid index");
                if (gpu && kind == OpKind::synchronise) synchronised(id, uniform.control[region_id]);
            }
        }
    }

    void synchronised(NodeId id, Uniform control) {
        const Op op = function_.op(id);
        bool block = op == Op::block_reduce;
        if (op == Op::barrier)
            block = module_.words[WordId{static_cast<u32>(function_.integer(id, Key::scope))}] == "block";
        if (block && control != Uniform::block)
            report(6, id, "stands in control flow that differs within a block");
        if (!block && control == Uniform::varying)
            report(6, id, "stands in control flow that differs within a subgroup");
    }
};

} // namespace

std::vector<Diagnostic> diagnose(const Function& function, const Target* target) {
    return Verifier(function, target).run();
}

void verify(const Function& function, const Target* target) {
    const std::vector<Diagnostic> found = diagnose(function, target);
    if (found.empty()) return;
    const std::string more =
        found.size() > 1 ? fmt::format(" (and {} more)", found.size() - 1) : std::string();
    throw InternalError(fmt::format("{}{}", found[0].message, more));
}

void verify(const Module& module) {
    for (const auto& function : module.functions) verify(*function);
}

} // namespace heddle::ir
