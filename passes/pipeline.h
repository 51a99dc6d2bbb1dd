#pragma once
// From a traced function to a plan: graph passes, fusion, schedules, lowering, memory. The order of the graph passes is data.

#include "passes/fuse/fusion.h"
#include "passes/plan.h"

#include <functional>
#include <span>
#include <string_view>

namespace heddle::passes {

/// Names of the graph passes (see passes/pass_table.h) in the order in which they run.
std::span<const std::string_view> graph_pipeline();

/// Called after each pass with its name and the function; for dumps and verification.
using Observer = std::function<void(std::string_view pass, const ir::Function&)>;

struct PipelineOptions {
    Observer observe;
    bool fast_math = false; ///< kernels are legalised for speed
};

/// Runs every graph pass in order.
ir::Function& run_graph_passes(ir::Function& function, const PipelineOptions& options = {});

/// The whole way. `function` is replaced by what the graph passes make of it; the plan points at that.
Plan compile_graph(ir::Function& function, const ir::Target& target, const PipelineOptions& options = {});

/// Kernels, order and memory for a function on which the graph passes have run.
Plan plan_kernels(const ir::Function& function, const ir::Target& target);

/// Says on every kernel of the plan that it is legalised for speed (docs/math.md); the user's own say themselves what they are.
void set_fast_math(Plan& plan);

} // namespace heddle::passes
