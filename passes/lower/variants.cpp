#include "passes/lower/variants.h"

#include "passes/lower/shared_rows.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <bit>

namespace heddle::passes {

using namespace ir;

namespace {

/// Schedules in the order in which a launch tries them. Those that ask of constants what they are not are left out.
class Variants {
public:
    Variants(const GroupLowering& lowering, std::string name) : lowering_(lowering), name_(std::move(name)) {}

    void add(const std::string& suffix, const Schedule& schedule) { add(suffix, schedule, false); }
    /// A kernel that has no parameters to choose.
    void add(const std::string& suffix, Variant::Make make) {
        variants_.push_back({.name = name_ + suffix, .make = std::move(make)});
    }
    /// Stands before what is chosen: the one that is for this kernel, else the first of those for any that can be had here.
    void force(std::span<const ForcedSchedule> forced) {
        for (const bool named : {true, false})
            for (const ForcedSchedule& one : forced)
                if (variants_.empty() && one.kernel == (named ? name_ : "")) force(one.schedule, named);
    }

    const GroupLowering& lowering() const { return lowering_; }
    std::vector<Variant> take() { return std::move(variants_); }

private:
    void force(const Schedule& schedule, bool named) {
        if (!named && !lowering_.refusal(schedule).empty()) return;
        if (!never_runs(lowering_.lower(schedule, name_ + ".forced")))
            add(".forced", schedule, true);
        else if (named)
            throw UsageError(fmt::format("{}: schedule {} is not for these sizes", name_, text(schedule)));
    }
    void add(const std::string& suffix, const Schedule& schedule, bool forced) {
        const Dims& dims = lowering_.source().graph.module().dims;
        std::vector<Fact> needs;
        bool never = false;
        lowering_.ask(schedule, [&](DimId left, Relation relation, DimId right) {
            const Fact fact{left, relation, right};
            if (!dims.as_constant(left) || !dims.as_constant(right))
                needs.push_back(fact);
            else if (!dims.holds(fact, {}))
                never = true;
        });
        if (never) return;
        variants_.push_back({.name = name_ + suffix,
                             .schedule = schedule,
                             .forced = forced,
                             .needs = std::move(needs),
                             .make = [&lowering = lowering_](const Variant& variant) {
                                 return lowering.lower(*variant.schedule, variant.name);
                             }});
    }

    const GroupLowering& lowering_;
    std::string name_;
    std::vector<Variant> variants_;
};

void add_cpu(const KernelSource& source, Variants& variants) {
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
void add_long_gpu(const KernelSource& source, Variants& variants) {
    const u32 block = std::min(source.target.subgroup * 32, std::bit_floor(source.target.max_block));
    Schedule schedule{
        .kind = ScheduleKind::row, .threads = block, .team = block, .vector = 1, .steps = 32, .index = 32};
    variants.add(".long", schedule);
    schedule.index = 64;
    variants.add(".long.wide", schedule);
}

/// One way to hold rows of up to team * elements elements.
struct Rung {
    u32 team;
    u32 elements; ///< that an invocation holds at most
};

/// A block that holds rows of up to subgroups * (invocations of one) * elements elements.
struct HeldBlock {
    u32 subgroups;
    u32 elements; ///< that an invocation holds at most
};

/// For rows that are longer than what a subgroup holds, shortest first. As they were fastest on an H200: two accesses of each invocation at
/// least; few rows at a time where they are written too, so larger blocks; and 128 bytes of a value held by an invocation of half a large
/// block before 64 by one of a whole.
std::span<const HeldBlock> held_blocks(const KernelSource& source) {
    static constexpr HeldBlock none[] = {{4, 8}, {4, 16}, {4, 32}, {8, 32}};
    static constexpr HeldBlock narrow[] = {{2, 16}, {4, 16}, {4, 32}, {8, 32}, {16, 32}, {32, 32}};
    static constexpr HeldBlock read[] = {{4, 8}, {4, 16}, {8, 16}, {8, 32}, {16, 32}};
    static constexpr HeldBlock written[] = {{4, 8}, {4, 16}, {16, 8}, {16, 16}, {16, 32}};
    static constexpr HeldBlock wide[] = {{4, 8}, {4, 16}, {8, 16}, {16, 16}, {32, 16}};
    const Phases phases = phases_of(source.graph, source.fusion, source.group);
    std::size_t widest = 0; // of what later phases read
    bool stores = false;
    for (const Phase& phase : phases.loops) {
        for (NodeId node : phase.carries) widest = std::max(widest, size_of(source.graph.dtype(node)));
        stores |= !phase.stores.empty();
    }
    if (widest == 0) return none;
    if (widest <= 2) return narrow;
    if (widest > 4) return wide;
    return stores && 16 * source.target.subgroup <= source.target.max_block ? written : read;
}

std::vector<Rung> rungs_of(const KernelSource& source) {
    const Target& target = source.target;
    std::vector<Rung> rungs;
    if (target.subgroup_shuffle)
        for (u32 team = 4; team < target.subgroup; team *= 4) rungs.push_back({team, 4});
    rungs.push_back({target.subgroup, 16});
    for (const auto& [subgroups, elements] : held_blocks(source))
        if (subgroups * target.subgroup <= target.max_block)
            rungs.push_back({subgroups * target.subgroup, elements});
    return rungs;
}

} // namespace

i64 longest_held_row(const KernelSource& source) {
    const Rung longest = rungs_of(source).back();
    return i64{longest.team} * longest.elements;
}

namespace {

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
bool add_shared_rows_gpu(const SharedRows& shared, const RowLength& length, u32 width,
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
void add_rows_gpu(const KernelSource& source, u32 vector, Variants& variants) {
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
        if (covered || (shared && add_shared_rows_gpu(*shared, length, width, kind, variants))) continue;
        Schedule schedule = row_schedule(small, small, width, false, 4);
        schedule.exact = 1;
        if (width > 1) variants.add(".loop.full" + kind, schedule);
        variants.add(".loop" + kind, row_schedule(loop, loop, width, false, 1));
    }
    variants.add(".wide", row_schedule(whole, whole, 1, false, 1, 64));
}

void add_tiles_gpu(const KernelSource& source, Variants& variants) {
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

void add_stencils_gpu(const KernelSource& source, u32 widest, Variants& variants) {
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

void add_points_gpu(const KernelSource& source, u32 vector, Variants& variants) {
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

void add_columns_gpu(const KernelSource& source, u32 vector, Variants& variants) {
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

void add_gpu(const KernelSource& source, Variants& variants) {
    const u32 vector = variants.lowering().widest_access();
    switch (source.group.kind) {
    case GroupKind::pointwise:
        add_tiles_gpu(source, variants);
        add_stencils_gpu(source, vector, variants);
        add_points_gpu(source, vector, variants);
        break;
    case GroupKind::row:
        add_rows_gpu(source, vector, variants);
        add_long_gpu(source, variants);
        break;
    case GroupKind::column:
        add_columns_gpu(source, vector, variants);
        add_long_gpu(source, variants);
        break;
    case GroupKind::chain:
        variants.add(".chain", [&](const Variant& made) { return lower_chain_gpu(source, made.name, 32); });
        variants.add(".chain.wide",
                     [&](const Variant& made) { return lower_chain_gpu(source, made.name, 64); });
        break;
    case GroupKind::custom: break;
    }
}

} // namespace

std::vector<Variant> variants_of(const GroupLowering& lowering, const std::string& name,
                                 std::span<const ForcedSchedule> forced) {
    const KernelSource& source = lowering.source();
    Variants variants(lowering, name);
    variants.force(forced);
    if (source.target.kind == TargetKind::gpu)
        add_gpu(source, variants);
    else
        add_cpu(source, variants);
    return variants.take();
}

} // namespace heddle::passes
