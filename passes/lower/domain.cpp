#include "passes/lower/domain.h"

#include "passes/lower/index_table.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>

namespace heddle::passes {

using namespace ir;

namespace {

std::vector<DimId> index_of_axes(const Function& function, NodeId node, std::span<const DimId> axes) {
    Dims& dims = function.module().dims;
    std::vector<DimId> index;
    u32 next = 0;
    for (DimId extent : function.shape(node))
        index.push_back(dims.is_constant(extent, 1) ? dims.constant(0) : axes[next++]);
    return index;
}

/// Walks what a group computes and lists every index expression that matters: offsets, bounds, positions.
class AccessWalk {
public:
    AccessWalk(const Function& function, const Fusion& fusion, const Group& group, const Domain& domain)
        : function_(function), fusion_(fusion), group_(group), domain_(domain) {}

    void run() {
        for (NodeId node : group_.nodes) {
            if (is_reduction(function_.op(node))) {
                for (NodeId operand : function_.operands(node))
                    if (!function_.shape(operand).empty() || function_.op(node) != Op::reduce)
                        visit(operand, full_index(function_, domain_, operand));
            } else if (function_.op(node) != Op::result) {
                visit(node, own_index(function_, group_, domain_, node));
            }
        }
        for (NodeId node : group_.outputs) add_offset(node, own_index(function_, group_, domain_, node));
    }

    std::vector<DimId> expressions;
    std::map<u32, DimId> loaded; ///< by value: the one offset, invalid if there are several
    std::vector<Access> accesses;
    std::vector<NodeId> anywhere;

private:
    /// A value at an index (by number) under bounds (by number).
    struct Visit {
        u32 node, index, bounds;
        bool operator==(const Visit&) const = default;
    };
    struct VisitHash {
        std::size_t operator()(const Visit& visit) const {
            return hash_mix(u64{visit.node} << 32 | visit.index, visit.bounds);
        }
    };

    void add_load(NodeId node, std::vector<DimId> index) {
        const DimId offset = add_offset(node, index);
        const auto [known, fresh] = loaded.try_emplace(node.value, offset);
        if (!fresh && known->second != offset) known->second = {};
        const u64 place = u64{node.value} << 32 | indices_.number(index);
        const auto [access, first] = places_.try_emplace(place, accesses.size());
        if (first) {
            accesses.push_back({node, std::move(index), offset, bounds_});
            return;
        }
        Access& before = accesses[access->second];
        if (bounds_.empty()) {
            before.bounds.clear();
            before.bounded_twice = false;
        } else if (!before.bounds.empty() && before.bounds != bounds_) {
            before.bounded_twice = true;
        }
    }
    void add(DimId expression) {
        if (seen_expressions_.insert(expression.value).second) expressions.push_back(expression);
    }
    DimId add_offset(NodeId node, std::span<const DimId> index) {
        const DimId offset = flat_offset(function_.module(), function_.shape(node), index);
        add(offset);
        return offset;
    }

    void visit(NodeId node, std::vector<DimId> index) {
        if (!seen_.insert({node.value, indices_.number(index), bounds_number()}).second) return;
        if (is_loaded(function_, fusion_, group_, node)) {
            add_load(node, std::move(index));
            return;
        }
        const Op op = function_.op(node);
        if (op == Op::iota) add(index[function_.integer(node, Key::axis)]);
        if (op == Op::view) {
            visit_view(node, index);
        } else if (op == Op::gather) {
            visit_gather(node, index);
        } else if (is_elementwise(op)) {
            for (NodeId operand : function_.operands(node))
                visit(operand, function_.shape(operand).empty() ? std::vector<DimId>{} : index);
        }
    }

    void visit_view(NodeId node, const std::vector<DimId>& index) {
        Dims& dims = function_.module().dims;
        const IndexMap& map = function_.module()[MapId{static_cast<u32>(function_.integer(node, Key::map))}];
        const Assumptions assume{domain_.extents, function_.facts};
        const std::size_t around = bounds_.size();
        for (const Bound& bound : map.valid) {
            const DimId value = dims.substitute(bound.value, index, {}, assume);
            add(value);
            bounds_.push_back({value, dims.substitute(bound.extent, index, {}, assume)});
        }
        std::vector<DimId> source;
        for (DimId result : map.results) source.push_back(dims.substitute(result, index, {}, assume));
        visit(function_.operand(node, 0), std::move(source));
        bounds_.resize(around);
    }

    u32 bounds_number() {
        std::vector<DimId> flat;
        for (const Bound& bound : bounds_) flat.insert(flat.end(), {bound.value, bound.extent});
        return indices_.number(flat);
    }

    void visit_gather(NodeId node, const std::vector<DimId>& index) {
        loaded[function_.operand(node, 0).value] = {};
        anywhere.push_back(function_.operand(node, 0));
        for (u32 k = 1; k < function_[node].operand_count; ++k) {
            const NodeId operand = function_.operand(node, k);
            visit(operand, function_.shape(operand).empty() ? std::vector<DimId>{} : index);
        }
    }

    const Function& function_;
    const Fusion& fusion_;
    const Group& group_;
    const Domain& domain_;
    IndexTable indices_;
    std::vector<Bound> bounds_; ///< of the views around the value in hand
    std::unordered_set<Visit, VisitHash> seen_;
    std::unordered_map<u64, std::size_t> places_; ///< of accesses, by value and number of the index
    std::unordered_set<u32> seen_expressions_;
};

/// True if every expression walks axes k and k + 1 as one: coefficient of k = coefficient of k + 1 times the extent of k + 1.
bool walks_as_one(Dims& dims, std::span<const DimId> expressions, u32 axis, DimId inner_extent) {
    return std::ranges::all_of(expressions, [&](DimId expression) {
        const auto outer = dims.axis_coefficient(expression, axis),
                   inner = dims.axis_coefficient(expression, axis + 1);
        return outer && inner && *outer == dims.mul(*inner, inner_extent);
    });
}

} // namespace

std::vector<DimId> full_index(const Function& function, const Domain& domain, NodeId node) {
    return index_of_axes(function, node, domain.group_axes);
}

std::vector<DimId> kept_index(const Function& function, const Group& group, const Domain& domain,
                              NodeId node) {
    std::vector<DimId> kept;
    for (u32 k = 0; k < group.domain.size(); ++k)
        if (!group.reduced[k]) kept.push_back(domain.group_axes[k]);
    return index_of_axes(function, node, kept);
}

std::vector<DimId> own_index(const Function& function, const Group& group, const Domain& domain,
                             NodeId node) {
    const std::size_t rank = squeezed_rank(function.module(), function.shape(node));
    return rank == group.domain.size() ? full_index(function, domain, node)
                                       : kept_index(function, group, domain, node);
}

DimId flat_offset(Module& module, std::span<const DimId> shape, std::span<const DimId> index) {
    DimId offset = module.dims.constant(0), stride = module.dims.constant(1);
    for (std::size_t k = shape.size(); k-- > 0;) {
        offset = module.dims.add(offset, module.dims.mul(index[k], stride));
        stride = module.dims.mul(stride, shape[k]);
    }
    return offset;
}

bool is_loaded(const Function& function, const Fusion& fusion, const Group& group, NodeId node) {
    if (function.op(node) == Op::parameter) return !function.has(node, Key::number);
    if (function.op(node) == Op::constant) return !function.shape(node).empty();
    // A view that is a result is read through, as fusion does: its kernel need not have run.
    if (function.op(node) == Op::view) return false;
    if (fusion.free[node.value]) return false;
    return fusion.realised[node.value] && std::ranges::find(group.outputs, node) == group.outputs.end();
}

namespace {

/// Every axis of the group as it is.
Domain plain_domain(const Function& function, const Group& group) {
    Domain domain{group.domain, group.reduced, {}, {}};
    domain.reduced.resize(group.domain.size());
    for (u32 k = 0; k < group.domain.size(); ++k) domain.group_axes.push_back(function.module().dims.axis(k));
    return domain;
}

} // namespace

DimId stored_offset(const Function& function, const Group& group, NodeId node) {
    const std::vector<DimId> index = own_index(function, group, plain_domain(function, group), node);
    return flat_offset(function.module(), function.shape(node), index);
}

std::vector<Access> accesses_of(const Function& function, const Fusion& fusion, const Group& group,
                                const Domain& domain) {
    AccessWalk walk(function, fusion, group, domain);
    walk.run();
    return std::move(walk.accesses);
}

PlainReads plain_reads(const Function& function, const Fusion& fusion, const Group& group) {
    PlainReads reads{plain_domain(function, group), {}, {}};
    AccessWalk walk(function, fusion, group, reads.domain);
    walk.run();
    for (const auto& [id, offset] : walk.loaded) reads.domain.loads.push_back({NodeId{id}, offset});
    reads.accesses = std::move(walk.accesses);
    reads.anywhere = std::move(walk.anywhere);
    return reads;
}

namespace {

Domain chain_domain(const Function& function, const Fusion& fusion, const Group& chain) {
    Domain domain = plain_domain(function, chain);
    std::set<u32> made, loaded;
    for (const StagedValue& staged : chain.staged) made.insert(staged.value.value);
    for (const Group& stage : chain.stages)
        for (const LoadedValue& load : plain_reads(function, fusion, stage).domain.loads)
            if (!made.contains(load.value.value)) loaded.insert(load.value.value);
    for (u32 id : loaded) domain.loads.push_back({NodeId{id}, {}});
    return domain;
}

} // namespace

Domain joined_domain(const Function& function, const Fusion& fusion, const Group& group) {
    if (group.kind == GroupKind::chain) return chain_domain(function, fusion, group);
    Dims& dims = function.module().dims;
    Domain domain = plain_domain(function, group);
    AccessWalk walk(function, fusion, group, domain);
    walk.run();
    for (const auto& [id, offset] : walk.loaded) domain.loads.push_back({NodeId{id}, offset});
    std::vector<DimId> expressions = walk.expressions;
    std::vector<bool> parallel(domain.extents.size());
    for (u32 axis : group.parallel) parallel[axis] = true;
    for (u32 axis = static_cast<u32>(domain.extents.size()); axis-- > 1;) {
        const u32 outer = axis - 1;
        if (domain.reduced[outer] != domain.reduced[axis] || parallel[outer] || parallel[axis]) continue;
        // What has no elements is never walked, and places cannot be divided by its size.
        if (dims.is_constant(domain.extents[axis], 0)) continue;
        if (!walks_as_one(dims, expressions, outer, domain.extents[axis])) continue;
        // d<outer> now walks both; inner axes move down by one.
        const DimId inner_extent = domain.extents[axis];
        domain.extents[outer] = dims.mul(domain.extents[outer], inner_extent);
        domain.extents.erase(domain.extents.begin() + axis);
        domain.reduced.erase(domain.reduced.begin() + axis);
        parallel.erase(parallel.begin() + axis);
        std::vector<DimId> in_groups, in_expressions;
        for (u32 k = 0; k <= domain.extents.size(); ++k) {
            const DimId moved = dims.axis(k < axis ? k : k - 1);
            in_groups.push_back(k == outer  ? dims.divide(moved, inner_extent)
                                : k == axis ? dims.modulo(moved, inner_extent)
                                            : moved);
            in_expressions.push_back(k == outer ? dims.constant(0) : moved);
        }
        for (DimId& expression : expressions) expression = dims.substitute(expression, in_expressions);
        for (DimId& index : domain.group_axes) index = dims.substitute(index, in_groups);
    }
    return domain;
}

} // namespace heddle::passes
