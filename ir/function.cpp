#include "ir/function.h"

#include "support/hash.h"

#include <heddle/error.h>

#include <algorithm>

namespace heddle::ir {

Function::Function(Module& module, Level level, std::string name)
    : module_(&module), level_(level), name_(std::move(name)), regions_(1) {}

const Type& Function::type(NodeId id) const { return module_->types[nodes_[id.value].type]; }

std::span<const i64> Function::payload(NodeId id, Key key) const {
    return module_->attributes.payload(nodes_[id.value].attributes, key);
}

i64 Function::integer(NodeId id, Key key, i64 otherwise) const {
    return module_->attributes.integer(nodes_[id.value].attributes, key, otherwise);
}

bool Function::has(NodeId id, Key key) const {
    return module_->attributes.has(nodes_[id.value].attributes, key);
}

void Function::set_name(NodeId id, std::string name) { names_[id] = std::move(name); }

std::string_view Function::name_of(NodeId id) const {
    auto found = names_.find(id);
    return found == names_.end() ? std::string_view{} : std::string_view{found->second};
}

u64 Function::key_of(Op op, TypeId type, std::span<const NodeId> operands, AttributesId attributes,
                     RegionId region) const {
    u64 key = hash_mix(static_cast<u64>(op) << 32 | type.value, u64{attributes.value} << 32 | region.value);
    for (NodeId operand : operands) key = hash_mix(key, operand.value);
    return key;
}

NodeId Function::find_equal(u64 key, Op op, TypeId type, std::span<const NodeId> wanted,
                            AttributesId attributes, RegionId region) const {
    const u32 known = equal_.find(key, [&](u32 number) {
        const Node& node = nodes_[number];
        return node.op == op && node.type == type && node.attributes == attributes && node.parent == region &&
               std::ranges::equal(operands(NodeId{number}), wanted);
    });
    return NodeId{known};
}

NodeId Function::append(Node node, std::span<const NodeId> operands) {
    const NodeId id{nodes_.size()};
    node.operands = static_cast<u32>(operand_pool_.size());
    node.operand_count = static_cast<u16>(operands.size());
    if (operands.size() > 0xFFFF) throw InternalError("an op with more than 65535 operands");
    if (operand_pool_.capacity() - operand_pool_.size() < operands.size()) {
        // They may lie in the pool itself, which moves.
        const std::vector<NodeId> copy(operands.begin(), operands.end());
        operand_pool_.insert(operand_pool_.end(), copy.begin(), copy.end());
    } else {
        for (NodeId operand : operands) operand_pool_.push_back(operand);
    }
    nodes_.push_back(node);
    return id;
}

NodeId Function::add_parameter(TypeId type, AttributesId attributes, LocationId location) {
    Node node;
    node.op = Op::parameter;
    node.type = type;
    node.attributes = attributes;
    node.parent = root();
    node.location = location;
    const NodeId id = append(node, {});
    regions_[0].parameters.push_back(id);
    return id;
}

NodeId Function::make(Op op, TypeId type, std::span<const NodeId> operands, AttributesId attributes,
                      LocationId location) {
    const bool pure = !info(op).has(Traits::effect);
    u64 key = 0;
    if (pure) {
        // From the current region outwards.
        for (std::size_t depth = region_stack_.size() + 1; depth-- > 0;) {
            const RegionId region = depth == 0 ? root() : region_stack_[depth - 1];
            const u64 candidate = key_of(op, type, operands, attributes, region);
            if (region == current_) key = candidate;
            if (NodeId equal = find_equal(candidate, op, type, operands, attributes, region); equal.valid())
                return equal;
        }
    }
    Node node;
    node.op = op;
    node.type = type;
    node.attributes = attributes;
    node.parent = current_;
    node.location = location.valid() ? location : this->location;
    const NodeId id = append(node, operands);
    regions_[current_.value].body.push_back(id);
    if (pure) equal_.insert(key, id.value);
    return id;
}

NodeId Function::result(NodeId id, u32 k) {
    const Type& tuple = type(id);
    if (tuple.kind != TypeKind::tuple) return id;
    const TypeId member = tuple.members.at(k);
    AttributeList list;
    list.integer(Key::at, k);
    return make(Op::result, member, std::span(&id, 1), module_->attributes.intern(list),
                nodes_[id.value].location);
}

RegionId Function::open_region() {
    const RegionId id{regions_.size()};
    regions_.emplace_back();
    region_stack_.push_back(id);
    current_ = id;
    return id;
}

NodeId Function::add_region_parameter(TypeId type) {
    Node node;
    node.op = Op::parameter;
    node.type = type;
    node.parent = current_;
    const NodeId id = append(node, {});
    regions_[current_.value].parameters.push_back(id);
    return id;
}

void Function::close_region(std::vector<NodeId> yields) {
    regions_[current_.value].yields = std::move(yields);
    region_stack_.pop_back();
    current_ = region_stack_.empty() ? root() : region_stack_.back();
}

NodeId Function::make_with_regions(Op op, TypeId type, std::span<const NodeId> operands,
                                   std::span<const RegionId> regions, AttributesId attributes,
                                   LocationId location) {
    // The regions may hold nested ones between them; they are gathered at the end so that a node addresses a run.
    const RegionId first{regions_.size()};
    std::vector<RegionId> wanted(regions.begin(), regions.end());
    bool adjacent = true;
    for (std::size_t k = 1; k < wanted.size(); ++k) adjacent &= wanted[k].value == wanted[k - 1].value + 1;
    Node node;
    node.op = op;
    node.type = type;
    node.attributes = attributes;
    node.parent = current_;
    node.location = location.valid() ? location : this->location;
    node.region_count = static_cast<u16>(regions.size());
    node.first_region = adjacent ? wanted.front() : first;
    const NodeId id = append(node, operands);
    regions_[current_.value].body.push_back(id);
    for (std::size_t k = 0; k < wanted.size(); ++k) {
        RegionId region = wanted[k];
        if (!adjacent) {
            region = RegionId{regions_.size()};
            regions_.push_back(std::move(regions_[wanted[k].value]));
            for (NodeId child : regions_.back().parameters) nodes_[child.value].parent = region;
            for (NodeId child : regions_.back().body) nodes_[child.value].parent = region;
        }
        regions_[region.value].owner = id;
    }
    return id;
}

bool Function::same_size(DimId a, DimId b) const {
    if (a == b) return true;
    if (facts.empty()) return false;
    return module_->dims.prove_equal(a, b, {{}, facts});
}

namespace {

void mark(NodeId id, std::vector<bool>& seen, std::vector<NodeId>& work) {
    if (!id.valid() || seen[id.value]) return;
    seen[id.value] = true;
    work.push_back(id);
}

void mark_region(const Region& region, std::vector<bool>& seen, std::vector<NodeId>& work) {
    for (NodeId id : region.body) mark(id, seen, work);
    for (NodeId id : region.yields) mark(id, seen, work);
}

std::vector<bool> mark_live(const Function& function) {
    std::vector<bool> seen(function.size());
    std::vector<NodeId> work;
    for (NodeId id : function.results()) mark(id, seen, work);
    for (NodeId id : function.region(function.root()).body)
        if (info(function.op(id)).has(Traits::effect)) mark(id, seen, work);
    while (!work.empty()) {
        const NodeId id = work.back();
        work.pop_back();
        for (NodeId operand : function.operands(id)) mark(operand, seen, work);
        for (u32 k = 0; k < function[id].region_count; ++k) mark_region(function.region(id, k), seen, work);
    }
    return seen;
}

} // namespace

std::vector<NodeId> live_nodes(const Function& function) {
    const std::vector<bool> live = mark_live(function);
    std::vector<NodeId> result;
    for (NodeId id : function.region(function.root()).body)
        if (live[id.value]) result.push_back(id);
    return result;
}

std::vector<u32> use_counts(const Function& function) {
    const std::vector<bool> live = mark_live(function);
    std::vector<u32> counts(function.size());
    for (u32 k = 0; k < function.size(); ++k) {
        if (!live[k]) continue;
        for (NodeId operand : function.operands(NodeId{k})) ++counts[operand.value];
        for (u32 r = 0; r < function[NodeId{k}].region_count; ++r)
            for (NodeId yielded : function.region(NodeId{k}, r).yields) ++counts[yielded.value];
    }
    for (NodeId id : function.results()) ++counts[id.value];
    return counts;
}

} // namespace heddle::ir
