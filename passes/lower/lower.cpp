#include "passes/lower/schedule.h"
#include "passes/lower/shared_rows.h"

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
    case GroupKind::chain: // only fusion for GPUs makes them
    case GroupKind::custom: break;
    }
}

/// Elements of an access: 16 bytes of the narrowest dtype that the group reads or writes, and no more than two accesses of the widest.
u32 gpu_vector(const KernelSource& source) {
    std::size_t narrowest = 16, widest = 1;
    const auto note = [&](NodeId node) {
        const std::size_t size = size_of(source.graph.dtype(node));
        narrowest = std::min(narrowest, size);
        widest = std::max(widest, size);
    };
    for (const LoadedValue& load : source.domain.loads) note(load.value);
    for (NodeId node : source.group.outputs) note(node);
    return static_cast<u32>(
        std::clamp<std::size_t>(16 / narrowest, 1, std::min<std::size_t>(8, 32 / widest)));
}

/// Behind the loops of a driver that leaves them early: a block for each row or column, with many invocations, which take many steps an
/// iteration.
void lower_long_gpu(const KernelSource& source, const std::string& name, Variants& variants) {
    const u32 block = std::min(source.target.subgroup * 32, std::bit_floor(source.target.max_block));
    RowShape shape{.block = block, .team = block, .vector = 1, .held = false, .steps = 32, .index_bits = 32};
    variants.add([&] { return lower_row_gpu(source, name + ".long", shape); });
    shape.index_bits = 64;
    variants.add([&] { return lower_row_gpu(source, name + ".long.wide", shape); });
}

/// One way to share rows of up to team * elements elements.
struct Rung {
    u32 team;
    u32 elements; ///< that an invocation holds at most
};

} // namespace

u32 largest_held_block(const Target& target) {
    u32 largest = target.subgroup;
    for (u32 team = 4 * target.subgroup; team <= std::min(32 * target.subgroup, target.max_block); team *= 2)
        largest = team;
    return largest;
}

namespace {

std::vector<Rung> rungs_of(const Target& target) {
    std::vector<Rung> rungs;
    if (target.subgroup_shuffle)
        for (u32 team = 4; team < target.subgroup; team *= 4) rungs.push_back({team, 4});
    rungs.push_back({target.subgroup, held_elements});
    for (u32 team = 4 * target.subgroup; team <= largest_held_block(target); team *= 2)
        rungs.push_back({team, held_elements});
    return rungs;
}

/// Rows in registers, shortest first: within a subgroup while they fit, then with ever more invocations, and what is longer in a loop.
void lower_rows_gpu(const KernelSource& source, const std::string& name, u32 vector, Variants& variants) {
    const u32 subgroup = source.target.subgroup, most = source.target.max_block;
    Dims& dims = source.graph.module().dims;
    DimId length = dims.constant(1);
    for (u32 axis : axes_where(source.domain, true)) length = dims.mul(length, source.domain.extents[axis]);
    const i64 shortest = dims.lower_bound(length, {{}, source.graph.facts}).value_or(0);
    const auto longest = dims.upper_bound(length, {{}, source.graph.facts});
    const u32 whole = std::min(8 * subgroup, most), loop = std::min(16 * subgroup, most);
    const auto shared = source.publishes ? shared_rows_of(source) : std::nullopt;
    for (u32 width : vector > 1 ? std::vector<u32>{vector, 1} : std::vector<u32>{1}) {
        const std::string kind = width > 1 ? ".v" : ".s";
        bool covered = false;
        for (const Rung& rung : rungs_of(source.target)) {
            const u32 steps = std::max(1u, rung.elements / width);
            const i64 capacity = i64{rung.team} * width * steps;
            if (covered || capacity < shortest) continue;
            covered = longest && *longest <= capacity;
            const bool shares = rung.team <= subgroup && source.target.subgroup_shuffle;
            const RowShape shape{shares ? whole : rung.team, rung.team, width, true, steps, 32};
            const std::string team = (shares ? ".team" : ".block") + std::to_string(rung.team);
            variants.add([&] { return lower_row_gpu(source, name + team + kind, shape); });
        }
        for (u32 block : shared ? shared->blocks : std::vector<u32>{}) {
            const i64 capacity = i64{block} * shared_elements * shared->most_parts;
            if (covered || capacity < shortest) continue;
            covered = longest && *longest <= capacity;
            const RowShape shape{block, block, width, true, shared_elements / width, 32, shared->most_parts};
            const std::string team = ".shared" + std::to_string(block);
            variants.add([&] { return lower_row_gpu(source, name + team + kind, shape); });
        }
        if (covered) continue;
        const RowShape shape{loop, loop, width, false, 1, 32};
        variants.add([&] { return lower_row_gpu(source, name + ".loop" + kind, shape); });
    }
    variants.add([&] { return lower_row_gpu(source, name + ".wide", {whole, whole, 1, false, 1, 64}); });
}

void lower_tiles_gpu(const KernelSource& source, const std::string& name, Variants& variants) {
    std::optional<TileShape> shape = tile_of(source);
    if (!shape) return;
    const std::string tile = name + (shape->mirror ? ".mirror" : ".tile");
    variants.add([&] { return lower_tile_gpu(source, tile, *shape); });
    shape->index_bits = 64;
    variants.add([&] { return lower_tile_gpu(source, tile + ".wide", *shape); });
}

void lower_stencils_gpu(const KernelSource& source, const std::string& name, u32 widest, Variants& variants) {
    std::optional<StencilShape> shape = stencil_of(source);
    if (!shape) return;
    for (u32 vector = widest; vector >= 1; vector /= 2) {
        shape->vector = vector;
        const std::string kind = vector > 1 ? fmt::format(".stencil.v{}", vector) : ".stencil";
        variants.add([&] { return lower_stencil_gpu(source, name + kind, *shape); });
    }
    shape->index_bits = 64;
    variants.add([&] { return lower_stencil_gpu(source, name + ".stencil.wide", *shape); });
}

void lower_gpu(const KernelSource& source, const std::string& name, Variants& variants) {
    const u32 vector = gpu_vector(source);
    switch (source.group.kind) {
    case GroupKind::pointwise:
        lower_tiles_gpu(source, name, variants);
        lower_stencils_gpu(source, name, vector, variants);
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
        // One access of a subgroup is a line of the cache.
        for (u32 width : vector > 4 ? std::vector<u32>{2, 1} : std::vector<u32>{1})
            variants.add([&] {
                return lower_column_tile_gpu(source, name + (width > 1 ? ".tile.v" : ".tile"), width);
            });
        if (vector > 1) variants.add([&] { return lower_column_gpu(source, name + ".v", vector, 32); });
        variants.add([&] { return lower_column_gpu(source, name, 1, 32); });
        variants.add([&] { return lower_column_gpu(source, name + ".wide", 1, 64); });
        lower_long_gpu(source, name, variants);
        break;
    case GroupKind::chain:
        variants.add([&] { return lower_chain_gpu(source, name + ".chain", 32); });
        variants.add([&] { return lower_chain_gpu(source, name + ".chain.wide", 64); });
        break;
    case GroupKind::custom: break;
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
