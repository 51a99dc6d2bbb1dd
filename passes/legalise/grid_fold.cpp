#include "passes/legalise/grid_fold.h"

#include "passes/rewrite.h"

namespace heddle::passes {

using namespace ir;

namespace {

bool fits(const Function& kernel, DimId extent, const Target& target) {
    constexpr u64 most = 0x7FFFFFFF; // no index goes further
    if (target.max_grid_x >= most) return true;
    const auto bound = kernel.module().dims.upper_bound(extent, {{}, kernel.facts});
    return bound && static_cast<u64>(*bound) <= target.max_grid_x;
}

} // namespace

Function& grid_fold(Function& kernel, const Target& target) {
    KernelInfo info = kernel_info(kernel);
    if (info.grid.empty() || fits(kernel, info.grid[0], target)) return kernel;
    Dims& dims = kernel.module().dims;
    const DimId columns = info.grid[0], width = dims.constant(static_cast<i64>(target.max_grid_x));
    const bool has_rows = info.grid.size() > 1;
    const DimId rows = has_rows ? info.grid[1] : dims.constant(1);
    // y counts rows within a fold, folds above that.
    info.grid[0] = dims.minimum(columns, width);
    info.grid.resize(std::max<std::size_t>(info.grid.size(), 2));
    info.grid[1] = dims.mul(rows, dims.ceil_divide(columns, width));

    NodeId x, y;
    const auto hook = [&](Rewriter& r, NodeId old) -> NodeId {
        if (r.from().op(old) != Op::grid_index) return {};
        const i64 axis = r.from().integer(old, Key::at);
        return axis == 0 ? x : axis == 1 ? y : NodeId{};
    };
    const auto around = [&](Rewriter& r, const std::function<void()>& body) {
        KernelBuilder& k = r.kernel();
        const NodeId count = k.size("columns", columns);
        NodeId fold = k.grid_index(1);
        if (has_rows) {
            const NodeId size = k.size("rows", rows);
            y = k.binary(Op::rem, fold, size);
            fold = k.div(fold, size);
        }
        x = k.add(k.mul(fold, k.index(static_cast<i64>(target.max_grid_x))), k.grid_index(0));
        k.if_then(k.binary(Op::lt, x, count), [&] {
            body();
            return std::vector<NodeId>{};
        });
    };
    Function& folded = rewrite(kernel, hook, around);
    set_kernel_info(folded, info);
    return folded;
}

} // namespace heddle::passes
