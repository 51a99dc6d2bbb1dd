#include "passes/lower/group_lowering.h"
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
    Variants(const KernelSource& source, std::string name) : lowering_(source), name_(std::move(name)) {}

    void add(const std::string& suffix, const Schedule& schedule) {
        add([&] { return lowering_.lower(schedule, name_ + suffix); });
    }
    /// A kernel that has no parameters to choose.
    template <class Lower> void add(const Lower& lower) {
        if (complete_) return;
        Kernel kernel = lower();
        if (!never_runs(kernel) && !stands_behind_its_like(kernel)) keep(std::move(kernel));
    }
    /// Stands before what is chosen: the one that is for this kernel, else the first of those for any that can be had here.
    void force(std::span<const ForcedSchedule> forced) {
        for (const bool named : {true, false})
            for (const ForcedSchedule& one : forced)
                if (!complete_ && kernels_.empty() && one.kernel == (named ? name_ : ""))
                    force(one.schedule, named);
    }

    const std::string& name() const { return name_; }
    const GroupLowering& lowering() const { return lowering_; }
    std::vector<Kernel> take() { return std::move(kernels_); }

private:
    void force(const Schedule& schedule, bool named) {
        if (!named && !lowering_.refusal(schedule).empty()) return;
        Kernel kernel = lowering_.lower(schedule, name_ + ".forced");
        if (never_runs(kernel)) {
            if (!named) return;
            throw UsageError(fmt::format("{}: schedule {} is not for these sizes", name_, text(schedule)));
        }
        kernel.forced = true;
        keep(std::move(kernel));
    }
    /// Whether the one before it asks for the same, and nothing of sizes.
    bool stands_behind_its_like(const Kernel& kernel) const {
        if (kernels_.empty() || kernels_.back().forced) return false;
        const Function &before = *kernels_.back().function, &function = *kernel.function;
        return before.facts.empty() && function.facts.empty() && before.aligned == function.aligned;
    }
    void keep(Kernel kernel) {
        complete_ = kernel.function->facts.empty() && kernel.function->aligned.empty();
        kernels_.push_back(std::move(kernel));
    }

    GroupLowering lowering_;
    std::string name_;
    std::vector<Kernel> kernels_;
    bool complete_ = false;
};

void lower_cpu(const KernelSource& source, Variants& variants) {
    const u32 lanes = cpu_lanes(source.target);
    switch (source.group.kind) {
    case GroupKind::pointwise: {
        Schedule schedule{.kind = ScheduleKind::cpu_pointwise, .vector = lanes, .chunk = 8192, .stream = 1};
        if (!source.domain.extents.empty()) variants.add(".stream", schedule);
        schedule.stream = 0;
        variants.add("", schedule);
        break;
    }
    case GroupKind::row: {
        const Phases phases = phases_of(source.graph, source.fusion, source.group);
        const bool carries =
            std::ranges::any_of(phases.loops, [](const Phase& phase) { return !phase.carries.empty(); });
        const bool full =
            std::ranges::any_of(phases.loops, [](const Phase& phase) { return !phase.stores.empty(); });
        Schedule schedule{
            .kind = ScheduleKind::cpu_row, .vector = lanes, .copies = 4, .carry = 1, .stream = 1};
        if (carries && full) variants.add(".cache.stream", schedule);
        schedule.stream = 0;
        if (carries) variants.add(".cache", schedule);
        schedule.carry = 0;
        variants.add("", schedule);
        break;
    }
    case GroupKind::column:
        variants.add("", {.kind = ScheduleKind::cpu_column, .vector = lanes, .block = 8});
        break;
    case GroupKind::chain: // only fusion for GPUs makes them
    case GroupKind::custom: break;
    }
}

/// Behind the loops of a driver that leaves them early: a block for each row or column, with many invocations, which take many steps an
/// iteration.
void lower_long_gpu(const KernelSource& source, Variants& variants) {
    const u32 block = std::min(source.target.subgroup * 32, std::bit_floor(source.target.max_block));
    Schedule schedule{
        .kind = ScheduleKind::row, .threads = block, .team = block, .vector = 1, .steps = 32, .index = 32};
    variants.add(".long", schedule);
    schedule.index = 64;
    variants.add(".long.wide", schedule);
}

/// Of the largest value that a row's later phases read; 0: they read none.
std::size_t held_bytes(const KernelSource& source) {
    const Phases phases = phases_of(source.graph, source.fusion, source.group);
    std::size_t widest = 0;
    for (const Phase& phase : phases.loops)
        for (NodeId node : phase.carries) widest = std::max(widest, size_of(source.graph.dtype(node)));
    return widest;
}

} // namespace

u32 held_elements(const KernelSource& source) { return held_bytes(source) <= 2 ? 32 : 16; }

u32 largest_held_block(const KernelSource& source) {
    const Target& target = source.target;
    // Where nothing is held a loop does as well, and small blocks wait less for each other.
    const u32 subgroups = held_bytes(source) == 0 ? 8 : 32;
    u32 largest = target.subgroup;
    for (u32 team = 4 * target.subgroup; team <= std::min(subgroups * target.subgroup, target.max_block);
         team *= 2)
        largest = team;
    return largest;
}

namespace {

/// One way to share rows of up to team * elements elements.
struct Rung {
    u32 team;
    u32 elements; ///< that an invocation holds at most
};

std::vector<Rung> rungs_of(const KernelSource& source) {
    const Target& target = source.target;
    const u32 most = held_elements(source);
    std::vector<Rung> rungs;
    if (target.subgroup_shuffle)
        for (u32 team = 4; team < target.subgroup; team *= 4) rungs.push_back({team, 4});
    rungs.push_back({target.subgroup, 16});
    for (u32 team = 4 * target.subgroup; team <= largest_held_block(source); team *= 2)
        for (u32 elements = rungs.back().team < team / 2 ? 8 : most; elements <= most; elements *= 2)
            rungs.push_back({team, elements});
    return rungs;
}

Schedule row_schedule(u32 threads, u32 team, u32 width, bool held, u32 steps, u32 index = 32) {
    return {.kind = ScheduleKind::row,
            .threads = threads,
            .team = team,
            .vector = width,
            .steps = steps,
            .held = held,
            .index = index};
}

/// The length of a group's rows, and what is known of it.
struct RowLength {
    i64 shortest = 0;
    std::optional<i64> longest{};
    /// No row is longer.
    bool fits(i64 capacity) const { return longest && *longest <= capacity; }
};

RowLength length_of_rows(const KernelSource& source) {
    Dims& dims = source.graph.module().dims;
    DimId length = dims.constant(1);
    for (u32 axis : axes_where(source.domain, true)) length = dims.mul(length, source.domain.extents[axis]);
    return {dims.lower_bound(length, {{}, source.graph.facts}).value_or(0),
            dims.upper_bound(length, {{}, source.graph.facts})};
}

/// The schedule for rows that are exactly what their teams take, if there may be such, then for all.
void add_full_and_any(Variants& variants, const std::string& name, const std::string& kind, Schedule schedule,
                      bool may_be_full) {
    schedule.exact = 1;
    if (may_be_full && schedule.vector > 1) variants.add(name + ".full" + kind, schedule);
    schedule.exact = 0;
    variants.add(name + kind, schedule);
}

/// Rows that several blocks share. True if there are no longer ones.
bool lower_shared_rows_gpu(const SharedRows& shared, const RowLength& length, u32 width,
                           const std::string& kind, Variants& variants) {
    if (width > 1) {
        // Rows of many parts: of twice as much each, a quarter of it in shared memory.
        const u32 block = shared.blocks.front();
        Schedule schedule = row_schedule(block, block, width, true, 2 * shared_elements / width);
        schedule.exact = 1;
        schedule.shared = schedule.steps / 4;
        schedule.parts = shared.parts;
        if (variants.lowering().refusal(schedule).empty())
            variants.add(fmt::format(".shared{}x{}.full{}", block, schedule.steps, kind), schedule);
    }
    for (u32 block : shared.blocks) {
        const i64 capacity = i64{block} * shared_elements * shared.parts;
        if (capacity < length.shortest) continue;
        Schedule schedule = row_schedule(block, block, width, true, shared_elements / width);
        schedule.parts = shared.parts;
        add_full_and_any(variants, fmt::format(".shared{}", block), kind, schedule, true);
        if (length.fits(capacity)) return true;
    }
    return false;
}

/// Rows in registers, shortest first: within a subgroup while they fit, then with ever more invocations, and what is longer in a loop.
void lower_rows_gpu(const KernelSource& source, u32 vector, Variants& variants) {
    const u32 subgroup = source.target.subgroup, most = source.target.max_block;
    const u32 small = std::min(4 * subgroup, most), whole = std::min(8 * subgroup, most);
    const u32 loop = std::min(16 * subgroup, most);
    const RowLength length = length_of_rows(source);
    const auto shared = source.publishes ? shared_rows_of(source) : std::nullopt;
    for (u32 width : vector > 1 ? std::vector<u32>{vector, 1} : std::vector<u32>{1}) {
        const std::string kind = width > 1 ? ".v" : ".s";
        bool covered = false;
        for (const Rung& rung : rungs_of(source)) {
            const u32 steps = std::max(1u, rung.elements / width);
            const i64 capacity = i64{rung.team} * width * steps;
            if (covered || capacity < length.shortest) continue;
            covered = length.fits(capacity);
            const bool shares = rung.team <= subgroup && source.target.subgroup_shuffle;
            const std::string name = fmt::format(".{}{}x{}", shares ? "team" : "block", rung.team, steps);
            add_full_and_any(variants, name, kind,
                             row_schedule(shares ? small : rung.team, rung.team, width, true, steps),
                             !length.longest || *length.longest >= capacity);
        }
        if (covered || (shared && lower_shared_rows_gpu(*shared, length, width, kind, variants))) continue;
        Schedule schedule = row_schedule(small, small, width, false, 4);
        schedule.exact = 1;
        if (width > 1) variants.add(".loop.full" + kind, schedule);
        variants.add(".loop" + kind, row_schedule(loop, loop, width, false, 1));
    }
    variants.add(".wide", row_schedule(whole, whole, 1, false, 1, 64));
}

void lower_tiles_gpu(const KernelSource& source, Variants& variants) {
    const std::optional<TileShape>& shape = variants.lowering().tile();
    if (!shape) return;
    const std::string tile = shape->mirror ? ".mirror" : ".tile";
    Schedule schedule{.kind = ScheduleKind::tile,
                      .threads = std::min(shape->threads, std::bit_floor(source.target.max_block)),
                      .places = shape->places,
                      .index = 32};
    variants.add(tile, schedule);
    schedule.index = 64;
    variants.add(tile + ".wide", schedule);
}

void lower_stencils_gpu(const KernelSource& source, u32 widest, Variants& variants) {
    const std::optional<StencilShape>& shape = variants.lowering().stencil();
    if (!shape) return;
    Schedule schedule{.kind = ScheduleKind::stencil,
                      .threads = std::min(shape->threads, std::bit_floor(source.target.max_block)),
                      .rows = shape->rows,
                      .index = 32};
    if (!shape->repeats) {
        schedule.vector = widest;
        if (widest > 1) variants.add(".rows.v", schedule);
        return;
    }
    for (u32 vector = widest; vector >= 1; vector /= 2) {
        schedule.vector = vector;
        variants.add(vector > 1 ? fmt::format(".stencil.v{}", vector) : ".stencil", schedule);
    }
    schedule.vector = 1;
    schedule.index = 64;
    variants.add(".stencil.wide", schedule);
}

void lower_points_gpu(const KernelSource& source, u32 vector, Variants& variants) {
    Schedule schedule{.kind = ScheduleKind::pointwise,
                      .threads = std::min(256u, std::bit_floor(source.target.max_block)),
                      .vector = vector,
                      .steps = 1,
                      .index = 32};
    if (vector > 1 && !source.domain.extents.empty()) {
        schedule.steps = 2;
        if (!variants.lowering().stencil() && takes_much_arithmetic(source))
            variants.add(".steps.v", schedule);
        schedule.steps = 1;
        variants.add(".v", schedule);
    }
    schedule.vector = 1;
    variants.add("", schedule);
    schedule.index = 64;
    variants.add(".wide", schedule);
}

void lower_columns_gpu(const KernelSource& source, u32 vector, Variants& variants) {
    Schedule tile{.kind = ScheduleKind::column_tile,
                  .vector = 1,
                  .parts = std::max(1u, std::min(32u, source.target.max_block / source.target.subgroup))};
    // One access of a subgroup is a line of the cache.
    for (u32 width : vector > 4 ? std::vector<u32>{2, 1} : std::vector<u32>{1}) {
        tile.vector = width;
        if (variants.lowering().refusal(tile).empty()) variants.add(width > 1 ? ".tile.v" : ".tile", tile);
    }
    Schedule schedule{.kind = ScheduleKind::column, .threads = 64, .vector = vector, .index = 32};
    if (vector > 1) variants.add(".v", schedule);
    schedule.vector = 1;
    variants.add("", schedule);
    schedule.index = 64;
    variants.add(".wide", schedule);
}

void lower_gpu(const KernelSource& source, Variants& variants) {
    const u32 vector = variants.lowering().widest_access();
    switch (source.group.kind) {
    case GroupKind::pointwise:
        lower_tiles_gpu(source, variants);
        lower_stencils_gpu(source, vector, variants);
        lower_points_gpu(source, vector, variants);
        break;
    case GroupKind::row:
        lower_rows_gpu(source, vector, variants);
        lower_long_gpu(source, variants);
        break;
    case GroupKind::column:
        lower_columns_gpu(source, vector, variants);
        lower_long_gpu(source, variants);
        break;
    case GroupKind::chain:
        variants.add([&] { return lower_chain_gpu(source, variants.name() + ".chain", 32); });
        variants.add([&] { return lower_chain_gpu(source, variants.name() + ".chain.wide", 64); });
        break;
    case GroupKind::custom: break;
    }
}

} // namespace

std::vector<Kernel> lower_group(const KernelSource& source, const std::string& name,
                                std::span<const ForcedSchedule> forced) {
    Variants variants(source, name);
    variants.force(forced);
    if (source.target.kind == TargetKind::gpu)
        lower_gpu(source, variants);
    else
        lower_cpu(source, variants);
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
