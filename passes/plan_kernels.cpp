#include "passes/lower/schedule.h"
#include "passes/pipeline.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace heddle::passes {

using namespace ir;

namespace {

/// Lays out one plan: groups to steps, values to slots, steps to stages between barriers.
class Planner {
public:
    Planner(const Function& function, const Target& target)
        : function_(function), target_(target), fusion_(fuse(function, target)) {}

    Plan run() {
        plan_.function = &function_;
        number_inputs();
        place_results();
        find_last_reads();
        for (u32 k = 0; k < fusion_.groups.size(); ++k) add_step(k);
        for (const FusionCut& cut : fusion_.cuts)
            plan_.cuts.push_back({cut.producer, cut.consumer, std::string(name_of(cut.reason))});
        return std::move(plan_);
    }

private:
    void number_inputs() {
        u32 number = 0;
        for (NodeId parameter : function_.parameters())
            if (!function_.has(parameter, Key::number)) slots_[parameter.value] = {SlotKind::input, number++};
    }

    void place_results() {
        std::map<u32, u32> first;
        for (u32 k = 0; k < function_.results().size(); ++k) {
            const NodeId result = function_.results()[k];
            Output output{function_.dtype(result),
                          {function_.shape(result).begin(), function_.shape(result).end()}};
            if (function_.op(result) == Op::parameter && slots_.contains(result.value)) {
                output.from_input = static_cast<i32>(slots_.at(result.value).index);
            } else if (const auto [seen, fresh] = first.try_emplace(result.value, k); !fresh) {
                output.same_as = static_cast<i32>(seen->second);
            } else {
                slots_[result.value] = {SlotKind::output, k};
            }
            plan_.outputs.push_back(std::move(output));
        }
    }

    /// The depth of the last group that loads each value.
    void find_last_reads() {
        for (const Group& group : fusion_.groups)
            for (NodeId value : loaded_values(function_, fusion_, group))
                last_read_[value.value] = std::max(last_read_[value.value], group.depth);
    }

    DimId bytes_of(NodeId value) const {
        Dims& dims = function_.module().dims;
        return dims.mul(dims.product(function_.shape(value)),
                        dims.constant(static_cast<i64>(size_of(function_.dtype(value)))));
    }

    /// A temporary of that size whose last reader is of a lower depth, or a new one.
    Slot temporary_for(NodeId value, u32 depth) {
        const DimId bytes = bytes_of(value);
        for (u32 k = 0; k < plan_.temporary_bytes.size(); ++k) {
            if (plan_.temporary_bytes[k] != bytes || free_after_[k] >= depth) continue;
            free_after_[k] = last_read_[value.value];
            return {SlotKind::temporary, k};
        }
        plan_.temporary_bytes.push_back(bytes);
        free_after_.push_back(last_read_[value.value]);
        return {SlotKind::temporary, static_cast<u32>(plan_.temporary_bytes.size() - 1)};
    }

    Slot slot_of(NodeId value) {
        if (const auto known = slots_.find(value.value); known != slots_.end()) return known->second;
        if (function_.op(value) != Op::constant)
            throw InternalError("a value is loaded that no kernel stores");
        const std::span<const i64> bits = function_.payload(value, Key::value);
        plan_.constants.push_back({function_.dtype(value), {bits.begin(), bits.end()}});
        return slots_[value.value] = {SlotKind::constant, static_cast<u32>(plan_.constants.size() - 1)};
    }

    void add_step(u32 k) {
        const Group& group = fusion_.groups[k];
        Step step;
        step.operations = static_cast<u32>(group.nodes.size());
        for (NodeId value : loaded_values(function_, fusion_, group)) {
            step.pointers.push_back(slot_of(value));
            step.written.push_back(false);
        }
        for (NodeId value : group.outputs) {
            if (!slots_.contains(value.value)) slots_[value.value] = temporary_for(value, group.depth);
            step.pointers.push_back(slots_.at(value.value));
            step.written.push_back(true);
        }
        // Kernels of one depth are independent, and a slot is not reused within it.
        step.barrier_before = k > 0 && fusion_.groups[k - 1].depth != group.depth;
        step.variants =
            lower_group(function_, fusion_, group, target_, fmt::format("{}.{}", function_.name(), k));
        plan_.steps.push_back(std::move(step));
    }

    const Function& function_;
    const Target& target_;
    Fusion fusion_;
    Plan plan_;
    std::map<u32, Slot> slots_;
    std::map<u32, u32> last_read_;
    std::vector<u32> free_after_;
};

// Loops and conditions of the graph level have no lowering yet; they are refused here rather than met half way.
void refuse_control_flow(const Function& function) {
    for (NodeId id : function.region(function.root()).body) {
        if (info(function.op(id)).kind != OpKind::control) continue;
        throw UsageError(fmt::format("@{}: {} cannot be compiled to kernels yet", function.name(),
                                     info(function.op(id)).text));
    }
}

} // namespace

Plan plan_kernels(const Function& function, const Target& target) {
    refuse_control_flow(function);
    return Planner(function, target).run();
}

} // namespace heddle::passes
