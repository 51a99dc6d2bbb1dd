#include "passes/pipeline.h"

#include "passes/pass_table.h"

#include <array>

namespace heddle::passes {

std::span<const std::string_view> graph_pipeline() {
    static constexpr std::array<std::string_view, 5> names{"simplify", "expand", "split-reductions", "views",
                                                           "gather-views"};
    return names;
}

ir::Function& run_graph_passes(ir::Function& function, const PipelineOptions& options) {
    ir::Function* current = &function;
    for (std::string_view name : graph_pipeline()) {
        current = &pass_named(name).run(*current);
        if (options.observe) options.observe(name, *current);
    }
    return *current;
}

Plan compile_graph(ir::Function& function, const ir::Target& target, const PipelineOptions& options) {
    Plan plan = plan_kernels(run_graph_passes(function, options), target);
    if (options.fast_math) set_fast_math(plan);
    return plan;
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
