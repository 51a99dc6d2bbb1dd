#include "passes/lower/reducer.h"
#include "passes/lower/schedule.h"

namespace heddle::passes {

using namespace ir;

namespace {

/// Reductions whose innermost axis is kept: vectors lie along it, rows follow one another. There is one phase: nothing of a
/// column group is read at full size after a reduction.
class Column {
public:
    Column(const KernelSource& source, const std::string& name, const Schedule& schedule)
        : source_(source), schedule_(schedule), draft_(source, name), evaluator_(draft_.evaluator),
          kernel_(evaluator_.kernel()), phases_(phases_of(source.graph, source.fusion, source.group)),
          lanes_(schedule.vector) {
        reduced_ = axes_where(source.domain, true);
        inner_ = axes_where(source.domain, false).back();
    }

    /// A grid index takes a block of columns in registers, or the vectors of a partial block one by one.
    Kernel run_cpu() {
        Dims& dims = evaluator_.dims();
        const DimId extent = source_.domain.extents[inner_];
        const i64 block = i64{schedule_.block} * lanes_;
        KernelInfo info{.target = TargetKind::cpu, .grid = {dims.ceil_divide(extent, dims.constant(block))}};
        add_outer_grid(info);
        const NodeId low = kernel_.mul(kernel_.grid_index(0), kernel_.index(block));
        const NodeId high = evaluator_.size(extent);
        evaluator_.set_vector_axis(inner_, lanes_);
        const NodeId whole = kernel_.binary(Op::le, kernel_.add(low, kernel_.index(block)), high);
        kernel_.if_then(
            whole,
            [&] {
                columns(low, schedule_.block);
                return std::vector<NodeId>{};
            },
            [&] {
                kernel_.for_loop(
                    low, high, kernel_.index(lanes_), {}, [&](NodeId place, std::span<const NodeId>) {
                        evaluator_.enter();
                        evaluator_.set_inside(
                            kernel_.binary(Op::lt, kernel_.add(kernel_.lanes(lanes_), place), high));
                        columns(place, 1);
                        evaluator_.set_inside({});
                        evaluator_.leave();
                        return std::vector<NodeId>{};
                    });
                return std::vector<NodeId>{};
            });
        return draft_.finish(std::move(info));
    }

    /// A thread takes as many columns as a vector has lanes.
    Kernel run_gpu() {
        const i64 block = schedule_.threads;
        Dims& dims = evaluator_.dims();
        const DimId extent = source_.domain.extents[inner_];
        KernelInfo info{.target = TargetKind::gpu,
                        .block = schedule_.threads,
                        .index_bits = schedule_.index,
                        .grid = {dims.ceil_divide(extent, dims.constant(block * lanes_))}};
        add_outer_grid(info);
        ask_column_gpu(source_, schedule_, require_of(draft_, source_));
        if (lanes_ > 1) evaluator_.align_vectors(draft_.conditions);
        const NodeId thread =
            kernel_.add(kernel_.mul(kernel_.grid_index(0), kernel_.index(block)), kernel_.thread_index());
        const NodeId first = kernel_.mul(thread, kernel_.index(lanes_));
        kernel_.if_then(kernel_.binary(Op::lt, first, evaluator_.size(extent)), [&] {
            evaluator_.set_vector_axis(inner_, lanes_);
            columns(first, 1);
            return std::vector<NodeId>{};
        });
        return draft_.finish(std::move(info));
    }

    /// A block takes the columns of a subgroup; its subgroups take every `parts`th row, and what they have is joined in shared memory.
    Kernel run_tile_gpu() {
        Dims& dims = evaluator_.dims();
        const u32 across = source_.target.subgroup;
        parts_ = schedule_.parts;
        const DimId extent = source_.domain.extents[inner_];
        KernelInfo info{.target = TargetKind::gpu,
                        .block = across * parts_,
                        .subgroup = across,
                        .index_bits = 32,
                        .grid = {dims.ceil_divide(extent, dims.constant(i64{across} * lanes_))}};
        add_outer_grid(info);
        ask_column_tile_gpu(source_, schedule_, require_of(draft_, source_));
        if (lanes_ > 1) evaluator_.align_vectors(draft_.conditions);
        const NodeId thread = kernel_.thread_index(), width = kernel_.index(across);
        const NodeId lane = kernel_.binary(Op::rem, thread, width);
        part_ = kernel_.binary(Op::div, thread, width);
        const NodeId first =
            kernel_.mul(kernel_.add(kernel_.mul(kernel_.grid_index(0), width), lane), kernel_.index(lanes_));
        evaluator_.set_vector_axis(inner_, lanes_);
        const NodeId inside = kernel_.binary(Op::lt, first, evaluator_.size(extent));
        evaluator_.set_inside(inside);
        const State own = all_rows(0, first, 1, neutral(1));
        std::vector<NodeId> arrays;
        for (NodeId value : own) {
            arrays.push_back(kernel_.shared(kernel_.dtype(value), lanes_, across * parts_));
            kernel_.store(value, arrays.back(), thread);
        }
        kernel_.barrier(BarrierScope::block, true, false);
        const NodeId leads = kernel_.binary(Op::eq, part_, kernel_.index(0));
        kernel_.if_then(kernel_.binary(Op::bit_and, leads, inside), [&] {
            evaluator_.set_inside({});
            finish(first, 1, join_parts(own, arrays, lane, width));
            return std::vector<NodeId>{};
        });
        return draft_.finish(std::move(info));
    }

private:
    void add_outer_grid(KernelInfo& info) {
        std::vector<u32> outer = axes_where(source_.domain, false);
        outer.pop_back();
        const std::vector<DimId> grid = grid_over(evaluator_, outer, 1);
        info.grid.insert(info.grid.end(), grid.begin(), grid.end());
    }

    using State = std::vector<NodeId>; ///< by vector, then by part of each reduction

    template <class Body> void at_vector(NodeId first, u32 vector, const Body& body) {
        evaluator_.enter();
        evaluator_.set_axis(inner_, kernel_.add(first, kernel_.index(static_cast<i64>(vector) * lanes_)));
        body();
        evaluator_.leave();
    }

    const Phase& phase() const { return phases_.loops[0]; }

    State neutral(u32 vectors) {
        State state;
        for (u32 v = 0; v < vectors; ++v) {
            for (NodeId node : phase().reductions) {
                const State part = Reducer(source_.graph, node).identity(kernel_, lanes_);
                state.insert(state.end(), part.begin(), part.end());
            }
        }
        return state;
    }

    template <class Join> State each_reduction(u32 vectors, const Join& join) {
        State next;
        for (u32 v = 0; v < vectors; ++v) {
            for (NodeId node : phase().reductions) {
                const State part = join(v, Reducer(source_.graph, node), next.size());
                next.insert(next.end(), part.begin(), part.end());
            }
        }
        return next;
    }

    /// One row of the block.
    State row(NodeId first, u32 vectors, std::span<const NodeId> state) {
        State next;
        for (u32 v = 0; v < vectors; ++v) {
            at_vector(first, v, [&] {
                for (NodeId node : phase().reductions) {
                    const Evaluator::Place place(evaluator_, node);
                    const Reducer reducer(source_.graph, node);
                    State values;
                    for (NodeId operand : reducer.operands())
                        values.push_back(kernel_.splat(
                            evaluator_.value(operand, full_index(source_.graph, source_.domain, operand)),
                            lanes_));
                    const State part =
                        reducer.join(kernel_, state.subspan(next.size(), reducer.size()), values);
                    next.insert(next.end(), part.begin(), part.end());
                }
                for (NodeId node : phase().stores) evaluator_.store(node, evaluator_.value(node));
            });
        }
        return next;
    }

    State rows(u32 depth, NodeId first, u32 vectors, NodeId low, NodeId high, std::span<const NodeId> state) {
        const bool inner = depth + 1 == reduced_.size();
        LoopOptions options;
        NodeId step = kernel_.index(1);
        if (inner && parts_ > 1) {
            low = kernel_.add(low, part_);
            step = kernel_.index(parts_);
            options = interleaved();
        }
        const auto body = [&](NodeId place, std::span<const NodeId> carried) {
            evaluator_.enter();
            evaluator_.set_axis(reduced_[depth], place);
            State next = inner ? row(first, vectors, carried) : all_rows(depth + 1, first, vectors, carried);
            evaluator_.leave();
            return next;
        };
        return kernel_.for_loop(low, high, step, state, body, options);
    }

    /// Loads of several rows at once, where states join by an op.
    LoopOptions interleaved() const {
        LoopOptions options{.interleave = 4};
        for (NodeId node : phase().reductions) {
            const auto op = Reducer(source_.graph, node).joining_op();
            if (!op || !phase().stores.empty()) return {};
            options.combine.push_back(*op);
        }
        return options;
    }

    /// Rows along a reduced axis, the innermost one in blocks that are summed on their own.
    State all_rows(u32 depth, NodeId first, u32 vectors, std::span<const NodeId> state) {
        const DimId extent = source_.domain.extents[reduced_[depth]];
        const NodeId high = evaluator_.size(extent);
        const auto bound = evaluator_.dims().upper_bound(extent, evaluator_.assumptions());
        const bool inner = depth + 1 == reduced_.size();
        const i64 chain = chain_limit * parts_;
        if (!inner || (bound && *bound <= chain))
            return rows(depth, first, vectors, kernel_.index(0), high, state);
        const NodeId block = kernel_.index(chain);
        const State identity = neutral(vectors);
        return kernel_.for_loop(
            kernel_.index(0), high, block, state, [&](NodeId low, std::span<const NodeId> total) {
                const NodeId end = kernel_.binary(Op::minimum, kernel_.add(low, block), high);
                const State part = rows(depth, first, vectors, low, end, identity);
                return each_reduction(vectors, [&](u32, const Reducer& reducer, std::size_t place) {
                    return reducer.join(kernel_, total.subspan(place, reducer.size()),
                                        std::span(part).subspan(place, reducer.size()));
                });
            });
    }

    void columns(NodeId first, u32 vectors) {
        finish(first, vectors, all_rows(0, first, vectors, neutral(vectors)));
    }

    /// The states of a column's subgroups, in order.
    State join_parts(const State& own, std::span<const NodeId> arrays, NodeId lane, NodeId width) {
        return kernel_.for_loop(kernel_.index(1), kernel_.index(parts_), kernel_.index(1), own,
                                [&](NodeId part, std::span<const NodeId> total) {
                                    const NodeId place = kernel_.add(kernel_.mul(part, width), lane);
                                    State other;
                                    for (NodeId array : arrays)
                                        other.push_back(kernel_.load(array, place, lanes_));
                                    return each_reduction(
                                        1, [&](u32, const Reducer& reducer, std::size_t at) {
                                            return reducer.join(kernel_, total.subspan(at, reducer.size()),
                                                                std::span(other).subspan(at, reducer.size()));
                                        });
                                });
    }

    void finish(NodeId first, u32 vectors, const State& total) {
        std::size_t place = 0;
        for (u32 v = 0; v < vectors; ++v) {
            at_vector(first, v, [&] {
                for (NodeId node : phase().reductions) {
                    const Reducer reducer(source_.graph, node);
                    define_reduction(evaluator_, node, std::span(total).subspan(place, reducer.size()));
                    place += reducer.size();
                }
                for (NodeId node : phases_.kept_stores) evaluator_.store(node, evaluator_.value(node));
            });
        }
    }

    const KernelSource& source_;
    Schedule schedule_;
    KernelDraft draft_;
    Evaluator& evaluator_;
    KernelBuilder& kernel_;
    Phases phases_;
    u32 lanes_;
    std::vector<u32> reduced_;
    u32 inner_ = 0;
    u32 parts_ = 1; ///< subgroups that share a column
    NodeId part_;   ///< number of this one
};

/// Of all loops together: each axis' loop runs once for every place of those around it, the innermost, which `parts` share, also in blocks.
DimId iterations(const KernelSource& source, u32 parts) {
    Dims& dims = source.graph.module().dims;
    const std::vector<u32> reduced = axes_where(source.domain, true);
    DimId around = dims.constant(1), total = dims.constant(0);
    for (u32 axis : reduced) {
        DimId extent = source.domain.extents[axis];
        if (axis == reduced.back()) {
            extent = dims.ceil_divide(extent, dims.constant(parts));
            total = dims.add(total, dims.mul(around, dims.ceil_divide(extent, dims.constant(chain_limit))));
        }
        around = dims.mul(around, extent);
        total = dims.add(total, around);
    }
    return total;
}

void ask_whole_vectors(const KernelSource& source, const Schedule& schedule, const Ask& ask) {
    const u32 inner = axes_where(source.domain, false).back();
    if (schedule.vector > 1) ask_multiple(source, source.domain.extents[inner], schedule.vector, ask);
}

} // namespace

void ask_column_gpu(const KernelSource& source, const Schedule& schedule, const Ask& ask) {
    ask_whole_vectors(source, schedule, ask);
    ask_few_iterations(source, iterations(source, 1), ask);
}

void ask_column_tile_gpu(const KernelSource& source, const Schedule& schedule, const Ask& ask) {
    ask_whole_vectors(source, schedule, ask);
    ask(source.graph.module().dims.constant(4 * i64{schedule.parts}), Relation::less_equal,
        source.domain.extents[axes_where(source.domain, true).back()]);
    ask_few_iterations(source, iterations(source, schedule.parts), ask);
}

Kernel lower_column_cpu(const KernelSource& source, const std::string& name, const Schedule& schedule) {
    return Column(source, name, schedule).run_cpu();
}

Kernel lower_column_gpu(const KernelSource& source, const std::string& name, const Schedule& schedule) {
    return Column(source, name, schedule).run_gpu();
}

Kernel lower_column_tile_gpu(const KernelSource& source, const std::string& name, const Schedule& schedule) {
    return Column(source, name, schedule).run_tile_gpu();
}

} // namespace heddle::passes
