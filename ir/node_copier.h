#pragma once
// Copying nodes from one module to another: types, attributes, sizes, words and places are found or made in the other module's tables.

#include "ir/function.h"

#include <unordered_map>
#include <vector>

namespace heddle::ir {

/// Copies nodes into a function of another module. Operands are mapped before their users.
class NodeCopier {
public:
    NodeCopier(const Function& from, Function& to) : from_(from), to_(to), map_(from.size()) {}

    /// By number of the old module's symbol, in the new module's table: what stands for it. Others keep their names.
    std::vector<DimId> symbols;

    void map(NodeId old, NodeId replacement) { map_[old.value] = replacement; }
    NodeId mapped(NodeId old) const { return map_[old.value]; }
    /// With its regions; the code of a custom kernel goes along.
    NodeId copy(NodeId old);
    /// The whole of a kernel, but its name, into an empty one.
    void copy_kernel();
    /// The whole of a function of the graph, but its name, into an empty one of an empty module, whose symbols get the same numbers.
    void copy_function();
    TypeId type(TypeId old);
    AttributesId attributes(AttributesId old);

private:
    DimId dim(DimId old);
    MapId map(MapId old);
    LocationId location(LocationId old);
    RegionId region(const Region& old);

    const Function& from_;
    Function& to_;
    std::vector<NodeId> map_;
    std::unordered_map<u32, LocationId> locations_;
};

} // namespace heddle::ir
