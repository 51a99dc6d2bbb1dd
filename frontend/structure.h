#pragma once
// Functions as keys: what a function computes, as words, without names and places. Two functions with equal words are one. Also
// copying nodes from one module to another.

#include "ir/function.h"

#include <unordered_map>
#include <vector>

namespace heddle::detail {

/// Appends all of a function or kernel: parameters, nodes, regions, attributes, facts. Types, attributes and size expressions are
/// written out where they first occur.
void append_structure(const ir::Function& function, std::vector<u64>& words);

/// Copies nodes into a function of another module. Operands are mapped before their users.
class NodeCopier {
public:
    NodeCopier(const ir::Function& from, ir::Function& to) : from_(from), to_(to), map_(from.size()) {}

    void map(ir::NodeId old, ir::NodeId replacement) { map_[old.value] = replacement; }
    ir::NodeId mapped(ir::NodeId old) const { return map_[old.value]; }
    /// With its regions.
    ir::NodeId copy(ir::NodeId old);
    ir::TypeId type(ir::TypeId old);
    ir::AttributesId attributes(ir::AttributesId old);

private:
    ir::DimId dim(ir::DimId old);
    ir::LocationId location(ir::LocationId old);
    ir::RegionId region(const ir::Region& old);

    const ir::Function& from_;
    ir::Function& to_;
    std::vector<ir::NodeId> map_;
    std::unordered_map<u32, ir::LocationId> locations_;
};

} // namespace heddle::detail
