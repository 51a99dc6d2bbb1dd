#include "passes/lower/row_steps.h"

#include <algorithm>

namespace heddle::passes {

using namespace ir;

namespace {

/// Of the last-level cache, what the cores in use can expect: a virtual machine is told of the whole processor's. Rows are stored in
/// one burst, which then pays early; stores spread over arithmetic, as pointwise kernels have them, wait for the whole cache to be full.
u64 own_cache(const Target& target) {
    constexpr u64 share_of_core = 16 << 20;
    return std::min(target.last_level_bytes, target.cores * share_of_core);
}

class RowCpu {
public:
    RowCpu(const KernelSource& source, const std::string& name, const Schedule& schedule)
        : source_(source), draft_(source, name), evaluator_(draft_.evaluator), kernel_(evaluator_.kernel()),
          phases_(phases_of(source.graph, source.fusion, source.group)), lanes_(schedule.vector),
          copies_(schedule.copies), steps_(evaluator_, phases_, lanes_, schedule.stream != 0),
          carry_(schedule.carry != 0) {
        ask_row_cpu(source, schedule, require_of(draft_, source));
        reduced_ = axes_where(source.domain, true);
        inner_ = reduced_.back();
        extent_ = evaluator_.size(source.domain.extents[inner_]);
        body_end_ = kernel_.sub(extent_, kernel_.binary(Op::rem, extent_, kernel_.index(lanes_)));
    }

    Kernel run() {
        KernelInfo info{.target = TargetKind::cpu, .grid = {}};
        info.grid = grid_over(evaluator_, axes_where(source_.domain, false), 0);
        if (info.grid.empty()) info.grid.push_back(evaluator_.dims().constant(1));
        if (carry_) make_scratch();
        store_kept(0);
        for (u32 loop = 0; loop < phases_.loops.size(); ++loop) {
            evaluator_.set_vector_axis(inner_, lanes_);
            const RowState total =
                outer_axes(loop, 0, reduced_.size() > 1 ? steps_.neutral(loop) : RowState{});
            steps_.finish(loop, total);
            store_kept(loop + 1);
        }
        return draft_.finish(std::move(info));
    }

private:
    /// Arrays for the carried values.
    void make_scratch() {
        Dims& dims = evaluator_.dims();
        DimId length = dims.constant(1);
        for (u32 axis : reduced_) length = dims.mul(length, source_.domain.extents[axis]);
        // Rounded up, so that the last vector may be stored whole.
        const DimId count = draft_.kernel.module->dims.import(dims, dims.add(length, dims.constant(lanes_)));
        for (NodeId node : steps_.carried())
            steps_.keep(node, kernel_.local(source_.graph.dtype(node), 1, count));
    }

    void store_kept(u32 loops) {
        evaluator_.set_vector_axis(0, 1);
        steps_.kept(loops, [&](NodeId node, NodeId value) { evaluator_.store(node, value); });
    }

    NodeId slot() {
        Dims& dims = evaluator_.dims();
        DimId flat = dims.constant(0);
        for (u32 axis : reduced_)
            flat = dims.add(dims.mul(flat, source_.domain.extents[axis]), dims.axis(axis));
        return steps_.keeps() ? evaluator_.scalar_index(flat) : NodeId{};
    }

    RowState vector_loop(u32 loop, NodeId low, NodeId high, std::span<const NodeId> neutral) {
        LoopOptions options;
        for (NodeId node : phases_.loops[loop].reductions)
            if (const auto op = Reducer(source_.graph, node).joining_op()) options.combine.push_back(*op);
        if (options.combine.size() == neutral.size() && !neutral.empty()) options.interleave = copies_;
        const auto body = [&](NodeId place, std::span<const NodeId> carried) {
            evaluator_.enter();
            evaluator_.set_axis(inner_, place);
            RowState next = steps_.step(loop, carried, slot());
            evaluator_.leave();
            return next;
        };
        return kernel_.for_loop(low, high, kernel_.index(lanes_), neutral, body, options);
    }

    bool short_enough() {
        const auto bound =
            evaluator_.dims().upper_bound(source_.domain.extents[inner_], evaluator_.assumptions());
        return steps_.keeps() || (bound && *bound <= chain_limit * lanes_ * copies_);
    }

    /// The innermost reduced axis: whole vectors, then one masked vector.
    RowState inner_axis(u32 loop, std::span<const NodeId> before) {
        const RowState neutral = steps_.neutral(loop);
        RowState state;
        if (neutral.empty() || short_enough()) {
            state = vector_loop(loop, kernel_.index(0), body_end_, neutral);
        } else {
            const NodeId block = kernel_.index(chain_limit * lanes_ * copies_);
            state = kernel_.for_loop(
                kernel_.index(0), body_end_, block, neutral, [&](NodeId low, std::span<const NodeId> total) {
                    const NodeId high = kernel_.binary(Op::minimum, kernel_.add(low, block), body_end_);
                    return steps_.join(loop, total, vector_loop(loop, low, high, neutral));
                });
        }
        state = tail(loop, state);
        return before.empty() ? state : steps_.join(loop, before, state);
    }

    RowState tail(u32 loop, const RowState& state) {
        const auto body = [&] {
            evaluator_.enter();
            evaluator_.set_axis(inner_, body_end_);
            evaluator_.set_inside(
                kernel_.binary(Op::lt, kernel_.add(kernel_.lanes(lanes_), body_end_), extent_));
            RowState next = steps_.step(loop, state, slot());
            evaluator_.set_inside({});
            evaluator_.leave();
            return next;
        };
        return kernel_.if_then(kernel_.binary(Op::lt, body_end_, extent_), body, [&] { return state; });
    }

    RowState outer_axes(u32 loop, u32 depth, std::span<const NodeId> before) {
        if (depth + 1 == reduced_.size()) return inner_axis(loop, before);
        const NodeId high = evaluator_.size(source_.domain.extents[reduced_[depth]]);
        return kernel_.for_loop(kernel_.index(0), high, kernel_.index(1), before,
                                [&](NodeId place, std::span<const NodeId> carried) {
                                    evaluator_.enter();
                                    evaluator_.set_axis(reduced_[depth], place);
                                    RowState next = outer_axes(loop, depth + 1, carried);
                                    evaluator_.leave();
                                    return next;
                                });
    }

    const KernelSource& source_;
    KernelDraft draft_;
    Evaluator& evaluator_;
    KernelBuilder& kernel_;
    Phases phases_;
    u32 lanes_;
    u32 copies_; ///< independent accumulators
    RowSteps steps_;
    bool carry_;
    std::vector<u32> reduced_;
    u32 inner_ = 0;
    NodeId extent_, body_end_;
};

} // namespace

void ask_row_cpu(const KernelSource& source, const Schedule& schedule, const Ask& ask) {
    if (schedule.stream != 0) ask_large_outputs(source, own_cache(source.target), ask);
    if (schedule.carry == 0) return;
    // A row of what is carried stays in cache.
    Dims& dims = source.graph.module().dims;
    DimId bytes = dims.constant(0);
    for (const Phase& phase : phases_of(source.graph, source.fusion, source.group).loops)
        for (NodeId node : phase.carries)
            bytes = dims.add(bytes, dims.constant(static_cast<i64>(size_of(source.graph.dtype(node)))));
    for (u32 axis : axes_where(source.domain, true)) bytes = dims.mul(bytes, source.domain.extents[axis]);
    ask(bytes, Relation::less_equal, dims.constant(static_cast<i64>(source.target.l2_bytes / 2)));
}

Kernel lower_row_cpu(const KernelSource& source, const std::string& name, const Schedule& schedule) {
    return RowCpu(source, name, schedule).run();
}

} // namespace heddle::passes
