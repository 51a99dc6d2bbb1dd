#include "passes/legalise/grid_fold.h"

#include "passes/rewrite.h"

namespace heddle::passes {

using namespace ir;

namespace {

constexpr u64 max_grid_yz = 65535; ///< what every device counts along y and z

bool fits(const Function& kernel, DimId extent, u64 most) {
    if (most >= 0x7FFFFFFF) return true; // no index goes further
    const auto bound = kernel.module().dims.upper_bound(extent, {{}, kernel.facts});
    return bound && static_cast<u64>(*bound) <= most;
}

bool fits(const Function& kernel, std::span<const DimId> grid, const Target& target) {
    for (std::size_t axis = 0; axis < grid.size(); ++axis)
        if (!fits(kernel, grid[axis], axis == 0 ? target.max_grid_x : max_grid_yz)) return false;
    return true;
}

/// The place along each axis of `grid` of the block with that number, the first axis running fastest.
std::vector<NodeId> places_of(KernelBuilder& kernel, NodeId block, std::span<const DimId> grid) {
    std::vector<NodeId> places;
    for (std::size_t axis = 0; axis + 1 < grid.size(); ++axis) {
        const NodeId size = kernel.size(axis == 0 ? "columns" : "rows", grid[axis]);
        places.push_back(kernel.binary(Op::rem, block, size));
        block = kernel.div(block, size);
    }
    places.push_back(block);
    return places;
}

} // namespace

Function& grid_fold(Function& kernel, const Target& target) {
    KernelInfo info = kernel_info(kernel);
    if (info.grid.empty() || fits(kernel, info.grid, target)) return kernel;
    Dims& dims = kernel.module().dims;
    const std::vector<DimId> grid = info.grid;
    const DimId blocks = dims.product(grid), width = dims.constant(static_cast<i64>(target.max_grid_x));
    info.grid = {dims.minimum(blocks, width), dims.ceil_divide(blocks, width)};

    bool folds = false; // not where rewrites are cut off before this one
    std::vector<NodeId> places;
    const auto hook = [&](Rewriter& r, NodeId old) -> NodeId {
        if (r.from().op(old) != Op::grid_index) return {};
        return places[static_cast<std::size_t>(r.from().integer(old, Key::at))];
    };
    const auto around = [&](Rewriter& r, const std::function<void()>& body) {
        KernelBuilder& k = r.kernel();
        folds = true;
        const NodeId count = k.size("blocks", blocks);
        const NodeId row = k.mul(k.grid_index(1), k.index(static_cast<i64>(target.max_grid_x)));
        const NodeId block = k.add(row, k.grid_index(0));
        places = places_of(k, block, grid);
        k.if_then(k.binary(Op::lt, block, count), [&] {
            body();
            return std::vector<NodeId>{};
        });
    };
    Function& folded = rewrite(kernel, hook, around);
    if (folds) set_kernel_info(folded, info);
    return folded;
}

} // namespace heddle::passes
