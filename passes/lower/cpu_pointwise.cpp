#include "passes/lower/schedule.h"

namespace heddle::passes {

using namespace ir;

namespace {

Kernel lower_scalar(const KernelSource& source, const std::string& name) {
    KernelDraft draft(source, name);
    store_outputs(draft.evaluator, false);
    return draft.finish({.target = TargetKind::cpu, .grid = {source.graph.module().dims.constant(1)}});
}

} // namespace

void ask_pointwise_cpu(const KernelSource& source, const Schedule& schedule, const Ask& ask) {
    if (schedule.stream != 0) ask_large_outputs(source, source.target.last_level_bytes, ask);
}

Kernel lower_pointwise_cpu(const KernelSource& source, const std::string& name, const Schedule& schedule) {
    const Domain& domain = source.domain;
    if (domain.extents.empty()) return lower_scalar(source, name);
    KernelDraft draft(source, name);
    ask_pointwise_cpu(source, schedule, require_of(draft, source));
    Evaluator& evaluator = draft.evaluator;
    KernelBuilder& kernel = evaluator.kernel();
    Dims& dims = evaluator.dims();
    const u32 lanes = schedule.vector;
    const bool stream = schedule.stream != 0;
    const u32 inner = static_cast<u32>(domain.extents.size()) - 1;
    const DimId extent = domain.extents[inner], chunk = dims.constant(schedule.chunk);

    std::vector<u32> outer(inner);
    for (u32 k = 0; k < inner; ++k) outer[k] = k;
    KernelInfo info{.target = TargetKind::cpu, .grid = {dims.ceil_divide(extent, chunk)}};
    const std::vector<DimId> outer_grid = grid_over(evaluator, outer, 1);
    info.grid.insert(info.grid.end(), outer_grid.begin(), outer_grid.end());

    const NodeId low = kernel.mul(kernel.grid_index(0), kernel.index(schedule.chunk));
    const NodeId high =
        kernel.binary(Op::minimum, kernel.add(low, kernel.index(schedule.chunk)), evaluator.size(extent));
    const NodeId count = kernel.sub(high, low);
    const NodeId body_end = kernel.sub(high, kernel.binary(Op::rem, count, kernel.index(lanes)));
    evaluator.set_vector_axis(inner, lanes);
    kernel.for_loop(low, body_end, kernel.index(lanes), {}, [&](NodeId place, std::span<const NodeId>) {
        evaluator.enter();
        evaluator.set_axis(inner, place);
        store_outputs(evaluator, stream);
        evaluator.leave();
        return std::vector<NodeId>{};
    });
    kernel.if_then(kernel.binary(Op::lt, body_end, high), [&] {
        evaluator.enter();
        evaluator.set_axis(inner, body_end);
        evaluator.set_inside(kernel.binary(Op::lt, kernel.add(kernel.lanes(lanes), body_end), high));
        store_outputs(evaluator, false);
        evaluator.set_inside({});
        evaluator.leave();
        return std::vector<NodeId>{};
    });
    return draft.finish(std::move(info));
}

} // namespace heddle::passes
