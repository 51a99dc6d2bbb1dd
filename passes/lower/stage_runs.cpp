#include "passes/lower/stage_runs.h"

#include "passes/lower/domain.h"

#include <algorithm>
#include <map>

namespace heddle::passes {

using namespace ir;

namespace {

constexpr u32 longest_run = 8;
constexpr u32 fewest_times = 3; ///< worth a loop

/// What the code of a stage follows from, as a list of words: equal lists, equal code.
class StageCode {
public:
    StageCode(const Function& function, const Fusion& fusion, const Group& chain, const SharedPlan& shared)
        : function_(function), fusion_(fusion) {
        for (u32 k = 0; k < chain.staged.size(); ++k)
            staged_[chain.staged[k].value.value] = {shared.array_of[k],
                                                    axes_in_block(function, chain.staged[k])};
        for (NodeId output : chain.outputs) is_output_[output.value] = true;
    }

    std::vector<u64> of(const Group& stage) {
        words_ = {static_cast<u64>(stage.kind), stage.domain.size()};
        number_.clear();
        for (DimId extent : stage.domain) words_.push_back(extent.value);
        for (bool reduced : stage.reduced) words_.push_back(reduced);
        for (u32 axis : stage.parallel) words_.push_back(axis);
        for (NodeId output : stage.outputs) {
            visit(stage, output);
            if (staged_.contains(output.value)) add_staged(output);
            if (is_output_.contains(output.value)) words_.push_back(output.value);
        }
        return std::move(words_);
    }

private:
    enum Tag : u64 { loaded, staged, known, computed };

    void add_staged(NodeId value) {
        const auto& [array, in_block] = staged_.at(value.value);
        words_.insert(words_.end(), {staged, array, function_[value].type.value});
        for (bool axis : in_block) words_.push_back(axis);
    }

    void visit(const Group& stage, NodeId node) {
        if (const auto seen = number_.find(node.value); seen != number_.end()) {
            words_.insert(words_.end(), {known, seen->second});
            return;
        }
        number_.emplace(node.value, static_cast<u32>(number_.size()));
        const bool is_memory = is_loaded(function_, fusion_, stage, node);
        if (is_memory && staged_.contains(node.value)) return add_staged(node);
        // A region may be anything; one argument is not another.
        if (is_memory || function_.op(node) == Op::parameter || function_[node].region_count > 0) {
            words_.insert(words_.end(), {loaded, node.value});
            if (is_memory || function_.op(node) == Op::parameter) return;
        }
        const std::span<const NodeId> operands = function_.operands(node);
        words_.insert(words_.end(),
                      {computed, static_cast<u64>(function_.op(node)), function_[node].type.value,
                       function_[node].attributes.value, operands.size()});
        for (NodeId operand : operands) visit(stage, operand);
    }

    const Function& function_;
    const Fusion& fusion_;
    std::map<u32, std::pair<u32, std::vector<bool>>> staged_; ///< by value: its array and axes there
    std::map<u32, bool> is_output_;
    std::map<u32, u32> number_; ///< of nodes seen in the stage in hand
    std::vector<u64> words_;
};

} // namespace

std::vector<StageRun> stage_runs(const Function& function, const Fusion& fusion, const Group& chain,
                                 const SharedPlan& shared) {
    StageCode code(function, fusion, chain, shared);
    std::map<std::vector<u64>, u32> numbers;
    std::vector<u32> codes;
    for (const Group& stage : chain.stages)
        codes.push_back(numbers.try_emplace(code.of(stage), static_cast<u32>(numbers.size())).first->second);
    const u32 count = static_cast<u32>(codes.size());
    std::vector<StageRun> runs;
    for (u32 first = 0; first < count;) {
        StageRun best{first, 1, 1};
        for (u32 length = 1; length <= longest_run; ++length) {
            u32 end = first + length;
            while (end < count && codes[end] == codes[end - length]) ++end;
            const u32 times = (end - first) / length;
            if (times >= fewest_times && times * length > best.times * best.length)
                best = {first, length, times};
        }
        runs.push_back(best);
        first += best.length * best.times;
    }
    return runs;
}

} // namespace heddle::passes
