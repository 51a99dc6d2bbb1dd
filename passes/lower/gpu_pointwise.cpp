#include "passes/lower/schedule.h"

namespace heddle::passes {

using namespace ir;

namespace {

/// An invocation takes `steps` vectors of places, those of the block's other invocations between them. Every load stands before the first
/// store, which a driver must not move loads across.
class PointwiseGpu {
public:
    PointwiseGpu(const KernelSource& source, const std::string& name, const Schedule& schedule)
        : source_(source), draft_(source, name), evaluator_(draft_.evaluator), kernel_(evaluator_.kernel()),
          schedule_(schedule) {}

    Kernel run() {
        Dims& dims = evaluator_.dims();
        const Domain& domain = source_.domain;
        const i64 pitch = i64{schedule_.threads} * schedule_.vector, places = pitch * schedule_.steps;
        const DimId total = dims.product(domain.extents);
        KernelInfo info{.target = TargetKind::gpu,
                        .block = schedule_.threads,
                        .index_bits = schedule_.index,
                        .grid = {dims.ceil_divide(total, dims.constant(places))}};
        ask_pointwise_gpu(source_, schedule_, require_of(draft_, source_));
        if (schedule_.vector > 1) evaluator_.align_vectors(draft_.conditions);
        const NodeId first =
            kernel_.add(kernel_.mul(kernel_.grid_index(0), kernel_.index(places)),
                        kernel_.mul(kernel_.thread_index(), kernel_.index(schedule_.vector)));
        if (!domain.extents.empty())
            evaluator_.set_vector_axis(static_cast<u32>(domain.extents.size()) - 1, schedule_.vector);
        if (schedule_.steps > 1) {
            take_steps(first, pitch);
        } else {
            kernel_.if_then(kernel_.binary(Op::lt, first, evaluator_.size(total)), [&] {
                set_place(first);
                store_outputs(evaluator_, false);
                return std::vector<NodeId>{};
            });
        }
        return draft_.finish(std::move(info));
    }

private:
    /// Sets the axes from a flat place.
    void set_place(NodeId place) {
        const std::vector<DimId>& extents = source_.domain.extents;
        for (std::size_t k = extents.size(); k-- > 1;) {
            const NodeId extent = evaluator_.size(extents[k]);
            evaluator_.set_axis(static_cast<u32>(k), kernel_.binary(Op::rem, place, extent));
            place = kernel_.binary(Op::div, place, extent);
        }
        if (!extents.empty()) evaluator_.set_axis(0, place);
    }

    void take_steps(NodeId first, i64 pitch) {
        const std::vector<NodeId>& outputs = source_.group.outputs;
        std::vector<NodeId> values;
        const auto each_step = [&](const auto& body) {
            for (u32 step = 0; step < schedule_.steps; ++step) {
                evaluator_.enter();
                set_place(kernel_.add(first, kernel_.index(step * pitch)));
                body(step * outputs.size());
                evaluator_.leave();
            }
        };
        each_step([&](std::size_t) {
            make_ready(evaluator_, outputs);
            for (NodeId output : outputs) values.push_back(evaluator_.value(output));
        });
        each_step([&](std::size_t at) {
            for (std::size_t k = 0; k < outputs.size(); ++k) evaluator_.store(outputs[k], values[at + k]);
        });
    }

    const KernelSource& source_;
    KernelDraft draft_;
    Evaluator& evaluator_;
    KernelBuilder& kernel_;
    const Schedule& schedule_;
};

} // namespace

bool takes_much_arithmetic(const KernelSource& source) {
    constexpr u32 much = 20;
    constexpr std::size_t most_nodes = 64;
    u32 cost = 0;
    for (NodeId node : source.group.nodes) cost += info(source.graph.op(node)).cost;
    return cost >= much && source.group.nodes.size() <= most_nodes;
}

void ask_pointwise_gpu(const KernelSource& source, const Schedule& schedule, const Ask& ask) {
    Dims& dims = source.graph.module().dims;
    if (schedule.steps > 1) {
        const DimId total = dims.product(source.domain.extents);
        ask_multiple(source, total, i64{schedule.threads} * schedule.vector * schedule.steps, ask);
        ask(dims.constant(many_places), Relation::less_equal, total);
    }
    if (schedule.vector > 1) ask_multiple(source, source.domain.extents.back(), schedule.vector, ask);
}

Kernel lower_pointwise_gpu(const KernelSource& source, const std::string& name, const Schedule& schedule) {
    return PointwiseGpu(source, name, schedule).run();
}

} // namespace heddle::passes
