#include "passes/pass_table.h"

#include "passes/fuse/fusion.h"
#include "passes/graph/expand.h"
#include "passes/graph/simplify.h"
#include "passes/graph/split_reductions.h"
#include "passes/graph/views.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <vector>

namespace heddle::passes {
namespace {

std::string analyse_fusion(ir::Function& function, const ir::Target& target) {
    return print(function, fuse(function, target));
}

const std::vector<Pass>& table() {
    constexpr ir::Level graph = ir::Level::graph;
    static const std::vector<Pass> rows = {
        {"simplify", "folds constants, drops arithmetic that changes nothing", graph, simplify, nullptr},
        {"split-reductions", "long reductions with few results go by chunks", graph, split_reductions,
         nullptr},
        {"expand", "dot becomes products and a sum; reductions over unit axes go", graph, expand, nullptr},
        {"views", "movement ops become index maps", graph, views, nullptr},
        {"fuse", "lists the groups that become kernels, and why edges were cut", graph, nullptr,
         analyse_fusion},
    };
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
