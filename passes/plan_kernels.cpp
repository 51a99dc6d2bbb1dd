#include "ir/text_rules.h"
#include "passes/lower/custom.h"
#include "passes/lower/shared_rows.h"
#include "passes/lower/variants.h"
#include "passes/pipeline.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>

namespace heddle::passes {

using namespace ir;

namespace {

/// Lays out one plan: groups to steps, values to slots, steps to stages between barriers.
class Planner {
public:
    Planner(const Function& function, const Target& target, std::span<const ForcedSchedule> schedules,
            PlanLowering::Turn turn)
        : function_(function), schedules_(schedules),
          lowering_(std::make_shared<PlanLowering>(function, target, std::move(turn))) {}

    Plan run() {
        plan_.function = &function_;
        plan_.lowering = lowering_;
        number_inputs();
        place_results();
        find_loads();
        for (u32 k = 0; k < fusion_.groups.size(); ++k)
            plan_.steps.push_back(fusion_.groups[k].kind == GroupKind::custom ? custom_step(k) : step(k));
        for (const FusionCut& cut : fusion_.cuts)
            plan_.cuts.push_back({cut.producer, cut.consumer, std::string(name_of(cut.reason))});
        return std::move(plan_);
    }

private:
    void number_inputs() {
        u32 number = 0;
        for (NodeId parameter : function_.parameters())
            if (!function_.has(parameter, Key::number)) {
                slots_[parameter.value] = {SlotKind::input, number++};
                inputs_of_size_[bytes_of(parameter).value].push_back(parameter);
            }
        for (NodeId result : function_.results()) results_.insert(result.value);
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

    /// Each group's domain, and the depth of the last group that loads each value.
    void find_loads() {
        for (const Group& group : fusion_.groups) {
            lowering_->add_domain(group.kind == GroupKind::custom ? custom_loads(group)
                                                                  : joined_domain(function_, fusion_, group));
            for (const LoadedValue& load : domains_.back().loads)
                last_read_[load.value.value] = std::max(last_read_[load.value.value], group.depth);
        }
    }

    /// What a kernel of the user's reads, wherever it likes.
    Domain custom_loads(const Group& group) const {
        Domain domain;
        for (const Edge& edge : edges_of(function_, group.nodes.front())) {
            const bool known =
                std::ranges::find(domain.loads, edge.producer, &LoadedValue::value) != domain.loads.end();
            if (!known) domain.loads.push_back({edge.producer, {}});
        }
        return domain;
    }

    DimId bytes_of(TypeId type) const {
        Module& module = function_.module();
        const std::size_t size = size_of(module.types[type].dtype);
        return module.dims.mul(module.dims.product(module.types[type].shape),
                               module.dims.constant(static_cast<i64>(size)));
    }
    DimId bytes_of(NodeId value) const { return bytes_of(function_[value].type); }

    /// A temporary of that size whose last reader is of a lower depth, or a new one.
    Slot temporary_for(DimId bytes, u32 depth, u32 last_read) {
        for (u32 k = 0; k < plan_.temporary_bytes.size(); ++k) {
            if (plan_.temporary_bytes[k] != bytes || free_after_[k] >= depth) continue;
            free_after_[k] = last_read;
            return {SlotKind::temporary, k};
        }
        plan_.temporary_bytes.push_back(bytes);
        free_after_.push_back(last_read);
        return {SlotKind::temporary, static_cast<u32>(plan_.temporary_bytes.size() - 1)};
    }

    /// Where a value is loaded from. A constant that is a result lies in two places: the kernel copies it to the output.
    Slot slot_of(NodeId value) {
        if (function_.op(value) == Op::constant) return constant_slot(value);
        const auto known = slots_.find(value.value);
        if (known == slots_.end()) throw InternalError("a value is loaded that no kernel stores");
        return known->second;
    }

    Slot constant_slot(NodeId value) {
        const auto [place, fresh] = constants_.try_emplace(value.value);
        if (fresh) {
            const std::span<const i64> bits = function_.payload(value, Key::value);
            place->second = {SlotKind::constant, static_cast<u32>(plan_.constants.size())};
            plan_.constants.push_back({function_.dtype(value), {bits.begin(), bits.end()}});
        }
        return place->second;
    }

    /// Lets outputs of the group take over the memory of inputs that the caller may give away: an input that no kernel reads from
    /// here on, or that this one reads only at the place it then writes. Gives the latter as pairs of pointer positions.
    std::vector<i64> take_over_inputs(u32 k) {
        const Group& group = fusion_.groups[k];
        std::vector<i64> inplace;
        for (u32 position = 0; position < group.outputs.size(); ++position) {
            const NodeId value = group.outputs[position];
            const auto slot = slots_.find(value.value);
            if (slot == slots_.end() || slot->second.kind != SlotKind::output) continue;
            for (NodeId input : inputs_of_size_[bytes_of(value).value]) {
                const auto from = slots_.find(input.value);
                if (taken_.contains(input.value) || results_.contains(input.value)) continue;
                const std::optional<i64> load = load_position(k, input);
                const auto last = last_read_.find(input.value);
                const bool read_later = last != last_read_.end() && (last->second > group.depth ||
                                                                     (last->second == group.depth && !load));
                if (read_later) continue;
                if (load && !reads_where_it_writes(k, *load, value)) continue;
                if (load)
                    inplace.insert(inplace.end(),
                                   {*load, static_cast<i64>(domains_[k].loads.size()) + position});
                taken_.insert(input.value);
                plan_.outputs[slot->second.index].donated_input = static_cast<i32>(from->second.index);
                break;
            }
        }
        return inplace;
    }

    std::optional<i64> load_position(u32 k, NodeId value) const {
        const auto& loads = domains_[k].loads;
        const auto found = std::ranges::find(loads, value, &LoadedValue::value);
        return found == loads.end() ? std::nullopt : std::optional<i64>(found - loads.begin());
    }

    /// No other kernel of this depth reads the input, and this one does so only where it stores `value`.
    bool reads_where_it_writes(u32 k, i64 load, NodeId value) const {
        const Group& group = fusion_.groups[k];
        const LoadedValue& read = domains_[k].loads[static_cast<std::size_t>(load)];
        if (group.kind != GroupKind::pointwise || function_.dtype(read.value) != function_.dtype(value))
            return false;
        if (!read.offset.valid() || read.offset != stored_offset(function_, group, value)) return false;
        for (u32 other = 0; other < fusion_.groups.size(); ++other)
            if (other != k && fusion_.groups[other].depth == group.depth && load_position(other, read.value))
                return false;
        return true;
    }

    static void bind(Step& step, Slot slot, bool written) {
        step.pointers.push_back(slot);
        step.written.push_back(written);
    }

    /// Where a value of the group is stored.
    Slot stored(NodeId value, u32 depth) {
        if (!slots_.contains(value.value))
            slots_[value.value] = temporary_for(bytes_of(value), depth, last_read_[value.value]);
        return slots_.at(value.value);
    }

    Step step(u32 k) {
        const Group& group = fusion_.groups[k];
        Step step;
        step.operations = static_cast<u32>(group.nodes.size());
        for (const LoadedValue& load : domains_[k].loads) bind(step, slot_of(load.value), false);
        for (NodeId value : group.outputs) bind(step, stored(value, group.depth), true);
        step.group = static_cast<i32>(k);
        step.inplace = take_over_inputs(k);
        step.extents = domains_[k].extents;
        KernelSource source{function_, fusion_, group, domains_[k], lowering_->target(), step.inplace};
        const std::string name = fmt::format("{}.{}", function_.name(), k);
        const auto rows = shared_rows_of(source);
        source.publishes = step.publishes = rows.has_value();
        const GroupLowering& lowering = lowering_->add_group(std::move(source));
        if (rows) {
            const Slot words = cleared_words(lowering, k, name, rows->words);
            step.barrier_for_previous = !meets_touched(step);
            bind(step, words, true);
        }
        order(step, k);
        lowering_->add_step(&lowering);
        step.variants = variants_of(lowering, name, schedules_);
        return step;
    }

    /// Memory for what blocks publish, which a step of its own sets to zero.
    Slot cleared_words(const GroupLowering& lowering, u32 k, const std::string& name, DimId words) {
        const u32 depth = lowering.source().group.depth;
        Dims& dims = function_.module().dims;
        const Slot slot = temporary_for(dims.mul(words, dims.constant(8)), depth, depth);
        Step clear;
        bind(clear, slot, true);
        order(clear, k);
        lowering_->add_step(nullptr);
        clear.variants.push_back(
            {.name = name + ".clear", .make = [&lowering, words](const Variant& variant) {
                 return lower_clear_gpu(lowering.source(), variant.name, words);
             }});
        plan_.steps.push_back(std::move(clear));
        return slot;
    }

    /// A kernel of the user's binds its operands, its results (read by anyone or not) and its temporaries, in this order.
    Step custom_step(u32 k) {
        const Group& group = fusion_.groups[k];
        const NodeId node = group.nodes.front();
        Step step;
        step.operations = 1;
        step.custom = custom_code(function_, node)->name;
        for (NodeId operand : function_.operands(node)) bind(step, slot_of(operand), false);
        const std::vector<TypeId> types = result_types(function_.module().types, function_[node].type);
        for (u32 r = 0; r < types.size(); ++r) {
            const auto value = std::ranges::find_if(group.outputs, [&](NodeId output) {
                return types.size() == 1 || function_.integer(output, Key::at) == r;
            });
            bind(step,
                 value == group.outputs.end() ? temporary_for(bytes_of(types[r]), group.depth, group.depth)
                                              : stored(*value, group.depth),
                 true);
        }
        for (DimId bytes : function_.module().attributes.dims(function_[node].attributes, Key::temporaries))
            bind(step, temporary_for(bytes, group.depth, group.depth), true);
        take_over_inputs(k);
        order(step, k);
        lowering_->add_step(nullptr);
        const std::size_t count = count_custom(function_, node, lowering_->target());
        for (u32 number = 0; number < count; ++number)
            step.variants.push_back({.name = step.custom,
                                     .custom = true,
                                     .make = [&from = *lowering_, node, number](const Variant&) {
                                         return lower_custom(from.function(), node, from.target(), number);
                                     }});
        return step;
    }

    /// A slot is not reused within one depth. Kernels of one depth may depend on each other all the same: a result that is free to
    /// compute, such as a broadcast, adds no depth, yet is read where it is stored.
    void order(Step& step, u32 k) {
        const bool deeper = k > 0 && fusion_.groups[k - 1].depth != fusion_.groups[k].depth;
        step.barrier_before = deeper || meets_touched(step);
        touch(step);
    }

    /// A result that may take over an input's memory counts as that input.
    std::pair<SlotKind, u32> memory_of(Slot slot) const {
        if (slot.kind != SlotKind::output || plan_.outputs[slot.index].donated_input < 0)
            return {slot.kind, slot.index};
        return {SlotKind::input, static_cast<u32>(plan_.outputs[slot.index].donated_input)};
    }

    /// Whether the step reads a slot that was written since the last barrier, or writes one that was touched.
    bool meets_touched(const Step& step) const {
        for (std::size_t p = 0; p < step.pointers.size(); ++p) {
            const auto known = touched_.find(memory_of(step.pointers[p]));
            if (known != touched_.end() && (known->second || step.written[p])) return true;
        }
        return false;
    }
    void touch(const Step& step) {
        if (step.barrier_before) touched_.clear();
        for (std::size_t p = 0; p < step.pointers.size(); ++p)
            touched_[memory_of(step.pointers[p])] |= step.written[p];
    }

    const Function& function_;
    std::span<const ForcedSchedule> schedules_;
    const std::shared_ptr<PlanLowering> lowering_;
    const Fusion& fusion_ = lowering_->fusion();
    const std::vector<Domain>& domains_ = lowering_->domains();
    Plan plan_;
    std::map<u32, Slot> slots_;
    std::map<u32, Slot> constants_;
    std::map<u32, u32> last_read_;
    std::map<std::pair<SlotKind, u32>, bool> touched_;            ///< since the last barrier; true: written
    std::unordered_map<u32, std::vector<NodeId>> inputs_of_size_; ///< by their size in bytes
    std::unordered_set<u32> results_;
    std::set<u32> taken_; ///< inputs whose memory an output takes over
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

Plan plan_kernels(const Function& function, const Target& target, std::span<const ForcedSchedule> schedules,
                  PlanLowering::Turn turn) {
    refuse_control_flow(function);
    if (turn == nullptr) turn = std::make_shared<std::mutex>();
    return Planner(function, target, schedules, std::move(turn)).run();
}

} // namespace heddle::passes
