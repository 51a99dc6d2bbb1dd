#include "passes/pipeline.h"

#include "passes/graph/split_reductions.h"
#include "passes/pass_table.h"
#include "passes/rewrite.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace heddle::passes {

namespace {

constexpr std::array<std::string_view, 5> names{"simplify", "expand", "split-reductions", "views",
                                                "gather-views"};
constexpr std::size_t splitting = 2; ///< the pass that some sizes are better without
static_assert(names[splitting] == "split-reductions");

ir::Function& run(std::span<const std::string_view> passes, ir::Function& function) {
    ir::Function* current = &function;
    for (std::string_view name : passes) current = &pass_named(name).run(*current);
    return *current;
}

} // namespace

std::span<const std::string_view> graph_pipeline() { return names; }

std::vector<SizedFunction> run_graph_passes(ir::Function& function) {
    const std::span<const std::string_view> all = names;
    ir::Function& expanded = run(all.first(splitting), function);
    std::vector<SizedFunction> functions;
    if (std::vector<ir::Fact> when = short_lengths(expanded); !when.empty()) {
        ir::Function& whole = add_copy(expanded, expanded.name() + ".short");
        whole.facts.insert(whole.facts.end(), when.begin(), when.end());
        functions.push_back({&run(all.subspan(splitting + 1), whole), std::move(when)});
    }
    functions.push_back({&run(all.subspan(splitting), expanded), {}});
    return functions;
}

std::vector<Plan> compile_graph(ir::Function& function, const ir::Target& target,
                                const PipelineOptions& options) {
    std::vector<Plan> plans;
    const auto turn = std::make_shared<std::mutex>();
    for (SizedFunction& sized : run_graph_passes(function)) {
        Plan plan = plan_kernels(*sized.function, target, options.schedules, turn);
        plan.when = std::move(sized.when);
        if (options.fast_math) plan.lowering->set_fast_math();
        plans.push_back(std::move(plan));
    }
    check_forced(options.schedules, plans);
    return plans;
}

void check_forced(std::span<const ForcedSchedule> schedules, std::span<const Plan> plans) {
    const auto is_taken = [&](const ForcedSchedule& forced) {
        for (const Plan& plan : plans)
            for (const Step& step : plan.steps)
                for (const Variant& variant : step.variants)
                    if (variant.forced && variant.schedule == forced.schedule) return true;
        return false;
    };
    for (const ForcedSchedule& forced : schedules)
        if (!is_taken(forced))
            throw UsageError(
                fmt::format("@{0}: no kernel {1} schedule {2}; its kernels are @{0}.0 and so on",
                            plans.back().function->name(),
                            forced.kernel.empty() ? "can have the" : "@" + forced.kernel + " has the",
                            text(forced.schedule)));
}

} // namespace heddle::passes
