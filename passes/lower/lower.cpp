#include "passes/lower/schedule.h"

#include <algorithm>

namespace heddle::passes {

using namespace ir;

namespace {

std::vector<Kernel> lower_cpu(const KernelSource& source, const std::string& name) {
    std::vector<Kernel> variants;
    switch (source.group.kind) {
    case GroupKind::pointwise:
        if (!source.domain.extents.empty())
            variants.push_back(lower_pointwise_cpu(source, name + ".stream", true));
        variants.push_back(lower_pointwise_cpu(source, name, false));
        break;
    case GroupKind::row: {
        const Phases phases = phases_of(source.graph, source.fusion, source.group);
        const bool carries =
            std::ranges::any_of(phases.loops, [](const Phase& phase) { return !phase.carries.empty(); });
        const bool full =
            std::ranges::any_of(phases.loops, [](const Phase& phase) { return !phase.stores.empty(); });
        if (carries && full) variants.push_back(lower_row_cpu(source, name + ".cache.stream", true, true));
        if (carries) variants.push_back(lower_row_cpu(source, name + ".cache", true, false));
        variants.push_back(lower_row_cpu(source, name, false, false));
        break;
    }
    case GroupKind::column: variants.push_back(lower_column_cpu(source, name)); break;
    }
    return variants;
}

/// Elements of 16 bytes of the smallest dtype that the group reads or writes, at most 4.
u32 gpu_vector(const KernelSource& source) {
    std::size_t widest = 1;
    for (NodeId node : source.group.nodes)
        if (source.graph.type(node).kind == TypeKind::tensor)
            widest = std::max(widest, size_of(source.graph.dtype(node)));
    return static_cast<u32>(std::clamp<std::size_t>(16 / widest, 1, 4));
}

std::vector<Kernel> lower_gpu(const KernelSource& source, const std::string& name) {
    std::vector<Kernel> variants;
    const u32 vector = gpu_vector(source);
    const u32 block = std::clamp(source.target.subgroup * 16, 64u, std::min(256u, source.target.max_block));
    switch (source.group.kind) {
    case GroupKind::pointwise:
        if (vector > 1 && !source.domain.extents.empty())
            variants.push_back(lower_pointwise_gpu(source, name + ".v", vector));
        variants.push_back(lower_pointwise_gpu(source, name, 1));
        break;
    case GroupKind::row:
        for (u32 width : vector > 1 ? std::vector<u32>{vector, 1} : std::vector<u32>{1}) {
            const std::string kind = width > 1 ? ".v" : ".s";
            for (u32 steps : {4u, 16u})
                variants.push_back(lower_row_gpu(source, name + ".block" + std::to_string(steps) + kind,
                                                 block, width, steps));
            variants.push_back(lower_row_gpu(source, width > 1 ? name + ".loop.v" : name, block, width, 0));
        }
        break;
    case GroupKind::column:
        if (vector > 1) variants.push_back(lower_column_gpu(source, name + ".v", vector));
        variants.push_back(lower_column_gpu(source, name, 1));
        break;
    }
    return variants;
}

} // namespace

std::vector<Kernel> lower_group(const KernelSource& source, const std::string& name) {
    return source.target.kind == TargetKind::gpu ? lower_gpu(source, name) : lower_cpu(source, name);
}

} // namespace heddle::passes
