#include "passes/lower/schedule.h"

namespace heddle::passes {

using namespace ir;

Kernel lower_pointwise_gpu(const KernelSource& source, const std::string& name, const Schedule& schedule) {
    const u32 threads = schedule.threads, vector = schedule.vector;
    const Domain& domain = source.domain;
    KernelDraft draft(source, name);
    Evaluator& evaluator = draft.evaluator;
    KernelBuilder& kernel = evaluator.kernel();
    Dims& dims = evaluator.dims();
    const DimId total = dims.product(domain.extents);
    KernelInfo info{.target = TargetKind::gpu,
                    .block = threads,
                    .index_bits = schedule.index,
                    .grid = {dims.ceil_divide(total, dims.constant(i64{threads} * vector))}};
    if (vector > 1) {
        require(draft, source, dims.modulo(domain.extents.back(), dims.constant(vector)), Relation::equal,
                dims.constant(0));
        evaluator.align_vectors(draft.conditions);
    }
    const NodeId thread =
        kernel.add(kernel.mul(kernel.grid_index(0), kernel.index(threads)), kernel.thread_index());
    const NodeId first = kernel.mul(thread, kernel.index(vector));
    kernel.if_then(kernel.binary(Op::lt, first, evaluator.size(total)), [&] {
        NodeId rest = first;
        for (std::size_t k = domain.extents.size(); k-- > 0;) {
            if (k == 0) {
                evaluator.set_axis(0, rest);
                break;
            }
            const NodeId extent = evaluator.size(domain.extents[k]);
            evaluator.set_axis(static_cast<u32>(k), kernel.binary(Op::rem, rest, extent));
            rest = kernel.binary(Op::div, rest, extent);
        }
        if (!domain.extents.empty())
            evaluator.set_vector_axis(static_cast<u32>(domain.extents.size()) - 1, vector);
        store_outputs(evaluator, false);
        return std::vector<NodeId>{};
    });
    return draft.finish(std::move(info));
}

} // namespace heddle::passes
