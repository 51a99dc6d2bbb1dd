#include "passes/pipeline.h"

#include "passes/graph/split_reductions.h"
#include "passes/pass_table.h"
#include "passes/rewrite.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace heddle::passes {

std::span<const std::string_view> graph_pipeline() {
    static constexpr std::array<std::string_view, 5> names{"simplify", "expand", "split-reductions", "views",
                                                           "gather-views"};
    return names;
}

namespace {

ir::Function& run_from(ir::Function& function, std::size_t first) {
    ir::Function* current = &function;
    for (std::string_view name : graph_pipeline().subspan(first)) current = &pass_named(name).run(*current);
    return *current;
}

} // namespace

std::vector<SizedFunction> run_graph_passes(ir::Function& function) {
    const std::span<const std::string_view> names = graph_pipeline();
    const auto splitting =
        static_cast<std::size_t>(std::ranges::find(names, "split-reductions") - names.begin());
    ir::Function* current = &function;
    for (std::string_view name : names.first(splitting)) current = &pass_named(name).run(*current);
    std::vector<SizedFunction> functions;
    if (std::vector<ir::Fact> when = short_lengths(*current); !when.empty()) {
        ir::Function& whole = add_copy(*current, current->name() + ".short");
        whole.facts.insert(whole.facts.end(), when.begin(), when.end());
        functions.push_back({&run_from(whole, splitting + 1), std::move(when)});
    }
    functions.push_back({&run_from(*current, splitting), {}});
    return functions;
}

std::vector<Plan> compile_graph(ir::Function& function, const ir::Target& target,
                                const PipelineOptions& options) {
    std::vector<Plan> plans;
    for (SizedFunction& sized : run_graph_passes(function)) {
        Plan plan = plan_kernels(*sized.function, target, options.schedules);
        plan.when = std::move(sized.when);
        if (options.fast_math) set_fast_math(plan);
        plans.push_back(std::move(plan));
    }
    check_forced(options.schedules, plans);
    return plans;
}

void check_forced(std::span<const ForcedSchedule> schedules, std::span<const Plan> plans) {
    const auto is_taken = [&](const ForcedSchedule& forced) {
        for (const Plan& plan : plans)
            for (const Step& step : plan.steps)
                for (const Kernel& kernel : step.variants)
                    if (kernel.forced && kernel.schedule == forced.schedule) return true;
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

void set_fast_math(Plan& plan) {
    for (Step& step : plan.steps) {
        if (!step.custom.empty()) continue;
        for (Kernel& kernel : step.variants) {
            ir::KernelInfo info = ir::kernel_info(*kernel.function);
            info.fast_math = true;
            ir::set_kernel_info(*kernel.function, info);
        }
    }
}

} // namespace heddle::passes
