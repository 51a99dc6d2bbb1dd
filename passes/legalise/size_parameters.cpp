#include "passes/legalise/size_parameters.h"

#include "ir/kernel_builder.h"

#include <fmt/format.h>

namespace heddle::passes {

using namespace ir;

namespace {

constexpr i64 stack_bytes = 16 << 10; ///< of one array
constexpr i64 scratch_align = 64;

void need(Function& kernel, DimId size, u32& count) {
    if (kernel.module().dims.as_constant(size) || parameter_of_size(kernel, size).valid()) return;
    KernelBuilder(kernel).size(fmt::format("size{}", count++), size);
}

} // namespace

NodeId parameter_of_size(const Function& kernel, DimId size) {
    for (NodeId parameter : kernel.parameters()) {
        const Type& type = kernel.type(parameter);
        if (type.kind != TypeKind::vector || type.dtype != Dtype::index || !kernel.has(parameter, Key::size))
            continue;
        if (kernel.integer(parameter, Key::size) == i64{size.value}) return parameter;
    }
    return {};
}

ScratchLayout scratch_layout(const Function& kernel) {
    Dims& dims = kernel.module().dims;
    ScratchLayout layout{{}, dims.constant(0)};
    for (u32 r = 0; r < kernel.region_count(); ++r)
        for (NodeId id : kernel.region(RegionId{r}).body) {
            if (kernel.op(id) != Op::local) continue;
            const Type& type = kernel.type(id);
            const i64 element = static_cast<i64>(size_of(type.dtype)) * type.lanes;
            const DimId bytes = dims.mul(type.count, dims.constant(element));
            if (const auto constant = dims.as_constant(bytes); constant && *constant <= stack_bytes) continue;
            layout.arrays.push_back({id, layout.bytes});
            const DimId lines = dims.ceil_divide(bytes, dims.constant(scratch_align));
            layout.bytes = dims.add(layout.bytes, dims.mul(lines, dims.constant(scratch_align)));
        }
    return layout;
}

Function& size_parameters(Function& kernel, const Target&) {
    u32 count = 0;
    const std::vector<DimId> grid = kernel_info(kernel).grid;
    for (std::size_t k = 0; k + 1 < grid.size(); ++k) need(kernel, grid[k], count);
    for (const ScratchLayout::Array& array : scratch_layout(kernel).arrays) need(kernel, array.offset, count);
    return kernel;
}

} // namespace heddle::passes
