#include "passes/fuse/chain.h"
#include "passes/lower/row_steps.h"
#include "passes/lower/stage_runs.h"
#include "passes/lower/team.h"

#include <algorithm>
#include <bit>
#include <deque>
#include <utility>

namespace heddle::passes {

using namespace ir;

namespace {

constexpr i64 elements_each =
    16; ///< that an invocation has of the largest stage, while blocks are small enough
constexpr i64 written_out = 16;  ///< steps of a loop, at most
constexpr i64 written_work = 64; ///< arithmetic of those steps

/// How the invocations of a block share the reductions of a stage: a team for each place, places in turns.
struct TeamShape {
    u32 team;   ///< the whole block, or a power of two within a subgroup
    u32 stride; ///< between the lanes of a team
};

/// Runs the stages one after another. What a stage makes is staged in shared memory if a later one reads it; a barrier stands before
/// the first that does, and before one that writes an array which is still read.
class ChainGpu {
public:
    ChainGpu(const KernelSource& source, const std::string& name, u32 index_bits)
        : source_(source), dims_(source.graph.module().dims), draft_(source, name),
          evaluator_(draft_.evaluator), kernel_(evaluator_.kernel()), index_bits_(index_bits),
          block_(block_size()), team_(kernel_, block_, source.target.subgroup),
          shared_(shared_plan(source.graph, source.group.staged)) {}

    Kernel run() {
        KernelInfo info{.target = TargetKind::gpu,
                        .block = block_,
                        .subgroup = source_.target.subgroup,
                        .index_bits = index_bits_,
                        .grid = {}};
        place_block(info);
        stage_values();
        thread_ = kernel_.thread_index();
        for (const StageRun& run : stage_runs(source_.graph, source_.fusion, source_.group, shared_))
            stages(run);
        return draft_.finish(std::move(info));
    }

private:
    const Group& stage() const { return evaluator_.source().group; }

    // ---- the block

    /// Elements of the stage that a block has.
    i64 elements_of(const Group& stage) const {
        i64 count = 1;
        for (u32 k = 0; k < stage.domain.size(); ++k)
            if (std::ranges::find(stage.parallel, k) == stage.parallel.end())
                count *= dims_.as_constant(stage.domain[k]).value_or(1);
        return count;
    }

    u32 block_size() const {
        i64 largest = 1;
        for (const Group& stage : source_.group.stages) largest = std::max(largest, elements_of(stage));
        const u32 wanted = std::bit_ceil(static_cast<u32>((largest + elements_each - 1) / elements_each));
        const u32 most = std::min(32 * source_.target.subgroup, std::bit_floor(source_.target.max_block));
        return std::clamp(wanted, std::min(2 * source_.target.subgroup, most), most);
    }

    void place_block(KernelInfo& info) {
        const auto count = static_cast<u32>(source_.group.domain.size());
        info.grid = grid_over(evaluator_, axes_where(source_.domain, false), 0);
        if (info.grid.empty()) info.grid.push_back(dims_.constant(1));
        for (u32 axis = 0; axis < count; ++axis) block_place_.push_back(evaluator_.axis(axis));
    }

    void stage_values() {
        std::vector<NodeId> arrays;
        for (const SharedArray& array : shared_.arrays)
            arrays.push_back(kernel_.shared(array.dtype, 1, std::max<i64>(array.count, 1)));
        for (u32 k = 0; k < source_.group.staged.size(); ++k) {
            const StagedValue& staged = source_.group.staged[k];
            evaluator_.stage(staged.value, arrays[shared_.array_of[k]], axes_in_block(source_.graph, staged));
        }
    }

    /// Whether the stage reads what was staged behind the last barrier, or writes an array that was read behind it.
    bool needs_barrier(u32 number) {
        bool needs = false;
        for (u32 k = 0; k < source_.group.staged.size(); ++k) {
            const StagedValue& staged = source_.group.staged[k];
            needs |= staged.made < number && staged.made >= last_barrier_ && staged.last_read >= number;
            if (staged.made != number) continue;
            for (u32 other = 0; other < k; ++other)
                needs |= shared_.array_of[other] == shared_.array_of[k] &&
                         source_.group.staged[other].last_read >= last_barrier_;
        }
        if (needs) last_barrier_ = number;
        return needs;
    }

    /// The stages once, then in a loop: what all times read of the arguments is then in registers.
    void stages(const StageRun& run) {
        for (u32 number = run.first; number < run.first + run.length; ++number)
            one_stage(number, needs_barrier(number));
        if (run.times == 1) return;
        at_root_ = false;
        kernel_.for_loop(kernel_.index(1), kernel_.index(run.times), kernel_.index(1), {},
                         [&](NodeId, std::span<const NodeId>) {
                             for (u32 k = 0; k < run.length; ++k) one_stage(run.first + run.length + k, true);
                             return State{};
                         });
        at_root_ = true;
        last_barrier_ = run.first + run.length * run.times - 1;
    }

    // ---- a stage

    void one_stage(u32 number, bool barrier) {
        if (barrier) kernel_.barrier(BarrierScope::block, true, false);
        if (index_bits_ == 32) draft_.require_narrow_indices();
        begin(source_.group.stages[number]);
        if (stage().reduced.empty())
            pointwise();
        else
            reductions();
    }

    /// A block's axes of the stage, joined, that are kept and that are reduced.
    void begin(const Group& stage) {
        domains_.push_back(joined_domain(source_.graph, source_.fusion, stage));
        const Domain& domain = domains_.back();
        sources_.push_back({source_.graph, source_.fusion, stage, domain, source_.target});
        evaluator_.begin_stage(sources_.back());
        evaluator_.set_vector_axis(0, 1);
        kept_ = axes_where(domain, false);
        reduced_ = axes_where(domain, true);
        for (u32 p = 0; p < block_place_.size(); ++p) {
            const DimId expression = domain.group_axes[stage.parallel[p]];
            const auto axis = std::ranges::find_if(kept_, [&](u32 k) { return dims_.axis(k) == expression; });
            evaluator_.set_axis(*axis, block_place_[p]);
            kept_.erase(axis);
        }
    }

    i64 places_of(std::span<const u32> axes) const {
        i64 count = 1;
        for (u32 axis : axes) count *= dims_.as_constant(domains_.back().extents[axis]).value_or(1);
        return count;
    }

    /// Sets the axes from a flat place over them.
    void go_to(std::span<const u32> axes, NodeId place) {
        for (std::size_t k = axes.size(); k-- > 0;) {
            const NodeId extent = evaluator_.size(domains_.back().extents[axes[k]]);
            evaluator_.set_axis(axes[k], k == 0 ? place : kernel_.binary(Op::rem, place, extent));
            if (k > 0) place = kernel_.binary(Op::div, place, extent);
        }
    }

    using State = std::vector<NodeId>;
    using Step = std::function<State(NodeId place, std::span<const NodeId> state)>;

    /// Calls `step` for first, first + pitch, ... below `count`, `together` of them written out one after another; first is below pitch.
    State walk(NodeId first, i64 pitch, i64 count, i64 together, State state, const Step& step) {
        const i64 full = count / pitch;
        const auto straight = [&](NodeId from, i64 steps, State carried) {
            for (i64 k = 0; k < steps; ++k)
                carried = step(kernel_.add(from, kernel_.index(k * pitch)), carried);
            return carried;
        };
        i64 done = 0;
        if (full > together) {
            done = full / together * together;
            evaluator_.keep_loads(false);
            state = kernel_.for_loop(
                kernel_.index(0), kernel_.index(done * pitch), kernel_.index(together * pitch), state,
                [&](NodeId low, std::span<const NodeId> carried) {
                    return straight(kernel_.add(low, first), together, {carried.begin(), carried.end()});
                });
            evaluator_.keep_loads(at_root_);
        }
        state = straight(kernel_.add(first, kernel_.index(done * pitch)), full - done, std::move(state));
        if (count % pitch == 0) return state;
        const NodeId last = kernel_.add(first, kernel_.index(full * pitch));
        return when(kernel_.binary(Op::lt, last, kernel_.index(count)), state,
                    [&] { return step(last, state); });
    }

    /// The body's state where the condition holds (invalid: always), the given one elsewhere.
    State when(NodeId condition, const State& otherwise, const std::function<State()>& body) {
        if (!condition.valid()) return body();
        const bool root = std::exchange(at_root_, false);
        evaluator_.keep_loads(false);
        State state = kernel_.if_then(
            condition, body, otherwise.empty() ? KernelBuilder::Body{} : [&] { return otherwise; });
        at_root_ = root;
        evaluator_.keep_loads(at_root_);
        return state;
    }

    i64 steps_together() const {
        i64 work = 0;
        for (NodeId node : stage().nodes)
            if (is_full(source_.graph, stage(), node) || is_reduction(source_.graph.op(node)))
                work += arithmetic_of(source_.graph, node);
        return std::bit_floor(
            static_cast<u64>(std::clamp<i64>(written_work / std::max<i64>(work, 1), 1, written_out)));
    }

    void pointwise() {
        evaluator_.keep_loads(at_root_);
        walk(thread_, block_, places_of(kept_), steps_together(), {},
             [&](NodeId place, std::span<const NodeId>) {
                 evaluator_.enter();
                 go_to(kept_, place);
                 store_outputs(evaluator_, false);
                 evaluator_.leave();
                 return State{};
             });
    }

    // ---- reductions

    TeamShape team_shape(i64 places, i64 length) const {
        const u32 subgroup = source_.target.subgroup;
        const bool shuffles = source_.target.subgroup_shuffle;
        if (length >= 2 * i64{subgroup} && (places * 2 * subgroup <= block_ || (!shuffles && places == 1)))
            return {block_, 1};
        if (!shuffles) return {1, 1};
        const i64 each = std::max<i64>(1, std::min(i64{block_} / std::max<i64>(places, 1), length / 4));
        const u32 team = std::min(subgroup, std::bit_floor(static_cast<u32>(each)));
        return {team, stage().kind == GroupKind::column ? subgroup / team : 1};
    }

    void reductions() {
        const i64 places = places_of(kept_);
        length_ = places_of(reduced_);
        shape_ = team_shape(places, length_);
        const Phases phases = phases_of(source_.graph, source_.fusion, stage());
        RowSteps steps(evaluator_, phases, 1);
        if (shape_.team == block_)
            for (const Phase& phase : phases.loops)
                for (NodeId node : phase.reductions) team_.reserve(Reducer(source_.graph, node));
        const auto [slot, member] = place_in_block();
        member_ = member;
        const i64 slots = block_ / shape_.team, turns = (places + slots - 1) / slots;
        const auto turn = [&, slot = slot](NodeId number) {
            NodeId place = kernel_.add(kernel_.mul(number, kernel_.index(slots)), slot);
            NodeId inside;
            if (places % slots != 0) {
                // Teams behind the last place compute that one again, so that they load without asking, and store nothing.
                inside = kernel_.binary(Op::lt, place, kernel_.index(places));
                place = kernel_.binary(Op::minimum, place, kernel_.index(places - 1));
            }
            evaluator_.enter();
            go_to(kept_, place);
            one_place(steps, phases, inside);
            evaluator_.leave();
        };
        if (turns <= 2) {
            for (i64 number = 0; number < turns; ++number) turn(kernel_.index(number));
        } else {
            const bool root = std::exchange(at_root_, false);
            kernel_.for_loop(kernel_.index(0), kernel_.index(turns), kernel_.index(1), {},
                             [&](NodeId number, std::span<const NodeId>) {
                                 turn(number);
                                 return State{};
                             });
            at_root_ = root;
        }
    }

    /// This invocation's team and its place in it. Lanes of a column's team lie apart, so that lanes next to each other have columns next
    /// to each other.
    std::pair<NodeId, NodeId> place_in_block() {
        if (shape_.team == block_) return {kernel_.index(0), thread_};
        const NodeId team = kernel_.index(shape_.team);
        if (shape_.stride == 1)
            return {kernel_.binary(Op::div, thread_, team), kernel_.binary(Op::rem, thread_, team)};
        const NodeId stride = kernel_.index(shape_.stride), subgroup = kernel_.index(source_.target.subgroup);
        const NodeId lane = kernel_.binary(Op::rem, thread_, subgroup);
        const NodeId first = kernel_.mul(kernel_.binary(Op::div, thread_, subgroup), stride);
        return {kernel_.add(first, kernel_.binary(Op::rem, lane, stride)),
                kernel_.binary(Op::div, lane, stride)};
    }

    /// All phases at the kept place in hand.
    void one_place(RowSteps& steps, const Phases& phases, NodeId inside) {
        evaluator_.keep_loads(at_root_);
        store_kept(steps, 0, inside);
        for (u32 loop = 0; loop < phases.loops.size(); ++loop) {
            const State neutral = steps.neutral(loop);
            const bool stores = !phases.loops[loop].stores.empty();
            const State total = when(stores ? inside : NodeId{}, neutral, [&] {
                return walk(member_, shape_.team, length_, steps_together(), neutral,
                            [&](NodeId place, std::span<const NodeId> state) {
                                evaluator_.enter();
                                go_to(reduced_, place);
                                State next = steps.step(loop, state, {});
                                evaluator_.leave();
                                return next;
                            });
            });
            steps.finish(loop, total, [&](const Reducer& reducer, State state) {
                if (shape_.team == block_) return team_.join_block(reducer, std::move(state));
                return team_.join_lanes(reducer, std::move(state), shape_.stride,
                                        shape_.stride * shape_.team);
            });
            store_kept(steps, loop + 1, inside);
        }
    }

    void store_kept(RowSteps& steps, u32 loops, NodeId inside) {
        NodeId stores = inside;
        if (shape_.team > 1) {
            const NodeId first = kernel_.binary(Op::eq, member_, kernel_.index(0));
            stores = inside.valid() ? kernel_.binary(Op::bit_and, first, inside) : first;
        }
        steps.kept(loops, [&](NodeId node, NodeId value) {
            when(stores, {}, [&] {
                evaluator_.store(node, value);
                return State{};
            });
        });
    }

    const KernelSource& source_;
    Dims& dims_;
    KernelDraft draft_;
    Evaluator& evaluator_;
    KernelBuilder& kernel_;
    u32 index_bits_, block_;
    Team team_;
    SharedPlan shared_;
    std::deque<Domain> domains_; ///< by stage
    std::deque<KernelSource> sources_;
    std::vector<NodeId> block_place_; ///< along the chain's axes
    NodeId thread_;
    u32 last_barrier_ = 0; ///< the stage that it stands before
    bool at_root_ = true;  ///< code made now is in no loop or condition

    // ---- of the stage in hand
    std::vector<u32> kept_, reduced_; ///< axes that a block has places along
    TeamShape shape_{};
    i64 length_ = 0;
    NodeId member_; ///< place in the team
};

} // namespace

Kernel lower_chain_gpu(const KernelSource& source, const std::string& name, u32 index_bits) {
    return ChainGpu(source, name, index_bits).run();
}

} // namespace heddle::passes
