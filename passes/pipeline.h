#pragma once
// From a traced function to a plan: graph passes, fusion, schedules, lowering, memory. The order of the graph passes is data.

#include "passes/fuse/fusion.h"
#include "passes/plan_lowering.h"

#include <span>
#include <string_view>
#include <vector>

namespace heddle::passes {

/// Names of the graph passes (see passes/pass_table.h) in the order in which they run.
std::span<const std::string_view> graph_pipeline();

struct PipelineOptions {
    bool fast_math = false;                  ///< kernels are legalised for speed
    std::vector<ForcedSchedule> schedules{}; ///< in place of those that the compiler chooses
};

/// A function after the graph passes, and the sizes that it is for.
struct SizedFunction {
    ir::Function* function = nullptr;
    std::vector<ir::Fact> when;
};

/// Runs every graph pass in order. Where a pass is better left out for some sizes, there are two functions, the one for any sizes last:
/// whoever runs them takes the first whose conditions hold. `function` is replaced by the last; the others are added to its module.
std::vector<SizedFunction> run_graph_passes(ir::Function& function);

/// The whole way: a plan for each of those functions, which the plans point at.
std::vector<Plan> compile_graph(ir::Function& function, const ir::Target& target,
                                const PipelineOptions& options = {});

/// Kernels, order and memory for a function on which the graph passes have run, and which lives as long as the plan. Kernels that can have a
/// forced schedule have it. Plans of one module share the turn in which their kernels are made; null: there is no other.
Plan plan_kernels(const ir::Function& function, const ir::Target& target,
                  std::span<const ForcedSchedule> schedules = {}, PlanLowering::Turn turn = nullptr);

/// UsageError for a forced schedule that no kernel of a function's plans has.
void check_forced(std::span<const ForcedSchedule> schedules, std::span<const Plan> plans);

} // namespace heddle::passes
