#include "passes/pipeline.h"

#include "passes/graph/expand.h"
#include "passes/graph/views.h"

#include <array>

namespace heddle::passes {

std::span<const GraphPass> graph_passes() {
    static constexpr std::array table{
        GraphPass{"expand", "dot becomes products and a sum; reductions over unit axes go", expand},
        GraphPass{"views", "movement ops become index maps", views},
    };
    return table;
}

ir::Function& run_graph_passes(ir::Function& function, const PipelineOptions& options) {
    ir::Function* current = &function;
    for (const GraphPass& pass : graph_passes()) {
        current = &pass.run(*current);
        if (options.observe) options.observe(pass.name, *current);
    }
    return *current;
}

Plan compile_graph(ir::Function& function, const ir::Target& target, const PipelineOptions& options) {
    return plan_kernels(run_graph_passes(function, options), target);
}

} // namespace heddle::passes
