#include "passes/rewrite.h"

#include <heddle/error.h>

#include <algorithm>
#include <array>

namespace heddle::passes {

using ir::NodeId;
using ir::RegionId;

namespace {

/// Nodes that an effect, a yield or a result needs, anywhere in the function.
std::vector<bool> find_needed(const ir::Function& function) {
    std::vector<bool> needed(function.size());
    std::vector<NodeId> work;
    auto need = [&](NodeId id) {
        if (needed[id.value]) return;
        needed[id.value] = true;
        work.push_back(id);
    };
    auto need_effects = [&](const ir::Region& region) {
        for (NodeId id : region.body)
            if (ir::info(function.op(id)).has(ir::Traits::effect) && function.op(id) != ir::Op::load)
                need(id);
        for (NodeId id : region.yields) need(id);
    };
    need_effects(function.region(function.root()));
    while (!work.empty()) {
        const NodeId id = work.back();
        work.pop_back();
        for (NodeId operand : function.operands(id)) need(operand);
        for (u32 k = 0; k < function[id].region_count; ++k) need_effects(function.region(id, k));
    }
    return needed;
}

thread_local constinit RewriteWatch* watching = nullptr;

} // namespace

RewriteWatch::RewriteWatch(u64 limit) : limit_(limit), outer_(watching) { watching = this; }
RewriteWatch::~RewriteWatch() { watching = outer_; }
RewriteWatch* RewriteWatch::innermost() { return watching; }

Rewriter::Rewriter(const ir::Function& from, ir::Function& to, Hook hook)
    : from_(&from), to_(&to), kernel_(to), hook_(std::move(hook)), map_(from.size()),
      needed_(find_needed(from)) {}

NodeId Rewriter::mapped(NodeId old) const {
    const NodeId id = map_[old.value];
    if (!id.valid()) throw InternalError("rewrite: an operand was not copied before its user");
    return id;
}

std::vector<NodeId> Rewriter::mapped(std::span<const NodeId> old) const {
    std::vector<NodeId> result;
    for (NodeId id : old) result.push_back(mapped(id));
    return result;
}

void Rewriter::map_result(NodeId old, u32 k, NodeId replacement) {
    results_[u64{old.value} << 32 | k] = replacement;
}

NodeId Rewriter::copy(NodeId old) {
    const ir::Node& node = (*from_)[old];
    std::array<NodeId, 8> few;
    if (node.region_count == 0 && node.operand_count <= few.size()) {
        for (u32 k = 0; k < node.operand_count; ++k) few[k] = mapped(from_->operand(old, k));
        return to_->make(node.op, node.type, std::span(few).first(node.operand_count), node.attributes,
                         node.location);
    }
    const std::vector<NodeId> operands = mapped(from_->operands(old));
    if (node.region_count == 0)
        return to_->make(node.op, node.type, operands, node.attributes, node.location);
    std::vector<RegionId> regions;
    for (u32 k = 0; k < node.region_count; ++k) {
        const ir::Region& region = from_->region(old, k);
        regions.push_back(to_->open_region());
        for (NodeId parameter : region.parameters) {
            const NodeId copied = to_->add_region_parameter((*from_)[parameter].type);
            map(parameter, copied);
            if (auto name = from_->name_of(parameter); !name.empty())
                to_->set_name(copied, std::string(name));
        }
        to_->close_region(copy_body(region));
    }
    return to_->make_with_regions(node.op, node.type, operands, regions, node.attributes, node.location);
}

bool Rewriter::is_copy(NodeId replacement, NodeId old) const {
    const ir::Node &made = (*to_)[replacement], &node = (*from_)[old];
    return made.op == node.op && made.type == node.type && made.attributes == node.attributes &&
           node.region_count == 0 &&
           std::ranges::equal(to_->operands(replacement), mapped(from_->operands(old)));
}

NodeId Rewriter::replacement_of(NodeId old) {
    RewriteWatch* watch = RewriteWatch::innermost();
    if (!hook_ || (watch != nullptr && watch->count_ >= watch->limit_)) return {};
    const NodeId replacement = hook_(*this, old);
    if (watch != nullptr && replacement.valid() && !is_copy(replacement, old)) ++watch->count_;
    return replacement;
}

std::vector<NodeId> Rewriter::copy_body(const ir::Region& region) {
    for (NodeId old : region.body) {
        if (!needed_[old.value]) continue;
        if (from_->op(old) == ir::Op::result) {
            const u32 k = static_cast<u32>(from_->integer(old, ir::Key::at));
            const auto found = results_.find(u64{from_->operand(old, 0).value} << 32 | k);
            map(old,
                found != results_.end() ? found->second : to_->result(mapped(from_->operand(old, 0)), k));
            continue;
        }
        NodeId replacement = replacement_of(old);
        if (!replacement.valid()) replacement = copy(old);
        map(old, replacement);
        if (auto name = from_->name_of(old); !name.empty() && to_->name_of(replacement).empty())
            to_->set_name(replacement, std::string(name));
    }
    return mapped(region.yields);
}

void Rewriter::copy_parameters(const Pointers& pointers) {
    bool are_pointers = static_cast<bool>(pointers);
    for (NodeId old : from_->parameters()) {
        const ir::Node& node = (*from_)[old];
        if (are_pointers && from_->type(old).kind != ir::TypeKind::pointer) {
            pointers(*this);
            are_pointers = false;
        }
        const NodeId copied = to_->add_parameter(node.type, node.attributes, node.location);
        if (auto name = from_->name_of(old); !name.empty()) to_->set_name(copied, std::string(name));
        map(old, copied);
    }
    if (are_pointers) pointers(*this);
}

void Rewriter::run(const Around& around, const Pointers& pointers) {
    to_->facts = from_->facts;
    to_->attributes = from_->attributes;
    copy_parameters(pointers);
    for (auto [pointer, bytes] : from_->aligned) to_->aligned.emplace_back(mapped(pointer), bytes);
    const ir::Region& root = from_->region(from_->root());
    RewriteWatch* watch = RewriteWatch::innermost();
    if (watch != nullptr && pointers)
        ++watch->count_; // they are not left out: what reads them may come before the limit
    if (!around || (watch != nullptr && watch->count_ >= watch->limit_)) {
        to_->set_results(copy_body(root));
        return;
    }
    if (watch != nullptr) ++watch->count_;
    around(*this, [&] { copy_body(root); });
}

ir::Function& rewrite(ir::Function& function, Rewriter::Hook hook, const Rewriter::Around& around,
                      const Rewriter::Pointers& pointers) {
    ir::Module& module = function.module();
    auto place =
        std::ranges::find_if(module.functions, [&](const auto& owned) { return owned.get() == &function; });
    if (place == module.functions.end()) throw InternalError("rewrite: the function is not of its module");
    auto fresh = std::make_unique<ir::Function>(module, function.level(), function.name());
    Rewriter(function, *fresh, std::move(hook)).run(around, pointers);
    *place = std::move(fresh);
    return **place;
}

ir::Function& add_copy(const ir::Function& function, std::string name) {
    ir::Module& module = function.module();
    auto copy = std::make_unique<ir::Function>(module, function.level(), std::move(name));
    Rewriter(function, *copy, nullptr).run();
    module.functions.push_back(std::move(copy));
    return *module.functions.back();
}

std::unique_ptr<ir::Function> set_aside(ir::Function*& function) {
    ir::Module& module = function->module();
    const auto place =
        std::ranges::find_if(module.functions, [&](const auto& owned) { return owned.get() == function; });
    if (place == module.functions.end()) throw InternalError("set_aside: the function is not of its module");
    auto copy = std::make_unique<ir::Function>(module, function->level(), function->name());
    Rewriter(*function, *copy, nullptr).run();
    std::swap(*place, copy);
    function = place->get();
    return copy;
}

ir::Function* put_back(std::unique_ptr<ir::Function> function) {
    std::vector<std::unique_ptr<ir::Function>>& functions = function->module().functions;
    for (std::unique_ptr<ir::Function>& place : functions)
        if (place->name() == function->name()) return (place = std::move(function)).get();
    throw InternalError("put_back: nothing has the function's name");
}

} // namespace heddle::passes
