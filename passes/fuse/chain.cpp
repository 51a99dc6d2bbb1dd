#include "passes/fuse/chain.h"

#include "passes/fuse/sweep.h"
#include "passes/lower/domain.h"

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_set>

namespace heddle::passes {

using namespace ir;

u32 arithmetic_of(const Function& function, NodeId node) {
    u32 cost = info(function.op(node)).cost;
    for (u32 k = 0; k < function[node].region_count; ++k)
        for (NodeId inner : function.region(node, k).body) cost += info(function.op(inner)).cost;
    return cost;
}

namespace {

constexpr u64 symbol_size = 4096;              ///< what a size without a bound counts as
constexpr std::size_t most_stages = 64;        ///< of a kernel, so that it stays small
constexpr std::size_t most_stage_nodes = 256;  ///< of a group that becomes a stage
constexpr std::size_t most_chain_nodes = 1024; ///< of all stages
/// Elements of a stage in all blocks: of more the launch is not what takes the time, and what every block loads again is.
constexpr u64 most_points = u64{1} << 22;
/// Of a stage in a block: 2,048 cycles at 128 lanes, less than a launch that waits for another takes.
constexpr u64 most_block_work = u64{1} << 18;
constexpr u64 load_work = 10; ///< of an element that a block loads: some 50 bytes a cycle
/// Of more blocks each has to have enough to do: a block takes a place along the axes in common alone, however small its share.
constexpr u64 most_small_blocks = 1024;
constexpr u64 fewest_places = 256;             ///< worth a block of their own
constexpr u64 most_shared_bytes = 24 << 10;    ///< so that several blocks share a core
constexpr u64 shared_for_reductions = 1 << 10; ///< left to what invocations join through

/// A group as a stage: which axes of its own those of the chain are.
struct Member {
    u32 group;
    std::vector<u32> parallel;
};

struct Chain {
    std::vector<Member> members;  ///< in the order of their groups
    std::vector<DimId> extents{}; ///< of the axes in common
    u32 depth = 0;
    bool small = true;         ///< may have more stages
    bool read_outside = false; ///< by another chain, which is deeper
};

/// What a group reads that other groups make, and from where.
struct Reads {
    std::vector<NodeId> values;
    // ---- of small groups
    PlainReads places;
    u64 work = 0, kept_work = 0; ///< arithmetic at each of its places, and at each place that is kept
};

class ChainFormer {
public:
    ChainFormer(const Function& function, const Target& target, Fusion& fusion)
        : function_(function), dims_(function.module().dims), fusion_(fusion),
          shared_bytes_(std::min<u64>(target.shared_bytes, most_shared_bytes + shared_for_reductions) -
                        std::min<u64>(target.shared_bytes, shared_for_reductions)) {}

    void run() {
        const auto small =
            std::ranges::count_if(fusion_.groups, [&](const Group& group) { return is_small(group); });
        if (small < 2) return;
        for (u32 k = 0; k < fusion_.groups.size(); ++k)
            for (NodeId output : group(k).outputs)
                if (!function_.is_constant(output)) home_[output.value] = k;
        for (NodeId result : function_.results()) is_read_outside_.insert(result.value);
        for (u32 k = 0; k < fusion_.groups.size(); ++k) place(k);
        const bool any =
            std::ranges::any_of(chains_, [](const Chain& chain) { return chain.members.size() > 1; });
        if (any) rebuild();
    }

private:
    const Group& group(u32 k) const { return fusion_.groups[k]; }

    u64 points(DimId extent) const {
        const auto bound = dims_.upper_bound(extent, {{}, function_.facts});
        return bound && *bound >= 0 ? static_cast<u64>(*bound) : symbol_size;
    }

    bool is_small(const Group& group) const {
        if (group.kind == GroupKind::custom || group.nodes.size() > most_stage_nodes) return false;
        u64 count = 1;
        for (DimId extent : group.domain) {
            count *= points(extent);
            if (count == 0 || count > most_points) return false;
        }
        return true;
    }

    // ---- what a group reads

    Reads reads_of(u32 k) const {
        Reads reads;
        if (is_small(group(k))) {
            reads.places = plain_reads(function_, fusion_, group(k));
            for (const LoadedValue& load : reads.places.domain.loads)
                if (home_.contains(load.value.value)) reads.values.push_back(load.value);
            for (NodeId node : group(k).nodes) {
                const bool is_kept =
                    squeezed_rank(function_.module(), function_.shape(node)) < group(k).domain.size() &&
                    !is_reduction(function_.op(node));
                (is_kept ? reads.kept_work : reads.work) += 1 + arithmetic_of(function_, node);
            }
            return reads;
        }
        std::unordered_set<u32> seen;
        std::vector<NodeId> work(group(k).outputs);
        while (!work.empty()) {
            const NodeId node = work.back();
            work.pop_back();
            for (const Edge& edge : edges_of(function_, node)) {
                const NodeId value = edge.producer;
                if (!seen.insert(value.value).second) continue;
                const auto home = home_.find(value.value);
                if (home != home_.end() && home->second != k)
                    reads.values.push_back(value);
                else
                    work.push_back(value);
            }
        }
        return reads;
    }

    u32 find(u32 chain) {
        while (parent_[chain] != chain) chain = parent_[chain] = parent_[parent_[chain]];
        return chain;
    }
    u32 chain_of(NodeId value) { return find(chain_of_[home_.at(value.value)]); }

    /// Where in the value's shape without unit axes an axis of its group is.
    u32 place_in_value(NodeId value, u32 axis) const {
        const Group& home = group(home_.at(value.value));
        const std::size_t rank = squeezed_rank(function_.module(), function_.shape(value));
        if (rank == home.domain.size()) return axis;
        u32 place = 0;
        for (u32 k = 0; k < axis; ++k) place += !home.reduced[k];
        return place;
    }

    std::optional<u32> kept_axis(const Group& group, DimId expression) const {
        for (u32 k = 0; k < group.domain.size(); ++k)
            if (expression == dims_.axis(k) && (group.reduced.empty() || !group.reduced[k])) return k;
        return std::nullopt;
    }

    /// The axis of `reader` with which all that it reads of the chain moves along the chain's axis `p`.
    std::optional<u32> axis_along(u32 chain, u32 p, u32 reader, const Reads& reads) {
        std::optional<u32> axis;
        for (const Access& access : reads.places.accesses) {
            const auto home = home_.find(access.value.value);
            if (home == home_.end() || find(chain_of_[home->second]) != chain) continue;
            const auto member = std::ranges::find(chains_[chain].members, home->second, &Member::group);
            const u32 place = place_in_value(access.value, member->parallel[p]);
            std::vector<DimId> index;
            for (u32 k = 0; k < access.index.size(); ++k)
                if (!dims_.is_constant(function_.shape(access.value)[k], 1)) index.push_back(access.index[k]);
            const auto moves = kept_axis(group(reader), index[place]);
            if (!moves || (axis && axis != moves)) return std::nullopt;
            axis = moves;
        }
        for (NodeId value : reads.places.anywhere)
            if (home_.contains(value.value) && chain_of(value) == chain) return std::nullopt;
        if (axis && !function_.same_size(group(reader).domain[*axis], chains_[chain].extents[p]))
            return std::nullopt;
        return axis;
    }

    /// For each axis of the chain, that of the reader; none twice.
    std::vector<std::optional<u32>> axes_along(u32 chain, u32 reader, const Reads& reads) {
        std::vector<std::optional<u32>> axes;
        for (u32 p = 0; p < chains_[chain].extents.size(); ++p) {
            auto axis = axis_along(chain, p, reader, reads);
            if (axis && std::ranges::find(axes, axis) != axes.end()) axis.reset();
            axes.push_back(axis);
        }
        return axes;
    }

    // ---- joining

    /// The chains and the group behind them as one; `depth` is not yet set.
    Chain united(std::span<const u32> chains, u32 reader, const Reads& reads) {
        std::vector<std::vector<std::optional<u32>>> along;
        for (u32 chain : chains) along.push_back(axes_along(chain, reader, reads));
        Chain result;
        std::vector<u32> common;
        for (const std::optional<u32>& axis : along[0]) {
            const bool in_all = axis && std::ranges::all_of(along, [&](const auto& axes) {
                                    return std::ranges::find(axes, axis) != axes.end();
                                });
            if (!in_all) continue;
            common.push_back(*axis);
            result.extents.push_back(group(reader).domain[*axis]);
        }
        for (std::size_t c = 0; c < chains.size(); ++c) {
            for (const Member& member : chains_[chains[c]].members) {
                Member& moved = result.members.emplace_back(Member{member.group, {}});
                for (u32 axis : common) {
                    const auto p = std::ranges::find(along[c], std::optional(axis)) - along[c].begin();
                    moved.parallel.push_back(member.parallel[static_cast<std::size_t>(p)]);
                }
            }
        }
        std::ranges::sort(result.members, {}, &Member::group);
        result.members.push_back({reader, common});
        return result;
    }

    /// Places of a stage in one block along the axes for which `counts` holds; nothing where they have no known size.
    template <class Counts>
    std::optional<u64> places_in_block(const Member& member, const Counts& counts) const {
        const Group& stage = group(member.group);
        u64 places = 1;
        for (u32 k = 0; k < stage.domain.size(); ++k) {
            if (std::ranges::find(member.parallel, k) != member.parallel.end() || !counts(k)) continue;
            const auto extent = dims_.as_constant(stage.domain[k]);
            if (!extent) return std::nullopt;
            places *= static_cast<u64>(*extent);
        }
        return places;
    }

    /// What a stage does in one block; nothing where the block's share has no known size.
    std::optional<u64> block_work(const Member& member, const std::unordered_set<u32>& made) const {
        const Group& stage = group(member.group);
        const auto full = places_in_block(member, [](u32) { return true; });
        const auto kept =
            places_in_block(member, [&](u32 k) { return stage.reduced.empty() || !stage.reduced[k]; });
        if (!full) return std::nullopt;
        const Reads& reads = reads_[member.group];
        u64 work = reads.work * *full + reads.kept_work * *kept;
        const PlainReads& places = reads.places;
        for (const Access& access : places.accesses)
            if (!made.contains(access.value.value))
                work += load_work * *places_in_block(
                                        member, [&](u32 k) { return dims_.mentions_axis(access.offset, k); });
        for (NodeId table : places.anywhere)
            if (!made.contains(table.value)) work += load_work * *full;
        return std::max(work, *full);
    }

    u64 blocks(const Chain& chain) const {
        u64 count = 1;
        for (DimId extent : chain.extents) count *= points(extent);
        return count;
    }

    /// Elements in one block of the stage that has most; 0 where one has no known size.
    u64 largest_stage(const Chain& chain) const {
        u64 most = 0;
        for (const Member& member : chain.members) {
            const auto places = places_in_block(member, [](u32) { return true; });
            if (!places) return 0;
            most = std::max(most, *places);
        }
        return most;
    }

    /// The first `known` members are known to have no more to do in a block than they may.
    bool fits(const Chain& chain, std::size_t known = 0) const {
        if (chain.members.size() > most_stages) return false;
        if (blocks(chain) > most_small_blocks && largest_stage(chain) < fewest_places) return false;
        const std::unordered_set<u32> made = made_in(chain);
        std::size_t nodes = 0;
        for (std::size_t k = 0; k < chain.members.size(); ++k) {
            const Member& member = chain.members[k];
            nodes += group(member.group).nodes.size();
            if (k < known) continue;
            const auto work = block_work(member, made);
            if (!work || *work > most_block_work) return false;
        }
        return nodes <= most_chain_nodes && fits_buffers(chain, made) &&
               shared_plan(function_, staged_values(chain)).bytes <= shared_bytes_;
    }

    std::unordered_set<u32> made_in(const Chain& chain) const {
        std::unordered_set<u32> made;
        for (const Member& member : chain.members)
            for (NodeId output : group(member.group).outputs) made.insert(output.value);
        return made;
    }

    bool fits_buffers(const Chain& chain, const std::unordered_set<u32>& made) const {
        std::unordered_set<u32> loads;
        for (const Member& member : chain.members)
            for (const LoadedValue& load : reads_[member.group].places.domain.loads)
                if (!made.contains(load.value.value)) loads.insert(load.value.value);
        const auto read_outside =
            std::ranges::count_if(made, [&](u32 value) { return is_read_outside_.contains(value); });
        const std::size_t stores = std::max<std::size_t>(static_cast<std::size_t>(read_outside), 1);
        return stores <= most_outputs && loads.size() + stores <= most_buffers;
    }

    /// Values that a later stage reads.
    std::vector<StagedValue> staged_values(const Chain& chain) const {
        std::map<u32, u32> last_read;
        for (u32 stage = 0; stage < chain.members.size(); ++stage)
            for (NodeId value : reads_[chain.members[stage].group].values) last_read[value.value] = stage;
        std::vector<StagedValue> staged;
        for (u32 stage = 0; stage < chain.members.size(); ++stage) {
            const Member& member = chain.members[stage];
            for (NodeId output : group(member.group).outputs) {
                const auto read = last_read.find(output.value);
                if (read == last_read.end()) continue;
                StagedValue& value = staged.emplace_back(StagedValue{output, stage, read->second, {}});
                for (u32 axis : member.parallel) value.parallel.push_back(place_in_value(output, axis));
            }
        }
        return staged;
    }

    /// Depth of the chains as one that also reads the others; nothing where that would close a cycle.
    std::optional<u32> joint_depth(std::span<const u32> chains, std::span<const u32> producers) const {
        u32 depth = 0;
        for (u32 producer : producers) {
            const bool inside = std::ranges::find(chains, producer) != chains.end();
            depth = std::max(depth, chains_[producer].depth + !inside);
        }
        const bool holds = std::ranges::all_of(
            chains, [&](u32 chain) { return chains_[chain].depth == depth || !chains_[chain].read_outside; });
        return holds ? std::optional(depth) : std::nullopt;
    }

    bool join(std::span<const u32> chains, std::span<const u32> producers, u32 reader) {
        if (chains.empty()) return false;
        std::size_t stages = 1;
        for (u32 chain : chains) stages += chains_[chain].members.size();
        const auto depth = joint_depth(chains, producers);
        if (!depth || stages > most_stages) return false;
        Chain one = united(chains, reader, reads_[reader]);
        // One chain with the same axes: what its members load in a block is what it was.
        const Chain& first = chains_[chains[0]];
        const bool is_longer =
            chains.size() == 1 && first.members.size() > 1 && first.extents.size() == one.extents.size();
        if (!fits(one, is_longer ? first.members.size() : 0)) return false;
        one.depth = *depth;
        for (u32 chain : chains) {
            one.read_outside |= chains_[chain].read_outside;
            if (chain != chains[0]) {
                parent_[chain] = chains[0];
                chains_[chain] = {};
            }
        }
        chain_of_[reader] = chains[0];
        chains_[chains[0]] = std::move(one);
        return true;
    }

    void place(u32 k) {
        reads_.push_back(reads_of(k));
        chain_of_.push_back(0);
        std::vector<u32> producers, small;
        for (NodeId value : reads_[k].values)
            if (const u32 chain = chain_of(value); std::ranges::find(producers, chain) == producers.end())
                producers.push_back(chain);
        // The deepest first: it is the one to join where not all can be.
        std::ranges::sort(producers, [&](u32 a, u32 b) {
            return std::pair(chains_[a].depth, a) > std::pair(chains_[b].depth, b);
        });
        if (is_small(group(k)))
            for (u32 chain : producers)
                if (chains_[chain].small) small.push_back(chain);
        if (!join(small, producers, k) &&
            !(small.size() > 1 && join(std::span(small).first(1), producers, k)))
            open(k, producers);
        for (NodeId value : reads_[k].values) {
            const u32 chain = chain_of(value);
            if (chain == find(chain_of_[k])) continue;
            chains_[chain].read_outside = true;
            is_read_outside_.insert(value.value);
        }
    }

    void open(u32 k, std::span<const u32> producers) {
        Chain chain{.members = {{k, {}}}, .small = is_small(group(k))};
        for (u32 producer : producers) chain.depth = std::max(chain.depth, chains_[producer].depth + 1);
        for (u32 axis = 0; axis < group(k).domain.size(); ++axis) {
            if (!group(k).reduced.empty() && group(k).reduced[axis]) continue;
            chain.members[0].parallel.push_back(axis);
            chain.extents.push_back(group(k).domain[axis]);
        }
        chain_of_[k] = static_cast<u32>(chains_.size());
        parent_.push_back(chain_of_[k]);
        chains_.push_back(std::move(chain));
    }

    // ---- the result

    /// Gives blocks more places where they have few, along the innermost axes in common.
    void widen_blocks(Chain& chain) const {
        while (!chain.extents.empty()) {
            const auto extent = dims_.as_constant(chain.extents.back());
            if (!extent || largest_stage(chain) * static_cast<u64>(*extent) > fewest_places) return;
            Chain wider = chain;
            wider.extents.pop_back();
            for (Member& member : wider.members) member.parallel.pop_back();
            if (!fits(wider)) return;
            chain = std::move(wider);
        }
    }

    Group group_of(Chain& chain) {
        Group result{.kind = GroupKind::chain, .domain = chain.extents, .depth = chain.depth};
        result.staged = staged_values(chain);
        for (const Member& member : chain.members) {
            Group& stage = result.stages.emplace_back(std::move(fusion_.groups[member.group]));
            stage.parallel = member.parallel;
            stage.depth = chain.depth;
            result.nodes.insert(result.nodes.end(), stage.nodes.begin(), stage.nodes.end());
            for (NodeId output : stage.outputs)
                if (is_read_outside_.contains(output.value)) result.outputs.push_back(output);
        }
        std::ranges::sort(result.nodes);
        std::ranges::sort(result.outputs);
        return result;
    }

    void rebuild() {
        std::vector<Group> groups;
        for (u32 k = 0; k < chains_.size(); ++k) {
            Chain& chain = chains_[k];
            if (chain.members.size() > 1) {
                widen_blocks(chain);
                groups.push_back(group_of(chain));
                drop_cuts(groups.back());
            } else if (!chain.members.empty()) {
                groups.push_back(std::move(fusion_.groups[chain.members[0].group]));
                groups.back().depth = chain.depth;
            }
        }
        fusion_.groups = std::move(groups);
        std::ranges::stable_sort(fusion_.groups, {}, [](const Group& group) {
            return std::pair(group.depth, group.nodes.front());
        });
    }

    /// Edges within the chain no longer go through memory.
    void drop_cuts(const Group& chain) {
        std::unordered_set<u32> made;
        for (const StagedValue& staged : chain.staged) made.insert(staged.value.value);
        std::erase_if(fusion_.cuts, [&](const FusionCut& cut) {
            return made.contains(cut.producer.value) &&
                   (!is_read_outside_.contains(cut.producer.value) ||
                    std::ranges::binary_search(chain.nodes, cut.consumer));
        });
    }

    const Function& function_;
    Dims& dims_;
    Fusion& fusion_;
    u64 shared_bytes_; ///< for staged values
    // A constant lies in memory in any case; the group that makes it only copies it to a result.
    std::map<u32, u32> home_;   ///< by value: the group that stores it
    std::vector<Reads> reads_;  ///< by group
    std::vector<u32> chain_of_; ///< by group
    std::vector<Chain> chains_;
    std::vector<u32> parent_;                 ///< by chain: the one that it went into
    std::unordered_set<u32> is_read_outside_; ///< values that go to memory
};

} // namespace

void form_chains(const Function& function, const Target& target, Fusion& fusion) {
    ChainFormer(function, target, fusion).run();
}

} // namespace heddle::passes
