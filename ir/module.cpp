#include "ir/module.h"

#include "ir/function.h"
#include "support/hash.h"

#include <heddle/error.h>

namespace heddle::ir {

WordId Words::intern(std::string_view text) {
    if (auto found = index_.find(text); found != index_.end()) return found->second;
    const WordId id{words_.size()};
    index_.emplace(words_.emplace_back(text), id);
    return id;
}

Module::Module() = default;
Module::~Module() = default;

MapId Module::map(const IndexMap& map) {
    u64 hash = hash_mix(map.axes, map.fill);
    for (DimId result : map.results) hash = hash_mix(hash, result.value);
    for (const Bound& bound : map.valid)
        hash = hash_mix(hash_mix(hash, bound.value.value), bound.extent.value);
    const u32 known = map_index_.find(hash, [&](u32 number) { return maps_[number] == map; });
    if (known != HashIndex::none) return MapId{known};
    const MapId id{maps_.size()};
    maps_.push_back(map);
    map_index_.insert(hash, id.value);
    return id;
}

LocationId Module::location(Location location) {
    if (!locations.empty()) {
        const Location& last = locations.back();
        if (last.line == location.line && last.column == location.column && last.scope == location.scope &&
            last.file == location.file && last.function == location.function)
            return LocationId{locations.size() - 1};
    }
    locations.push_back(std::move(location));
    return LocationId{locations.size() - 1};
}

Function& Module::add_function(std::string name) {
    return *functions.emplace_back(std::make_unique<Function>(*this, Level::graph, std::move(name)));
}

Function& Module::add_kernel(std::string name) {
    return *functions.emplace_back(std::make_unique<Function>(*this, Level::kernel, std::move(name)));
}

Function* Module::find(std::string_view name) {
    for (auto& function : functions)
        if (function->name() == name) return function.get();
    return nullptr;
}

} // namespace heddle::ir
