#pragma once
// A function (graph level: tensors, no memory) or a kernel (kernel level: scalars, vectors, memory, loops) in SSA form.
// Both are a tree of regions over one arena of small immutable nodes. A node is its own value; an op with several results
// has a tuple type, and `result` nodes take it apart. Pure nodes are hash-consed as they are made: equal op, operands, type
// and attributes in the same or an enclosing region give the same node. Ops with effects keep their order in their region.

#include "ir/module.h"
#include "ir/op.h"

#include <string>
#include <unordered_map>
#include <vector>

namespace heddle::ir {

using NodeId = Id<struct NodeTag>;
using RegionId = Id<struct RegionTag>;

struct Node {
    Op op = Op::constant;
    u16 operand_count = 0;
    u32 operands = 0; ///< begin in the function's operand pool
    TypeId type;
    AttributesId attributes;
    RegionId first_region;
    u16 region_count = 0;
    u16 reserved = 0;
    RegionId parent;
    LocationId location;
};
static_assert(sizeof(Node) == 32);

/// A body: parameters, nodes in order, and what it hands back. The root region's yields are the function's results.
struct Region {
    NodeId owner; ///< invalid for the root
    std::vector<NodeId> parameters;
    std::vector<NodeId> body;
    std::vector<NodeId> yields;
};

enum class Level : u8 { graph, kernel };

class Function {
public:
    Function(Module& module, Level level, std::string name);

    Module& module() const { return *module_; }
    Level level() const { return level_; }
    const std::string& name() const { return name_; }
    void rename(std::string name) { name_ = std::move(name); }

    /// What holds of the sizes wherever this runs: guards of a trace (`where`), conditions of a kernel variant (`when`).
    std::vector<Fact> facts;
    /// Kernel variants: pointer parameters that must be aligned to that many bytes.
    std::vector<std::pair<NodeId, u32>> aligned;
    /// Of nodes that are made without one.
    LocationId location;
    /// Kernel: target, block, subgroup, grid, ...
    AttributesId attributes{0u};

    // ---- reading
    std::size_t size() const { return nodes_.size(); }
    const Node& operator[](NodeId id) const { return nodes_[id.value]; }
    Op op(NodeId id) const { return nodes_[id.value].op; }
    std::span<const NodeId> operands(NodeId id) const {
        const Node& node = nodes_[id.value];
        return {operand_pool_.data() + node.operands, node.operand_count};
    }
    NodeId operand(NodeId id, u32 k) const { return operand_pool_[nodes_[id.value].operands + k]; }
    const Type& type(NodeId id) const;
    Dtype dtype(NodeId id) const { return type(id).dtype; }
    std::span<const DimId> shape(NodeId id) const { return type(id).shape; }
    std::span<const i64> payload(NodeId id, Key key) const;
    i64 integer(NodeId id, Key key, i64 otherwise = 0) const;
    bool has(NodeId id, Key key) const;
    std::size_t region_count() const { return regions_.size(); }
    const Region& region(RegionId id) const { return regions_[id.value]; }
    const Region& region(NodeId id, u32 k) const { return regions_[nodes_[id.value].first_region.value + k]; }
    RegionId root() const { return RegionId{0u}; }
    const std::vector<NodeId>& parameters() const { return regions_[0].parameters; }
    const std::vector<NodeId>& results() const { return regions_[0].yields; }
    bool is_constant(NodeId id) const { return op(id) == Op::constant; }

    // ---- names, for text only
    void set_name(NodeId id, std::string name);
    std::string_view name_of(NodeId id) const; ///< empty if it has none

    // ---- making. New nodes go to the end of the current region.
    NodeId add_parameter(TypeId type, AttributesId attributes = AttributesId{0u}, LocationId location = {});
    /// Makes a node, or gives the equal one that is there. `type` must be right: builder.h infers and checks it.
    NodeId make(Op op, TypeId type, std::span<const NodeId> operands,
                AttributesId attributes = AttributesId{0u}, LocationId location = {});
    /// The k-th result of a node of tuple type; the node itself when it has a single result.
    NodeId result(NodeId id, u32 k);
    void set_results(std::vector<NodeId> results) { regions_[0].yields = std::move(results); }

    /// Opens a region: nodes made from now on go into it, until it is closed.
    RegionId open_region();
    NodeId add_region_parameter(TypeId type);
    void close_region(std::vector<NodeId> yields);
    /// Makes a node that owns regions which were opened and closed in this order, next to each other.
    NodeId make_with_regions(Op op, TypeId type, std::span<const NodeId> operands,
                             std::span<const RegionId> regions, AttributesId attributes = AttributesId{0u},
                             LocationId location = {});

    /// True if the two sizes are one: same expression, or equal by a fact.
    bool same_size(DimId a, DimId b) const;

private:
    u64 key_of(Op op, TypeId type, std::span<const NodeId> operands, AttributesId attributes,
               RegionId region) const;
    NodeId find_equal(u64 key, Op op, TypeId type, std::span<const NodeId> operands, AttributesId attributes,
                      RegionId region) const;
    NodeId append(Node node, std::span<const NodeId> operands);

    Module* module_;
    Level level_;
    std::string name_;
    std::vector<Node> nodes_;
    std::vector<NodeId> operand_pool_;
    std::vector<Region> regions_;
    RegionId current_{0u};
    std::vector<RegionId> region_stack_;
    HashIndex equal_;
    std::unordered_map<NodeId, std::string> names_;
};

/// Nodes of the root region that some result or effect needs, in order. Regions of kept nodes are kept whole.
std::vector<NodeId> live_nodes(const Function& function);
/// For each node, how many live nodes (and results) read it.
std::vector<u32> use_counts(const Function& function);

} // namespace heddle::ir
