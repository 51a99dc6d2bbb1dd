#include "passes/lower/schedule.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <bit>

namespace heddle::passes {

using namespace ir;

namespace {

/// Kernels in the order in which a launch tries them. Those whose conditions can never hold are left out, and so is what comes
/// behind one that always runs.
class Variants {
public:
    template <class Lower> void add(const Lower& lower) {
        if (complete_) return;
        Kernel kernel = lower();
        const Function& function = *kernel.function;
        if (std::ranges::any_of(function.facts, [&](const Fact& fact) { return never(function, fact); }))
            return;
        complete_ = function.facts.empty() && function.aligned.empty();
        kernels_.push_back(std::move(kernel));
    }
    std::vector<Kernel> take() { return std::move(kernels_); }

private:
    static bool never(const Function& kernel, const Fact& fact) {
        const Dims& dims = kernel.module().dims;
        return dims.as_constant(fact.left) && dims.as_constant(fact.right) && !dims.holds(fact, {});
    }

    std::vector<Kernel> kernels_;
    bool complete_ = false;
};

void lower_cpu(const KernelSource& source, const std::string& name, Variants& variants) {
    switch (source.group.kind) {
    case GroupKind::pointwise:
        if (!source.domain.extents.empty())
            variants.add([&] { return lower_pointwise_cpu(source, name + ".stream", true); });
        variants.add([&] { return lower_pointwise_cpu(source, name, false); });
        break;
    case GroupKind::row: {
        const Phases phases = phases_of(source.graph, source.fusion, source.group);
        const bool carries =
            std::ranges::any_of(phases.loops, [](const Phase& phase) { return !phase.carries.empty(); });
        const bool full =
            std::ranges::any_of(phases.loops, [](const Phase& phase) { return !phase.stores.empty(); });
        if (carries && full)
            variants.add([&] { return lower_row_cpu(source, name + ".cache.stream", true, true); });
        if (carries) variants.add([&] { return lower_row_cpu(source, name + ".cache", true, false); });
        variants.add([&] { return lower_row_cpu(source, name, false, false); });
        break;
    }
    case GroupKind::column: variants.add([&] { return lower_column_cpu(source, name); }); break;
    }
}

/// Elements of 16 bytes of the smallest dtype that the group reads or writes, at most 4.
u32 gpu_vector(const KernelSource& source) {
    std::size_t widest = 1;
    for (NodeId node : source.group.nodes)
        if (source.graph.type(node).kind == TypeKind::tensor)
            widest = std::max(widest, size_of(source.graph.dtype(node)));
    return static_cast<u32>(std::clamp<std::size_t>(16 / widest, 1, 4));
}

constexpr RowWalk plain_loop{.held = false, .steps = 1};

/// Behind the loops of a driver that leaves them early: a block for each row or column, with many invocations, which take many steps an
/// iteration.
void lower_long_gpu(const KernelSource& source, const std::string& name, Variants& variants) {
    constexpr RowWalk walk{.held = false, .steps = 32};
    const u32 block = std::min(source.target.subgroup * 32, std::bit_floor(source.target.max_block));
    variants.add([&] { return lower_row_gpu(source, name + ".long", block, 1, walk, 32); });
    variants.add([&] { return lower_row_gpu(source, name + ".long.wide", block, 1, walk, 64); });
}

void lower_rows_gpu(const KernelSource& source, const std::string& name, u32 vector, Variants& variants) {
    const u32 block = std::clamp(source.target.subgroup * 16, 64u, std::min(256u, source.target.max_block));
    for (u32 width : vector > 1 ? std::vector<u32>{vector, 1} : std::vector<u32>{1}) {
        const std::string kind = width > 1 ? ".v" : ".s";
        for (u32 steps : {4u, 16u})
            variants.add([&] {
                return lower_row_gpu(source, name + ".block" + std::to_string(steps) + kind, block, width,
                                     {.held = true, .steps = steps}, 32);
            });
        variants.add([&] {
            return lower_row_gpu(source, width > 1 ? name + ".loop.v" : name, block, width, plain_loop, 32);
        });
    }
    variants.add([&] { return lower_row_gpu(source, name + ".wide", block, 1, plain_loop, 64); });
}

void lower_gpu(const KernelSource& source, const std::string& name, Variants& variants) {
    const u32 vector = gpu_vector(source);
    switch (source.group.kind) {
    case GroupKind::pointwise:
        if (vector > 1 && !source.domain.extents.empty())
            variants.add([&] { return lower_pointwise_gpu(source, name + ".v", vector, 32); });
        variants.add([&] { return lower_pointwise_gpu(source, name, 1, 32); });
        variants.add([&] { return lower_pointwise_gpu(source, name + ".wide", 1, 64); });
        break;
    case GroupKind::row:
        lower_rows_gpu(source, name, vector, variants);
        lower_long_gpu(source, name, variants);
        break;
    case GroupKind::column:
        if (vector > 1) variants.add([&] { return lower_column_gpu(source, name + ".v", vector, 32); });
        variants.add([&] { return lower_column_gpu(source, name, 1, 32); });
        variants.add([&] { return lower_column_gpu(source, name + ".wide", 1, 64); });
        lower_long_gpu(source, name, variants);
        break;
    }
}

} // namespace

std::vector<Kernel> lower_group(const KernelSource& source, const std::string& name) {
    Variants variants;
    if (source.target.kind == TargetKind::gpu)
        lower_gpu(source, name, variants);
    else
        lower_cpu(source, name, variants);
    std::vector<Kernel> kernels = variants.take();
    // Only what `require_few_iterations` asks for stands in every variant.
    if (kernels.empty())
        throw DeviceError(
            fmt::format("{}: its loops are longer than the {} iterations after which the driver "
                        "of {} leaves them; run it on another device",
                        name, source.target.most_iterations, source.target.name));
    return kernels;
}

} // namespace heddle::passes
