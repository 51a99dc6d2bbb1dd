#include "passes/fuse/rematerialise.h"

#include <algorithm>
#include <map>
#include <optional>
#include <queue>
#include <unordered_map>

namespace heddle::passes {

using namespace ir;

namespace {

constexpr u64 symbol_size = 4096; ///< what an unbounded size counts as: cuts depend on the graph alone
constexpr u32 slice_limit = 32;
constexpr u32 instance_limit = 8; ///< copies of one value in one reader
constexpr u32 cheap_weight = 6;   ///< arithmetic below this hides behind the memory it saves
constexpr u32 rescore_limit = 8;

u64 saturating_multiply(u64 a, u64 b) {
    u64 product = 0;
    return __builtin_mul_overflow(a, b, &product) ? ~u64{0} >> 8 : std::min(product, ~u64{0} >> 8);
}

class Rematerialiser {
public:
    Rematerialiser(const Function& function, const Target& target, const SweepResult& swept,
                   std::vector<bool>& realised, std::vector<FusionCut>& cuts)
        : function_(function), swept_(swept), realised_(realised), cuts_(cuts), free_(free_nodes(function)),
          readers_(function.size()), inner_uses_(function.size()), is_result_(function.size()),
          is_source_(function.size()), shift_(target.kind == TargetKind::gpu ? 3 : 4),
          launch_(target.kind == TargetKind::gpu ? u64{8} << 20 : u64{16} << 10), fuel_(2 * function.size()) {
        for (NodeId id : function.results()) is_result_[id.value] = true;
        stored_.resize(swept.groups.size());
        for (u32 k = 0; k < swept.groups.size(); ++k) {
            for (NodeId node : swept.groups[k].nodes) {
                add_readers(node);
                stored_[k] += realised[node.value];
            }
        }
        loads_.resize(swept.groups.size());
        for (const auto& groups : readers_)
            for (const auto& [group, copies] : groups) ++loads_[group];
        for (u32 k = 0; k < cuts.size(); ++k) cuts_of_[cuts[k].producer.value].push_back(k);
    }

    void run() {
        for (u32 k = 0; k < function_.size(); ++k)
            if (is_candidate(NodeId{k})) push(NodeId{k}, 0);
        while (!queue_.empty()) {
            const Entry entry = queue_.top();
            queue_.pop();
            const NodeId value{~entry.order};
            if (!realised_[value.value]) continue;
            const Score score = rate(value);
            if (score.refused) {
                refuse(value, *score.refused);
            } else if (score.benefit < entry.benefit) {
                if (entry.tries >= rescore_limit)
                    refuse(value, CutReason::frozen);
                else
                    queue_.push({score.benefit, ~value.value, entry.tries + 1});
            } else {
                inline_everywhere(value, score);
            }
        }
        std::erase_if(cuts_, [&](const FusionCut& cut) { return !realised_[cut.producer.value]; });
    }

private:
    struct Entry {
        i64 benefit;
        u32 order; ///< lower node ids first among equals
        u32 tries;
        bool operator<(const Entry& other) const {
            return std::tie(benefit, order) < std::tie(other.benefit, other.order);
        }
    };
    struct Score {
        i64 benefit = 0;
        std::optional<CutReason> refused;
        std::vector<NodeId> slice;    ///< nodes copied, the value first
        std::vector<NodeId> boundary; ///< what the slice reads that is in memory, or has to be from now on
    };

    void add_readers(NodeId node) {
        for (const Edge& edge : edges_of(function_, node)) {
            if (edge.random) is_source_[edge.producer.value] = true;
            if (free_[edge.producer.value]) continue;
            const GroupId home = swept_.group_of[edge.producer.value], group = swept_.group_of[node.value];
            if (home.valid() && home == group)
                ++inner_uses_[edge.producer.value];
            else
                ++readers_[edge.producer.value][group.value];
        }
    }

    bool is_candidate(NodeId value) const {
        return realised_[value.value] && !is_result_[value.value] && is_elementwise(function_.op(value));
    }

    u64 points(std::span<const DimId> shape) const {
        u64 count = 1;
        for (DimId extent : shape) {
            const auto bound = function_.module().dims.upper_bound(extent, {{}, function_.facts});
            count = saturating_multiply(count, bound && *bound >= 0 ? static_cast<u64>(*bound) : symbol_size);
        }
        return count;
    }
    u64 bytes(NodeId value) const {
        return saturating_multiply(points(function_.shape(value)), size_of(function_.dtype(value)));
    }

    /// The nodes that have to be computed to get the value, back to what is in memory.
    bool collect_slice(NodeId value, Score& score) const {
        const GroupId home = swept_.group_of[value.value];
        std::vector<NodeId> work{value};
        while (!work.empty()) {
            const NodeId node = work.back();
            work.pop_back();
            if (std::ranges::find(score.slice, node) != score.slice.end()) continue;
            score.slice.push_back(node);
            if (score.slice.size() > slice_limit) return false;
            for (const Edge& edge : edges_of(function_, node)) {
                const NodeId producer = edge.producer;
                if (free_[producer.value]) continue;
                const bool computed = swept_.group_of[producer.value].valid();
                const bool inner = computed && !realised_[producer.value];
                if (inner && is_elementwise(function_.op(producer)) &&
                    swept_.group_of[producer.value] == home) {
                    work.push_back(producer);
                } else if (inner && swept_.group_of[producer.value] != home &&
                           is_elementwise(function_.op(producer))) {
                    work.push_back(producer); // was inlined here before
                } else if (std::ranges::find(score.boundary, producer) == score.boundary.end()) {
                    score.boundary.push_back(producer);
                }
            }
        }
        return true;
    }

    u32 weight_of(const std::vector<NodeId>& slice) const {
        u32 weight = 0;
        for (NodeId node : slice) weight += info(function_.op(node)).cost;
        return weight;
    }

    Score rate(NodeId value) const {
        Score score;
        if (is_source_[value.value])
            score.refused = CutReason::random_access;
        else if (!collect_slice(value, score))
            score.refused = CutReason::limit_nodes;
        else if (score.slice.size() > fuel_)
            score.refused = CutReason::fuel;
        if (score.refused) return score;

        const GroupId home = swept_.group_of[value.value];
        const u32 weight = weight_of(score.slice);
        const u64 own_points = points(function_.shape(value));
        u64 saved = saturating_multiply(bytes(value), 1 + readers_[value.value].size());
        // Its kernel goes with it, unless what the readers need instead is made there too.
        const bool alone = std::ranges::none_of(score.boundary, [&](NodeId leaf) {
            return swept_.group_of[leaf.value] == home && !realised_[leaf.value];
        });
        if (stored_[home.value] == 1 && alone) saved += launch_;
        u64 paid = 0, evaluations = 0;
        for (const auto& [group, copies] : readers_[value.value]) {
            if (copies > instance_limit) {
                score.refused = CutReason::recompute;
                return score;
            }
            std::size_t more = 0;
            for (NodeId leaf : score.boundary) {
                if (readers_[leaf.value].contains(group)) continue;
                paid += bytes(leaf);
                ++more;
            }
            if (more > 1 && loads_[group] - 1 + more + stored_[group] > most_buffers) {
                score.refused = CutReason::limit_buffers;
                return score;
            }
            const u64 evaluated = weight < cheap_weight || function_.shape(value).empty()
                                      ? own_points
                                      : points(swept_.groups[group].domain);
            evaluations += saturating_multiply(evaluated, copies);
        }
        const u64 dropped = inner_uses_[value.value] == 0 ? own_points : 0;
        const u64 extra = evaluations > dropped ? evaluations - dropped : 0;
        paid += saturating_multiply(extra, weight) >> shift_;
        for (NodeId leaf : score.boundary)
            if (swept_.group_of[leaf.value].valid() && !realised_[leaf.value]) paid += 2 * bytes(leaf);
        score.benefit = static_cast<i64>(saved) - static_cast<i64>(paid);
        if (score.benefit <= 0) score.refused = CutReason::recompute;
        return score;
    }

    void push(NodeId value, u32 tries) {
        const Score score = rate(value);
        if (score.refused)
            refuse(value, *score.refused);
        else
            queue_.push({score.benefit, ~value.value, tries});
    }

    void refuse(NodeId value, CutReason reason) {
        if (reason == CutReason::random_access) return; // the sweep has said so already
        for (u32 k : cuts_of_[value.value]) cuts_[k].reason = reason;
    }

    void inline_everywhere(NodeId value, const Score& score) {
        realised_[value.value] = false;
        --stored_[swept_.group_of[value.value].value];
        fuel_ -= score.slice.size();
        for (NodeId leaf : score.boundary) {
            const GroupId home = swept_.group_of[leaf.value];
            if (home.valid() && !realised_[leaf.value]) {
                realised_[leaf.value] = true;
                ++stored_[home.value];
            }
            for (const auto& [group, copies] : readers_[value.value]) {
                u32& readings = readers_[leaf.value][group];
                loads_[group] += readings == 0;
                readings += copies;
            }
        }
        for (const auto& [group, copies] : readers_[value.value]) --loads_[group];
        readers_[value.value].clear();
    }

    const Function& function_;
    const SweepResult& swept_;
    std::vector<bool>& realised_;
    std::vector<FusionCut>& cuts_;
    std::vector<bool> free_;
    std::vector<std::map<u32, u32>> readers_; ///< by value: reading groups and how many places in each
    std::vector<u32> inner_uses_;             ///< readers within the home group
    std::vector<bool> is_result_, is_source_;
    std::vector<u32> stored_;        ///< by group: values in memory
    std::vector<std::size_t> loads_; ///< by group: values it reads that others make, and arguments
    std::unordered_map<u32, std::vector<u32>> cuts_of_;
    u32 shift_;
    u64 launch_;
    std::size_t fuel_;
    std::priority_queue<Entry> queue_;
};

} // namespace

void rematerialise(const Function& function, const Target& target, const SweepResult& swept,
                   std::vector<bool>& realised, std::vector<FusionCut>& cuts) {
    Rematerialiser(function, target, swept, realised, cuts).run();
}

} // namespace heddle::passes
