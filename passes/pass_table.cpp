#include "passes/pass_table.h"

#include "passes/fuse/fusion.h"
#include "passes/graph/dce.h"
#include "passes/graph/expand.h"
#include "passes/graph/gather_views.h"
#include "passes/graph/simplify.h"
#include "passes/graph/split_reductions.h"
#include "passes/graph/views.h"
#include "passes/legalise/cpu_pipeline.h"
#include "passes/legalise/spirv_pipeline.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace heddle::passes {
namespace {

std::string analyse_fusion(ir::Function& function, const ir::Target& target) {
    return print(function, fuse(function, target));
}

/// The pipelines of both emitters; a pass that is in both is one row.
void add_legalise_passes(std::vector<Pass>& rows) {
    for (std::span<const LegalisePass> pipeline : {cpu_passes(), spirv_passes()})
        for (const LegalisePass& pass : pipeline)
            if (std::ranges::find(rows, pass.name, &Pass::name) == rows.end())
                rows.push_back({pass.name, pass.doc, ir::Level::kernel, nullptr, nullptr, pass.run});
}

std::vector<Pass> make_table() {
    constexpr ir::Level graph = ir::Level::graph;
    std::vector<Pass> rows = {
        {"simplify", "folds constants, drops arithmetic that changes nothing, moves signs outwards", graph,
         simplify, nullptr},
        {"split-reductions", "long reductions with few results go by chunks", graph, split_reductions,
         nullptr},
        {"expand", "dot becomes products and a sum; reductions over unit axes go", graph, expand, nullptr},
        {"views", "movement ops become index maps", graph, views, nullptr},
        {"dce", "drops what no result needs", graph, dce, nullptr},
        {"gather-views", "a gather through a view becomes arithmetic on its indices", graph, gather_views,
         nullptr},
        {"fuse", "lists the groups that become kernels, and why edges were cut", graph, nullptr,
         analyse_fusion},
    };
    add_legalise_passes(rows);
    return rows;
}

const std::vector<Pass>& table() {
    static const std::vector<Pass> rows = make_table();
    return rows;
}

} // namespace

std::span<const Pass> pass_table() { return table(); }

const Pass& pass_named(std::string_view name) {
    std::string names;
    for (const Pass& pass : table()) {
        if (pass.name == name) return pass;
        names += fmt::format("{}{}", names.empty() ? "" : ", ", pass.name);
    }
    throw UsageError(fmt::format("unknown pass '{}'; there are: {}", name, names));
}

} // namespace heddle::passes
