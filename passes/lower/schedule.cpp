#include "passes/lower/schedule.h"

#include "passes/lower/index_width.h"

#include <heddle/error.h>

#include <algorithm>

namespace heddle::passes {

using namespace ir;

bool can_never_hold(const Dims& dims, std::span<const Fact> conditions) {
    return std::ranges::any_of(conditions, [&](const Fact& fact) {
        return dims.as_constant(fact.left) && dims.as_constant(fact.right) && !dims.holds(fact, {});
    });
}

KernelDraft::KernelDraft(const KernelSource& source, std::string name)
    : kernel{std::make_unique<Module>(), nullptr},
      evaluator(source, *(kernel.function = &kernel.module->add_kernel(std::move(name)))) {}

Kernel KernelDraft::finish(KernelInfo info) {
    Module& module = *kernel.module;
    if (info.target == TargetKind::gpu && info.index_bits == 32 && !never_runs()) require_narrow_indices();
    const Dims& from = evaluator.dims();
    for (const Fact& fact : conditions)
        kernel.function->facts.push_back(
            {module.dims.import(from, fact.left), fact.relation, module.dims.import(from, fact.right)});
    for (DimId& extent : info.grid) extent = module.dims.import(from, extent);
    if (const std::vector<i64>& pairs = evaluator.source().inplace; !pairs.empty()) {
        AttributeList list = module.attributes.list(kernel.function->attributes);
        list.integers(Key::inplace, pairs);
        kernel.function->attributes = module.attributes.intern(list);
    }
    set_kernel_info(*kernel.function, info);
    return std::move(kernel);
}

bool KernelDraft::never_runs() { return can_never_hold(evaluator.dims(), conditions); }

void KernelDraft::require_narrow_indices() {
    for (const Fact& fact : width_conditions(evaluator.source(), evaluator.exact()))
        require(*this, evaluator.source(), fact.left, fact.relation, fact.right);
}

u32 cpu_lanes(const Target& target) { return std::max(4u, target.vector_bytes / 4); }

namespace {

bool proven(Dims& dims, const Fact& fact, const Assumptions& assume) {
    switch (fact.relation) {
    case Relation::equal: return dims.prove_equal(fact.left, fact.right, assume);
    case Relation::less: return dims.prove_less(fact.left, fact.right, assume);
    case Relation::less_equal: return dims.prove_not_negative(dims.sub(fact.right, fact.left), assume);
    case Relation::not_equal: break;
    }
    return dims.prove_less(fact.left, fact.right, assume) || dims.prove_less(fact.right, fact.left, assume);
}

Relation opposite(Relation relation) {
    switch (relation) {
    case Relation::equal: return Relation::not_equal;
    case Relation::not_equal: return Relation::equal;
    case Relation::less: return Relation::less_equal;
    case Relation::less_equal: return Relation::less;
    }
    throw InternalError("a fact without a relation");
}

} // namespace

void require(KernelDraft& draft, const KernelSource& source, DimId left, Relation relation, DimId right) {
    Dims& dims = source.graph.module().dims;
    std::vector<Fact> known = source.graph.facts;
    known.insert(known.end(), draft.conditions.begin(), draft.conditions.end());
    const Assumptions assume{{}, known};
    const Fact fact{left, relation, right};
    if (proven(dims, fact, assume) || std::ranges::find(draft.conditions, fact) != draft.conditions.end())
        return;
    const bool ordered = relation == Relation::less || relation == Relation::less_equal;
    const Fact contrary{ordered ? right : left, opposite(relation), ordered ? left : right};
    if (proven(dims, contrary, assume))
        draft.conditions.push_back({dims.constant(1), Relation::less_equal, dims.constant(0)});
    else
        draft.conditions.push_back(fact);
}

void ask_multiple(const KernelSource& source, DimId size, i64 of, const Ask& ask) {
    Dims& dims = source.graph.module().dims;
    ask(dims.modulo(size, dims.constant(of)), Relation::equal, dims.constant(0));
}

void ask_large_outputs(const KernelSource& source, u64 cache_bytes, const Ask& ask) {
    Dims& dims = source.graph.module().dims;
    DimId bytes = dims.constant(0);
    for (NodeId output : source.group.outputs) {
        const DimId element = dims.constant(static_cast<i64>(size_of(source.graph.dtype(output))));
        bytes = dims.add(bytes, dims.mul(dims.product(source.graph.shape(output)), element));
    }
    ask(dims.constant(static_cast<i64>(cache_bytes / 2)), Relation::less, bytes);
}

void ask_few_iterations(const KernelSource& source, DimId iterations, const Ask& ask) {
    const i64 most = source.target.most_iterations;
    if (most == 0) return;
    ask(iterations, Relation::less_equal, source.graph.module().dims.constant(most - most / 16));
}

std::vector<u32> axes_where(const Domain& domain, bool reduced) {
    std::vector<u32> axes;
    for (u32 k = 0; k < domain.extents.size(); ++k)
        if (domain.reduced[k] == reduced) axes.push_back(k);
    return axes;
}

std::vector<DimId> grid_over(Evaluator& evaluator, std::span<const u32> axes, u32 first) {
    const std::vector<DimId>& extents = evaluator.source().domain.extents;
    KernelBuilder& kernel = evaluator.kernel();
    std::vector<DimId> grid;
    if (first + axes.size() <= 3) {
        // The innermost axis varies fastest.
        for (std::size_t k = axes.size(); k-- > 0;) {
            evaluator.set_axis(axes[k], kernel.grid_index(first + static_cast<u32>(grid.size())));
            grid.push_back(extents[axes[k]]);
        }
        return grid;
    }
    return {fold_axes(evaluator, axes, kernel.grid_index(first))};
}

void add_batch_grid(Evaluator& evaluator, u32 axis, KernelInfo& info) {
    std::vector<u32> batch;
    for (u32 k = 0; k + 1 < evaluator.source().domain.extents.size(); ++k)
        if (k != axis) batch.push_back(k);
    const std::vector<DimId> grid = grid_over(evaluator, batch, 2);
    info.grid.insert(info.grid.end(), grid.begin(), grid.end());
}

DimId fold_axes(Evaluator& evaluator, std::span<const u32> axes, NodeId place) {
    const std::vector<DimId>& extents = evaluator.source().domain.extents;
    KernelBuilder& kernel = evaluator.kernel();
    DimId total = evaluator.dims().constant(1);
    for (std::size_t k = axes.size(); k-- > 0;) {
        const NodeId extent = evaluator.size(extents[axes[k]]);
        evaluator.set_axis(axes[k], k == 0 ? place : kernel.binary(Op::rem, place, extent));
        if (k > 0) place = kernel.binary(Op::div, place, extent);
        total = evaluator.dims().mul(total, extents[axes[k]]);
    }
    evaluator.note_exact(total);
    return total;
}

void store_outputs(Evaluator& evaluator, bool stream) {
    const std::vector<NodeId>& outputs = evaluator.source().group.outputs;
    make_ready(evaluator, outputs);
    std::vector<NodeId> values;
    for (NodeId output : outputs) values.push_back(evaluator.value(output));
    for (std::size_t k = 0; k < outputs.size(); ++k) evaluator.store(outputs[k], values[k], stream);
}

void make_ready(Evaluator& evaluator, std::span<const NodeId> wanted) {
    const KernelSource& source = evaluator.source();
    const Function& graph = source.graph;
    // What the wanted values need within the group, found without recursion.
    std::vector<bool> needed(graph.size());
    std::vector<NodeId> work(wanted.begin(), wanted.end());
    std::vector<NodeId> order;
    while (!work.empty()) {
        const NodeId node = work.back();
        work.pop_back();
        if (needed[node.value] || !std::ranges::binary_search(source.group.nodes, node)) continue;
        needed[node.value] = true;
        order.push_back(node);
        if (is_reduction(graph.op(node)) || graph.op(node) == Op::result) continue;
        for (NodeId operand : graph.operands(node)) work.push_back(operand);
    }
    if (order.size() < 64) return; // recursion is fine
    std::ranges::sort(order);
    for (NodeId node : order)
        if (is_elementwise(graph.op(node))) evaluator.value(node);
}

} // namespace heddle::passes
