#include "passes/lower/part_states.h"
#include "passes/lower/row_steps.h"
#include "passes/lower/team.h"

namespace heddle::passes {

using namespace ir;

namespace {

/// Elements that a team takes at once, and those that it holds.
i64 pitch_of(const RowShape& shape) { return i64{shape.team} * shape.vector; }
i64 held_by(const RowShape& shape) { return pitch_of(shape) * shape.steps; }

/// Each row has a team of invocations: the whole block, or a part of a subgroup, and then the block takes several rows. Invocation t of
/// a team of T takes vectors t, t + T, t + 2T, ... of its row. Reduced axes that could not be joined are walked through one flat
/// index. In a loop each 4,096 vectors of an invocation are summed on their own. A row may be shared by several blocks, see
/// shared_rows.h: then each holds the part of it that begins at its number times what a block holds.
class RowGpu {
public:
    RowGpu(const KernelSource& source, const std::string& name, const RowShape& shape)
        : source_(source), draft_(source, name), evaluator_(draft_.evaluator), kernel_(evaluator_.kernel()),
          phases_(phases_of(source.graph, source.fusion, source.group)), shape_(shape),
          steps_(evaluator_, phases_, shape.vector), in_shared_(steps_), iteration_(steps_),
          repeated_(steps_), team_(kernel_, shape.block, source.target.subgroup),
          block_(kernel_, shape.block, source.target.subgroup) {
        if (!shape.held) exchanges_ = exchanges_of(source.graph, source.group, phases_);
        reduced_ = axes_where(source.domain, true);
        length_ = evaluator_.dims().constant(1);
        for (u32 axis : reduced_) length_ = evaluator_.dims().mul(length_, source.domain.extents[axis]);
    }

    Kernel run() {
        KernelInfo info{.target = TargetKind::gpu,
                        .block = shape_.block,
                        .subgroup = source_.target.subgroup,
                        .index_bits = shape_.index_bits,
                        .grid = {}};
        ask_row_gpu(source_, shape_, require_of(draft_, source_));
        if (shape_.vector > 1) evaluator_.align_vectors(draft_.conditions);
        info.grid = place_rows();
        extent_ = evaluator_.size(length_);
        first_ = kernel_.mul(thread_, kernel_.index(shape_.vector));
        if (shape_.held)
            keep_carried();
        else
            keep_for_second_phases();
        store_kept(0);
        for (u32 loop = 0; loop < phases_.loops.size();) {
            if (const Exchange* exchange = shared() ? states_->exchange_of(loop) : nullptr) {
                exchange_phases(*exchange);
                loop += exchange->loops;
                continue;
            }
            evaluator_.set_vector_axis(reduced_.back(), shape_.vector);
            const RowState state = walk(loop);
            if (const Exchange* both = online(loop)) {
                complete(*both, block_.of_row(*both, own_of_lanes(*both, state)));
                loop += both->loops;
            } else {
                complete(loop, joined(loop, state));
                ++loop;
            }
        }
        return draft_.finish(std::move(info));
    }

private:
    bool shared() const { return shape_.most_parts != 0; }
    /// Steps whose vectors are held in registers. Those in shared memory come first: what is loaded for them is out of registers again
    /// when the others are loaded.
    u32 in_registers() const { return shape_.steps - shape_.in_shared; }
    /// Elements that a team holds.
    i64 held() const { return held_by(shape_); }
    /// Elements that a team takes at once, and those that it sums on their own.
    i64 pitch() const { return pitch_of(shape_); }
    i64 chunk() const { return pitch() * chain_limit; }

    /// Arrays for what later phases read. In registers each value has its own, which is as long as it is read.
    void keep_carried() {
        Dims& dims = draft_.kernel.module->dims;
        const CarriedArrays arrays = carried_arrays(source_.graph, phases_);
        std::vector<NodeId> in_shared;
        for (Dtype dtype : arrays.dtypes)
            if (shape_.in_shared != 0)
                in_shared.push_back(
                    kernel_.shared(dtype, shape_.vector, i64{shape_.in_shared} * shape_.block));
        for (const auto& [node, array] : arrays.of) {
            if (in_registers() != 0)
                steps_.keep(node, kernel_.local(source_.graph.dtype(node), shape_.vector,
                                                dims.constant(in_registers())));
            if (shape_.in_shared != 0) in_shared_.keep(node, in_shared[array]);
        }
    }

    /// Registers for what two phases that a loop takes together load, in one iteration.
    void keep_for_second_phases() {
        const DimId count = draft_.kernel.module->dims.constant(shape_.steps);
        for (u32 loop = 0; loop < phases_.loops.size(); ++loop)
            if (online(loop) != nullptr)
                for (NodeId node : phases_.loops[loop].carries)
                    if (std::ranges::count(phases_.loops[loop + 1].reads, node) != 0)
                        iteration_.keep(node, kernel_.local(source_.graph.dtype(node), shape_.vector, count));
    }

    /// Sets the kept axes and the place in the team; gives the grid.
    std::vector<DimId> place_rows() {
        Dims& dims = evaluator_.dims();
        const std::vector<u32> kept = axes_where(source_.domain, false);
        thread_ = kernel_.thread_index();
        if (shared()) return share_rows(kept);
        if (shape_.team == shape_.block) {
            std::vector<DimId> grid = grid_over(evaluator_, kept, 0);
            if (grid.empty()) grid.push_back(dims.constant(1));
            return grid;
        }
        const i64 rows = shape_.block / shape_.team;
        const NodeId team = kernel_.index(shape_.team);
        const NodeId row = kernel_.add(kernel_.mul(kernel_.grid_index(0), kernel_.index(rows)),
                                       kernel_.binary(Op::div, thread_, team));
        thread_ = kernel_.binary(Op::rem, thread_, team);
        const DimId total = fold_axes(evaluator_, kept, row);
        // Teams behind the last row do nothing but take part in what subgroups do together.
        if (!shape_.exact && !dims.prove_divisible(total, rows, evaluator_.assumptions()))
            row_inside_ = kernel_.binary(Op::lt, row, evaluator_.size(total));
        evaluator_.set_inside(row_inside_);
        return {dims.ceil_divide(total, dims.constant(rows))};
    }

    /// The blocks of a row follow one another, so that they begin at about the same time.
    std::vector<DimId> share_rows(std::span<const u32> kept) {
        Dims& dims = evaluator_.dims();
        const DimId count = dims.ceil_divide(length_, dims.constant(held()));
        const NodeId parts = evaluator_.size(count);
        const NodeId row = kernel_.binary(Op::div, kernel_.grid_index(0), parts);
        part_ = kernel_.binary(Op::rem, kernel_.grid_index(0), parts);
        std::vector<Exchange> exchanges = *exchanges_of(source_.graph, source_.group, phases_);
        const DimId words = dims.constant(words_of(exchanges));
        states_.emplace(evaluator_, std::move(exchanges),
                        PartStates::Place{row, part_, parts, shape_.most_parts});
        const DimId blocks = dims.mul(fold_axes(evaluator_, kept, row), count);
        evaluator_.note_exact(dims.mul(blocks, words));
        return {blocks};
    }

    void store_kept(u32 loops) {
        evaluator_.set_vector_axis(0, 1);
        steps_.kept(loops, [&](NodeId node, NodeId value) {
            NodeId first = kernel_.binary(Op::eq, thread_, kernel_.index(0));
            if (shared())
                first = kernel_.binary(Op::bit_and, first, kernel_.binary(Op::eq, part_, kernel_.index(0)));
            kernel_.if_then(first, [&] {
                evaluator_.store(node, value);
                return std::vector<NodeId>{};
            });
        });
    }

    /// Sets the reduced axes from a flat place in the row.
    void set_place(NodeId place) {
        for (std::size_t k = reduced_.size(); k-- > 1;) {
            const NodeId extent = evaluator_.size(source_.domain.extents[reduced_[k]]);
            evaluator_.set_axis(reduced_[k], kernel_.binary(Op::rem, place, extent));
            place = kernel_.binary(Op::div, place, extent);
        }
        evaluator_.set_axis(reduced_[0], place);
    }

    /// The values of this pass, or only what it reduces, again and from memory.
    enum class Way : u8 { once, again };

    /// Where a step finds what is carried, and leaves it.
    struct Slot {
        RowSteps& steps;
        NodeId index;
    };
    Slot slot_of(u32 loop, NodeId step, bool shares, Way way) {
        if (way == Way::again) return {repeated_, {}};
        if (online(loop) != nullptr || (loop > 0 && online(loop - 1) != nullptr)) return {iteration_, step};
        if (!shape_.held) return {steps_, {}};
        if (!shares) return {steps_, kernel_.sub(step, kernel_.index(shape_.in_shared))};
        return {in_shared_,
                kernel_.add(kernel_.mul(step, kernel_.index(shape_.block)), kernel_.thread_index())};
    }

    RowState at(u32 loop, NodeId place, std::span<const NodeId> state, const Slot& slot,
                Order order = Order::any) {
        evaluator_.enter();
        evaluator_.set_inside({});
        set_place(place);
        RowState next = slot.steps.step(loop, state, slot.index, &slot.steps != &repeated_, order);
        evaluator_.set_inside(row_inside_);
        evaluator_.leave();
        return next;
    }

    /// The phases that a loop over the row takes together from `loop` on; nullptr: that one alone.
    const Exchange* online(u32 loop) const {
        if (!exchanges_) return nullptr;
        const auto found = std::ranges::find(*exchanges_, loop, &Exchange::loop);
        return found != exchanges_->end() && found->loops == 2 ? &*found : nullptr;
    }

    /// What an iteration takes, for both phases, the second from registers. What went before is brought under the maxima that there are now
    /// where one has changed, which grows rare along the row.
    RowState online_steps(const Exchange& exchange, NodeId low, NodeId high, std::span<const NodeId> state) {
        const std::size_t size = steps_.neutral(exchange.loop).size();
        RowState next = several(exchange.loop, low, high, state.first(size));
        const RowState offsets = offsets_of(exchange, next);
        NodeId changed;
        for (const Exchange::Member& member : exchange.members) {
            if (!member.under) continue;
            const NodeId other = kernel_.binary(Op::ne, next[*member.under], state[*member.under]);
            changed = changed.valid() ? kernel_.binary(Op::bit_or, changed, other) : other;
        }
        const RowState before(state.begin() + static_cast<std::ptrdiff_t>(size), state.end());
        RowState sums = kernel_.if_then(
            kernel_.vector_reduce(changed, Op::bit_or),
            [&] { return scaled(exchange, before, state, offsets); }, [&] { return before; });
        evaluator_.enter();
        steps_.define(exchange.loop, offsets);
        sums = several(exchange.loop + 1, low, high, sums);
        evaluator_.leave();
        next.insert(next.end(), sums.begin(), sums.end());
        return next;
    }

    /// The sums of the second phase, from under some maxima to under others, of which the offsets are given.
    RowState scaled(const Exchange& exchange, RowState sums, std::span<const NodeId> maxima,
                    std::span<const NodeId> offsets) {
        const std::size_t size = exchange.dtypes.size() - sums.size();
        for (const auto& [reducer, first, under, scaling] : exchange.members) {
            if (!under) continue;
            const NodeId offset = kernel_.splat(offsets[*under], shape_.vector);
            const NodeId factor = factor_of_part(kernel_, scaling, maxima[*under], offset);
            sums[first - size] = kernel_.mul(sums[first - size], factor);
        }
        return sums;
    }

    /// The lanes of an invocation's vectors, joined.
    RowState own_of_lanes(const Exchange& exchange, std::span<const NodeId> state) {
        const std::size_t size = steps_.neutral(exchange.loop).size();
        RowState own = steps_.joined(exchange.loop, state.first(size));
        RowState sums(state.begin() + static_cast<std::ptrdiff_t>(size), state.end());
        sums = scaled(exchange, std::move(sums), state, offsets_of(exchange, own));
        sums = steps_.joined(exchange.loop + 1, sums);
        own.insert(own.end(), sums.begin(), sums.end());
        return own;
    }

    /// Of the first phase's states: what the second takes for the row's maxima.
    RowState offsets_of(const Exchange& exchange, RowState states) {
        const RowState maxima = states;
        for (const Exchange::Member& member : exchange.members)
            if (member.under) states[*member.under] = offset_of_part(kernel_, maxima[*member.under]);
        return states;
    }

    RowState neutral(u32 loop) {
        return online(loop) != nullptr ? identities(kernel_, *online(loop), shape_.vector)
                                       : steps_.neutral(loop);
    }
    RowState join(u32 loop, std::span<const NodeId> a, std::span<const NodeId> b) {
        if (online(loop) == nullptr) return steps_.join(loop, a, b);
        const RowState both[] = {RowState(a.begin(), a.end()), RowState(b.begin(), b.end())};
        return join_states(kernel_, *online(loop), both, 1, false);
    }

    RowState walk(u32 loop) {
        const RowState neutral = this->neutral(loop);
        Dims& dims = evaluator_.dims();
        if (shared()) return part_of_row(loop, part_, Way::once); // of what reduces nothing
        if (shape_.held) {
            const bool fills =
                shape_.exact ||
                dims.prove_not_negative(dims.sub(length_, dims.constant(held())), evaluator_.assumptions());
            return several(loop, first_, fills ? NodeId{} : extent_, neutral);
        }
        const auto longest = dims.upper_bound(length_, evaluator_.assumptions());
        if (longest && *longest <= chunk()) return stretch(loop, first_, extent_, neutral);
        const NodeId chunks = evaluator_.size(dims.ceil_divide(length_, dims.constant(chunk())));
        return kernel_.for_loop(
            kernel_.index(0), chunks, kernel_.index(1), neutral,
            [&](NodeId number, std::span<const NodeId> total) {
                const NodeId low = kernel_.mul(number, kernel_.index(chunk()));
                const NodeId left = kernel_.sub(extent_, low);
                const NodeId high =
                    kernel_.add(low, kernel_.binary(Op::minimum, left, kernel_.index(chunk())));
                return join(loop, total, stretch(loop, kernel_.add(low, first_), high, neutral));
            });
    }

    RowState part_of_row(u32 loop, NodeId part, Way way) {
        const bool fills =
            shape_.exact || evaluator_.dims().prove_divisible(length_, held(), evaluator_.assumptions());
        const NodeId low = kernel_.add(kernel_.mul(part, kernel_.index(held())), first_);
        return several(loop, low, fills ? NodeId{} : extent_, steps_.neutral(loop), way);
    }

    /// Of a part, in the phases that are exchanged together.
    struct PartState {
        RowState own;   ///< of the first phase, of this invocation's elements
        RowState whole; ///< of all phases, the same in each invocation of the first subgroup
    };

    /// In the second phase each invocation takes its own maxima for the row's, so it need not wait for others of its block in between.
    PartState state_of_part(const Exchange& exchange, NodeId part, Way way) {
        const u32 loop = exchange.loop, next = loop + 1;
        evaluator_.set_vector_axis(reduced_.back(), shape_.vector);
        const RowState own = steps_.joined(loop, part_of_row(loop, part, way));
        if (exchange.loops == 1) return {own, joined(loop, own)};
        evaluator_.enter();
        steps_.define(loop, offsets_of(exchange, own));
        const RowState sums = steps_.joined(next, part_of_row(next, part, way));
        evaluator_.leave();
        RowState both = own;
        both.insert(both.end(), sums.begin(), sums.end());
        return {own, block_.of_first_subgroup(exchange, both, false)};
    }

    void exchange_phases(const Exchange& exchange) {
        const auto [own, part] = state_of_part(exchange, part_, Way::once);
        const RowState all = states_->whole(
            exchange, part, [&](NodeId other) { return state_of_part(exchange, other, Way::again).whole; });
        for (const auto& [value, carried, under, over, scaling] : exchange.products) {
            NodeId factor = factor_of_part(kernel_, scaling, own[under], all[under]);
            if (over) factor = kernel_.div(factor, all[*over]);
            for (RowSteps* steps : {&steps_, &in_shared_}) steps->make(value, carried, factor);
        }
        complete(exchange, all);
    }

    void complete(const Exchange& exchange, std::span<const NodeId> all) {
        std::span<const NodeId> rest = all;
        for (u32 k = 0; k < exchange.loops; ++k) {
            const u32 loop = exchange.loop + k;
            const std::size_t size = steps_.neutral(loop).size();
            complete(loop, rest.first(size));
            rest = rest.subspan(size);
        }
    }

    void complete(u32 loop, std::span<const NodeId> states) {
        steps_.define(loop, states);
        store_kept(loop + 1);
    }

    /// A loop from `low`, this invocation's first place, to where the row or a chunk of it ends.
    RowState stretch(u32 loop, NodeId low, NodeId high, const RowState& state) {
        const NodeId end = shape_.exact ? NodeId{} : high;
        return kernel_.for_loop(low, high, kernel_.index(pitch() * shape_.steps), state,
                                [&](NodeId place, std::span<const NodeId> carried) {
                                    const Exchange* both = online(loop);
                                    // One step begins where its iteration does: inside.
                                    const NodeId inside = shape_.steps == 1 ? NodeId{} : end;
                                    if (both != nullptr) return online_steps(*both, place, inside, carried);
                                    return shape_.steps == 1 ? at(loop, place, carried, {steps_, {}})
                                                             : several(loop, place, inside, carried);
                                });
    }

    /// The steps from `low` on that lie before `high` (invalid: all of them), written out.
    RowState several(u32 loop, NodeId low, NodeId high, std::span<const NodeId> state, Way way = Way::once) {
        const bool once = way == Way::once;
        // Where a step lies inside, the one before it did.
        const bool ordered = shape_.held && once && steps_.asks_order(loop);
        RowState next(state.begin(), state.end());
        u32 done = 0;
        if (ordered)
            next =
                step(loop, kernel_.index(done++), low, high, next, shape_.in_shared != 0, way, Order::first);
        const Order order = ordered ? Order::next : Order::any;
        const auto until = [&](u32 end, bool shares) {
            if (end <= done) return;
            next = kernel_.for_loop(kernel_.index(done), kernel_.index(end), kernel_.index(1), next,
                                    [&](NodeId k, std::span<const NodeId> carried) {
                                        return step(loop, k, low, high, carried, shares, way, order);
                                    },
                                    {.unroll = once});
            done = end;
        };
        if (once) until(shape_.in_shared, true);
        until(shape_.steps, false);
        return next;
    }

    RowState step(u32 loop, NodeId k, NodeId low, NodeId high, std::span<const NodeId> state, bool shares,
                  Way way, Order order) {
        const NodeId place = kernel_.add(kernel_.mul(k, kernel_.index(pitch())), low);
        const Slot slot = slot_of(loop, k, shares, way);
        const RowState before(state.begin(), state.end());
        NodeId inside = row_inside_;
        if (high.valid()) {
            const NodeId within = kernel_.binary(Op::lt, place, high);
            inside = inside.valid() ? kernel_.binary(Op::bit_and, inside, within) : within;
        }
        if (!inside.valid()) return at(loop, place, before, slot, order);
        return kernel_.if_then(
            inside, [&] { return at(loop, place, before, slot, order); },
            before.empty() ? KernelBuilder::Body{} : [&] { return before; });
    }

    /// The states of a team's invocations; the same in each.
    RowState joined(u32 loop, const RowState& state) {
        return steps_.joined(loop, state, [&](const Reducer& reducer, std::vector<NodeId> part) {
            return shape_.team < shape_.block ? team_.join_lanes(reducer, std::move(part), 1, shape_.team)
                                              : team_.join_block(reducer, std::move(part));
        });
    }

    const KernelSource& source_;
    KernelDraft draft_;
    Evaluator& evaluator_;
    KernelBuilder& kernel_;
    Phases phases_;
    RowShape shape_;
    /// With arrays in registers, in shared memory, in registers for one iteration of a loop, and none.
    RowSteps steps_, in_shared_, iteration_, repeated_;
    Team team_;
    BlockStates block_;
    std::optional<std::vector<Exchange>> exchanges_; ///< of rows that are not held
    std::optional<PartStates> states_;
    std::vector<u32> reduced_;
    DimId length_;
    NodeId thread_; ///< place in the team
    NodeId first_, extent_;
    NodeId part_;       ///< of the row, where it is shared
    NodeId row_inside_; ///< invalid: every team has a row
};

} // namespace

void ask_row_gpu(const KernelSource& source, const RowShape& shape, const Ask& ask) {
    Dims& dims = source.graph.module().dims;
    const std::vector<u32> reduced = axes_where(source.domain, true);
    DimId length = dims.constant(1);
    for (u32 axis : reduced) length = dims.mul(length, source.domain.extents[axis]);
    const i64 held = held_by(shape);
    const bool shared = shape.most_parts != 0;
    if (shape.exact && shape.held && !shared)
        ask(length, Relation::equal, dims.constant(held));
    else if (shape.exact)
        ask_multiple(source, length, held, ask);
    if (shape.vector > 1) ask_multiple(source, source.domain.extents[reduced.back()], shape.vector, ask);
    if (shared) {
        ask(dims.constant(longest_held_row(source)), Relation::less, length);
        ask(length, Relation::less_equal, dims.constant(held * shape.most_parts));
    } else if (shape.held) {
        ask(length, Relation::less_equal, dims.constant(held));
    } else if (source.target.most_iterations != 0) {
        // Of the loops of all phases.
        const std::size_t phases = phases_of(source.graph, source.fusion, source.group).loops.size();
        const DimId inner = dims.ceil_divide(length, dims.constant(held));
        const DimId outer = dims.ceil_divide(length, dims.constant(pitch_of(shape) * chain_limit));
        ask_few_iterations(source, dims.mul(dims.add(inner, outer), dims.constant(static_cast<i64>(phases))),
                           ask);
    }
    // A team for each row, and no team without one.
    if (!shape.exact || shared || shape.team == shape.block) return;
    DimId rows = dims.constant(1);
    for (u32 axis : axes_where(source.domain, false)) rows = dims.mul(rows, source.domain.extents[axis]);
    ask_multiple(source, rows, shape.block / shape.team, ask);
}

Kernel lower_row_gpu(const KernelSource& source, const std::string& name, const RowShape& shape) {
    return RowGpu(source, name, shape).run();
}

} // namespace heddle::passes
