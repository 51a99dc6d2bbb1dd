#pragma once
// What the passes make of a traced function: kernels, the order in which they run, and where their operands live. The plan
// is data, but for the kernels, which are made when they are asked for (plan_lowering.h); the frontend's driver turns it into a program by
// generating code for them, and runs it.

#include "ir/custom.h"
#include "ir/kernel_builder.h"
#include "passes/schedule.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace heddle::passes {

/// A kernel in a module of its own, so that kernels can be legalised and emitted in parallel. Its module has the symbols of
/// the traced function in the same order: size expressions are evaluated with the same list of values.
struct Kernel {
    std::unique_ptr<ir::Module> module;
    ir::Function* function = nullptr;
    /// The code, where the user gave it as such: then the function says how it is launched, and has no body.
    std::shared_ptr<const ir::CustomSpirv> spirv{};
    std::optional<Schedule> schedule{}; ///< none: a kernel of the user's
    bool forced = false;                ///< the schedule was given rather than chosen
};

/// One way to run a step: a schedule, until somebody asks for its kernel (PlanLowering::lower).
struct Variant {
    using Make = std::function<Kernel(const Variant&)>;
    std::string name;                   ///< the kernel's
    std::optional<Schedule> schedule{}; ///< none: there is one way, or it is a kernel of the user's
    bool forced = false;                ///< the schedule was given rather than chosen
    bool custom = false;                ///< a kernel of the user's
    /// Hold wherever the variant may run: what the schedule asks of sizes. The kernel states the same in as far as it is not known of all
    /// calls, and what only lowering tells: that indices fit, and which pointers are aligned.
    std::vector<ir::Fact> needs{};
    Make make; ///< see PlanLowering::lower
};

enum class SlotKind : u8 { input, output, temporary, constant };

/// Input k (array arguments only, in order), output k, temporary k or constant k of the plan.
struct Slot {
    SlotKind kind = SlotKind::input;
    u32 index = 0;
    bool operator==(const Slot&) const = default;
};

/// One launch: the first variant runs whose kernel's facts hold (and whose pointers are aligned). The last has no condition.
struct Step {
    std::vector<Variant> variants;
    std::vector<Slot> pointers;  ///< by pointer parameter, the same for every variant
    std::vector<bool> written;   ///< likewise
    u32 operations = 0;          ///< graph ops computed in it, for reports
    bool barrier_before = false; ///< it reads or overwrites what a step since the last barrier wrote
    /// And that is the step before it alone: where that is skipped, there is no need.
    bool barrier_for_previous = false;
    std::string custom{};       ///< name of the user's kernel that it runs; empty: made from ops
    std::vector<i64> inplace{}; ///< pairs of pointer positions, the second of which may be the first's memory
    std::vector<ir::DimId> extents{}; ///< what the kernel walks over
    i32 group = -1;                   ///< of the fused graph that it computes; -1: none, or the user's kernel
    bool publishes =
        false; ///< the last pointer is to words that the step before clears (lower/shared_rows.h)
};

/// A result of the function. `from_input`: the result is that input itself (a function may return an argument).
struct Output {
    Dtype dtype = Dtype::f32;
    std::vector<ir::DimId> shape;
    i32 from_input = -1;
    i32 donated_input = -1; ///< the output may take over this input's buffer when the caller gave it away
    i32 same_as = -1;       ///< an earlier output that is the same value
};

/// Why an edge between two ops was not fused, for reports: `reason` is one of the names in docs/fusion.md.
struct Cut {
    ir::NodeId producer, consumer;
    std::string reason;
};

/// Elements written out in the function: the program holds one buffer for each.
struct Constant {
    Dtype dtype = Dtype::f32;
    std::vector<u64> elements; ///< bits of each
};

class PlanLowering;

struct Plan {
    const ir::Function* function = nullptr; ///< after the graph passes; dims below belong to its module
    std::vector<ir::Fact> when;             ///< the sizes that it is for, where there are plans for others
    std::vector<Step> steps;
    std::vector<ir::DimId> temporary_bytes;
    std::vector<Constant> constants;
    std::vector<Output> outputs;
    std::vector<Cut> cuts;
    std::shared_ptr<PlanLowering> lowering; ///< makes the kernels of the steps
};

} // namespace heddle::passes
