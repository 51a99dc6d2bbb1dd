#include "ir/node_copier.h"

#include "ir/custom.h"

#include <heddle/error.h>

namespace heddle::ir {

DimId NodeCopier::dim(DimId old) { return to_.module().dims.import(from_.module().dims, old, symbols); }

TypeId NodeCopier::type(TypeId old) {
    Type type = from_.module().types[old];
    for (DimId& extent : type.shape) extent = dim(extent);
    if (type.count.valid()) type.count = dim(type.count);
    for (TypeId& member : type.members) member = this->type(member);
    return to_.module().types.intern(type);
}

MapId NodeCopier::map(MapId old) {
    IndexMap copy = from_.module()[old];
    for (DimId& result : copy.results) result = dim(result);
    for (Bound& bound : copy.valid) bound = {dim(bound.value), dim(bound.extent)};
    return to_.module().map(copy);
}

AttributesId NodeCopier::attributes(AttributesId old) {
    const Attributes& table = from_.module().attributes;
    AttributeList list;
    for (Key key : table.keys(old)) {
        const std::span<const i64> payload = table.payload(old, key);
        std::vector<i64> words(payload.begin(), payload.end());
        for (i64& word : words) {
            const u32 id = static_cast<u32>(word);
            switch (form_of(key)) {
            case AttributeForm::dim:
            case AttributeForm::dims: word = dim(DimId{id}).value; break;
            case AttributeForm::type: word = type(TypeId{id}).value; break;
            case AttributeForm::map: word = map(MapId{id}).value; break;
            case AttributeForm::word:
            case AttributeForm::words:
                word = to_.module().words.intern(from_.module().words[WordId{id}]).value;
                break;
            case AttributeForm::integer:
            case AttributeForm::integers:
            case AttributeForm::bits:
            case AttributeForm::text:
            case AttributeForm::flag: break;
            }
        }
        list.words(key, words);
    }
    return to_.module().attributes.intern(list);
}

LocationId NodeCopier::location(LocationId old) {
    if (!old.valid()) return {};
    if (const auto known = locations_.find(old.value); known != locations_.end()) return known->second;
    Location copy = from_.module().locations[old.value];
    copy.scope = location(copy.scope);
    return locations_[old.value] = to_.module().location(std::move(copy));
}

RegionId NodeCopier::region(const Region& old) {
    const RegionId id = to_.open_region();
    for (NodeId parameter : old.parameters)
        map(parameter, to_.add_region_parameter(type(from_[parameter].type)));
    for (NodeId child : old.body) copy(child);
    std::vector<NodeId> yields;
    for (NodeId yield : old.yields) yields.push_back(mapped(yield));
    to_.close_region(std::move(yields));
    return id;
}

NodeId NodeCopier::copy(NodeId old) {
    const Node node = from_[old];
    std::vector<NodeId> operands;
    for (NodeId operand : from_.operands(old)) operands.push_back(mapped(operand));
    NodeId result;
    if (node.region_count == 0) {
        result = to_.make(node.op, type(node.type), operands, attributes(node.attributes),
                          location(node.location));
    } else {
        std::vector<RegionId> regions;
        for (u32 k = 0; k < node.region_count; ++k) regions.push_back(region(from_.region(old, k)));
        result = to_.make_with_regions(node.op, type(node.type), operands, regions,
                                       attributes(node.attributes), location(node.location));
    }
    if (node.op == Op::custom) {
        const auto& code = custom_code(from_, old);
        to_.module().customs.try_emplace(code->word, code);
    }
    map(old, result);
    return result;
}

void NodeCopier::copy_kernel() {
    for (const Fact& fact : from_.facts)
        to_.facts.push_back({dim(fact.left), fact.relation, dim(fact.right)});
    to_.attributes = attributes(from_.attributes);
    for (NodeId old : from_.parameters()) {
        const Node& node = from_[old];
        map(old, to_.add_parameter(type(node.type), attributes(node.attributes), location(node.location)));
        if (const std::string_view name = from_.name_of(old); !name.empty())
            to_.set_name(mapped(old), std::string(name));
    }
    for (const auto& [pointer, bytes] : from_.aligned) to_.aligned.emplace_back(mapped(pointer), bytes);
    for (NodeId old : from_.region(from_.root()).body) copy(old);
}

void NodeCopier::copy_function() {
    const Dims& symbols = from_.module().dims;
    for (u32 k = 0; k < symbols.symbol_count(); ++k)
        to_.module().dims.symbol(std::string(symbols.symbol_name(k)));
    copy_kernel();
    std::vector<NodeId> results;
    for (NodeId result : from_.results()) results.push_back(mapped(result));
    to_.set_results(std::move(results));
}

} // namespace heddle::ir
