#include "passes/lower/group_lowering.h"

#include "passes/lower/shared_rows.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <bit>

namespace heddle::passes {

using namespace ir;

namespace {

constexpr u32 most_held = 64; ///< elements of a row in an invocation's registers
constexpr u32 most_steps = 64;
constexpr u32 most_point_steps = 8;
constexpr u32 most_vector_registers = 4; ///< of a CPU, for one vector
constexpr u32 most_chunk = 1 << 20;
constexpr u32 most_copies = 16;
constexpr u32 most_block = 32;
constexpr u32 most_rows = 16;
constexpr u32 most_subgroups = 32; ///< of a block that needs their size

/// The first thing that a schedule does not meet.
class Check {
public:
    void that(bool holds, const std::string& why) {
        if (!holds && why_.empty()) why_ = why;
    }
    void range(std::string_view name, u32 value, u32 low, u32 high) {
        that(value >= low && value <= high,
             fmt::format("{} = {}: expected {} to {}", name, value, low, high));
    }
    void power(std::string_view name, u32 value, u32 low, u32 high) {
        that(std::has_single_bit(value) && value >= low && value <= high,
             fmt::format("{} = {}: expected a power of two from {} to {}", name, value, low, high));
    }
    void flag(std::string_view name, u32 value) { range(name, value, 0, 1); }
    void index(u32 bits) {
        that(bits == 32 || bits == 64, fmt::format("index = {}: expected 32 or 64", bits));
    }
    std::string take() { return std::move(why_); }

private:
    std::string why_;
};

bool is_for_cpu(ScheduleKind kind) {
    return kind == ScheduleKind::cpu_pointwise || kind == ScheduleKind::cpu_row ||
           kind == ScheduleKind::cpu_column;
}

bool suits(ScheduleKind kind, GroupKind group) {
    switch (kind) {
    case ScheduleKind::cpu_pointwise:
    case ScheduleKind::pointwise:
    case ScheduleKind::tile:
    case ScheduleKind::stencil: return group == GroupKind::pointwise;
    case ScheduleKind::cpu_row: return group == GroupKind::row;
    case ScheduleKind::row: return group == GroupKind::row || group == GroupKind::column;
    case ScheduleKind::cpu_column:
    case ScheduleKind::column:
    case ScheduleKind::column_tile: return group == GroupKind::column;
    }
    return false;
}

/// What a block takes of shared memory for vectors that it holds, and at most for its reductions, whose states have so many bytes.
u64 shared_bytes_of(const Schedule& s, const KernelSource& source, u32 state_bytes) {
    u64 bytes = 0;
    for (Dtype dtype :
         carried_arrays(source.graph, phases_of(source.graph, source.fusion, source.group)).dtypes)
        bytes += dtype == Dtype::boolean ? 4 : size_of(dtype);
    const u64 states = u64{state_bytes} + 4;
    return bytes * s.vector * s.shared * s.threads +
           states * (s.parts + source.target.subgroup + most_subgroups + 1);
}

/// A block's rows, and what its teams ask of subgroups.
void check_row(Check& check, const Schedule& s, const KernelSource& source, u32 widest, u32 state_bytes) {
    const Target& target = source.target;
    const bool column = source.group.kind == GroupKind::column;
    const u32 subgroup = target.subgroup;
    check.power("threads", s.threads, subgroup, std::min(target.max_block, most_subgroups * subgroup));
    check.power("vector", s.vector, 1, column ? 1 : widest);
    check.flag("held", s.held);
    check.flag("exact", s.exact);
    check.range("steps", s.steps, 1, most_steps);
    check.that(s.exact == 0 || chain_limit % s.steps == 0, "exact = 1: steps have to be a power of two");
    check.range("shared", s.shared, 0, s.held == 0 ? 0 : s.steps);
    const u32 in_registers = s.held == 0 || s.shared > s.steps ? 0 : (s.steps - s.shared) * s.vector;
    check.that(
        in_registers <= most_held,
        fmt::format("vector * (steps - shared) = {}: at most {} elements are held", in_registers, most_held));
    check.that(s.shared == 0 || shared_bytes_of(s, source, state_bytes) <= target.shared_bytes,
               fmt::format("shared = {}: shared memory has {} bytes", s.shared, target.shared_bytes));
    check.index(s.index);
    if (s.parts != 0) {
        const std::optional<SharedRows> rows = source.publishes ? shared_rows_of(source) : std::nullopt;
        check.that(rows.has_value(), "parts: no blocks can share a row here");
        check.that(
            !rows || s.parts <= rows->most_parts,
            fmt::format("parts = {}: at most {} blocks share a row", s.parts, rows ? rows->most_parts : 0));
        check.that(s.held == 1 && s.team == s.threads, "parts: what blocks share they hold, each as a whole");
        check.that(!rows || u64{s.threads} * s.vector * s.steps >= rows->smallest_part,
                   fmt::format("threads * vector * steps: at least {} elements of a row are held",
                               rows ? rows->smallest_part : 0));
        check.that(s.parts <= s.threads, "parts: each invocation awaits one of them at most");
    }
    if (s.team == s.threads) return;
    check.power("team", s.team, 2, std::min(subgroup, s.threads));
    check.that(target.subgroup_shuffle, "team: the device has no shuffles within a subgroup");
    check.that(s.held == 1, "held = 0: a loop takes the whole block for a row");
}

RowShape row_with(const Schedule& s) {
    return {s.threads, s.team, s.vector, s.held != 0, s.exact != 0, s.steps, s.index, s.parts, s.shared};
}

} // namespace

GroupLowering::GroupLowering(KernelSource source) : source_(std::move(source)) {
    if (source_.target.kind != TargetKind::gpu || source_.group.kind != GroupKind::pointwise) return;
    tile_ = tile_of(source_);
    stencil_ = stencil_of(source_);
}

u32 GroupLowering::widest_access() const {
    std::size_t narrowest = 16, widest = 1;
    const auto note = [&](NodeId node) {
        const std::size_t size = size_of(source_.graph.dtype(node));
        narrowest = std::min(narrowest, size);
        widest = std::max(widest, size);
    };
    for (const LoadedValue& load : source_.domain.loads) note(load.value);
    for (NodeId node : source_.group.outputs) note(node);
    return static_cast<u32>(
        std::clamp<std::size_t>(16 / narrowest, 1, std::min<std::size_t>(8, 32 / widest)));
}

u32 GroupLowering::state_bytes() const {
    u32 bytes = 0;
    for (NodeId node : source_.group.nodes)
        if (is_reduction(source_.graph.op(node)))
            for (NodeId operand : Reducer(source_.graph, node).operands())
                bytes += std::max(4u, static_cast<u32>(size_of(source_.graph.dtype(operand))));
    return bytes;
}

std::string GroupLowering::refusal(const Schedule& s) const {
    const std::string_view name = name_of(s.kind);
    const bool cpu = is_for_cpu(s.kind);
    if (cpu != (source_.target.kind == TargetKind::cpu))
        return fmt::format("{} is for a {}", name, cpu ? "CPU" : "GPU");
    if (!suits(s.kind, source_.group.kind))
        return fmt::format("{} is not for a {} kernel", name, name_of(source_.group.kind));
    return cpu ? refusal_on_cpu(s) : refusal_on_gpu(s);
}

std::string GroupLowering::refusal_on_cpu(const Schedule& s) const {
    Check check;
    const u32 lanes = cpu_lanes(source_.target);
    switch (s.kind) {
    case ScheduleKind::cpu_pointwise:
        check.power("vector", s.vector, 2, most_vector_registers * lanes);
        check.range("chunk", s.chunk, s.vector, most_chunk);
        check.flag("stream", s.stream);
        check.that(s.stream == 0 || !source_.domain.extents.empty(), "stream = 1: there is one element");
        break;
    case ScheduleKind::cpu_row:
        check.power("vector", s.vector, 2, most_vector_registers * lanes);
        check.power("copies", s.copies, 1, most_copies);
        check.flag("carry", s.carry);
        check.flag("stream", s.stream);
        break;
    case ScheduleKind::cpu_column:
        check.power("vector", s.vector, 2, most_vector_registers * lanes);
        check.range("block", s.block, 1, most_block);
        break;
    case ScheduleKind::pointwise:
    case ScheduleKind::tile:
    case ScheduleKind::stencil:
    case ScheduleKind::row:
    case ScheduleKind::column:
    case ScheduleKind::column_tile: break;
    }
    return check.take();
}

std::string GroupLowering::refusal_on_gpu(const Schedule& s) const {
    Check check;
    const Target& target = source_.target;
    switch (s.kind) {
    case ScheduleKind::pointwise:
        check.power("threads", s.threads, 1, target.max_block);
        check.power("vector", s.vector, 1, source_.domain.extents.empty() ? 1 : widest_access());
        check.range("steps", s.steps, 1, most_point_steps);
        check.index(s.index);
        break;
    case ScheduleKind::tile:
        check.that(tile_.has_value(), "tile: no load crosses the rows, or shared memory holds no tile");
        check.power("places", s.places, 16, 128);
        check.power("threads", s.threads, s.places, std::min(target.max_block, s.places * s.places));
        check.that(!tile_ || tile_->shared_bytes(s.places) <= target.shared_bytes,
                   fmt::format("places = {}: shared memory has {} bytes", s.places, target.shared_bytes));
        check.index(s.index);
        break;
    case ScheduleKind::stencil:
        check.that(stencil_.has_value(), "stencil: no load is repeated in another row");
        check.power("threads", s.threads, stencil_width, target.max_block);
        check.range("rows", s.rows, 1, most_rows);
        check.power("vector", s.vector, 1, widest_access());
        check.index(s.index);
        break;
    case ScheduleKind::row: check_row(check, s, source_, widest_access(), state_bytes()); break;
    case ScheduleKind::column:
        check.power("threads", s.threads, 1, target.max_block);
        check.power("vector", s.vector, 1, widest_access());
        check.index(s.index);
        break;
    case ScheduleKind::column_tile:
        check.range("parts", s.parts, 1, std::min(most_subgroups, target.max_block / target.subgroup));
        check.power("vector", s.vector, 1, widest_access());
        check.that(u64{s.parts} * target.subgroup * s.vector * state_bytes() <= target.shared_bytes,
                   fmt::format("parts = {}: shared memory has {} bytes", s.parts, target.shared_bytes));
        break;
    case ScheduleKind::cpu_pointwise:
    case ScheduleKind::cpu_row:
    case ScheduleKind::cpu_column: break;
    }
    return check.take();
}

TileShape GroupLowering::tile_with(const Schedule& s) const {
    TileShape shape = *tile_;
    shape.places = s.places;
    shape.threads = s.threads;
    shape.index_bits = s.index;
    return shape;
}

StencilShape GroupLowering::stencil_with(const Schedule& s) const {
    StencilShape shape = *stencil_;
    shape.rows = s.rows;
    shape.vector = s.vector;
    shape.threads = s.threads;
    shape.index_bits = s.index;
    return shape;
}

void GroupLowering::ask(const Schedule& s, const Ask& ask) const {
    switch (s.kind) {
    case ScheduleKind::cpu_pointwise: return ask_pointwise_cpu(source_, s, ask);
    case ScheduleKind::cpu_row: return ask_row_cpu(source_, s, ask);
    case ScheduleKind::cpu_column: return; // it is for any sizes
    case ScheduleKind::pointwise: return ask_pointwise_gpu(source_, s, ask);
    case ScheduleKind::tile: return ask_tile_gpu(source_, tile_with(s), ask);
    case ScheduleKind::stencil: return ask_stencil_gpu(source_, stencil_with(s), ask);
    case ScheduleKind::row: return ask_row_gpu(source_, row_with(s), ask);
    case ScheduleKind::column: return ask_column_gpu(source_, s, ask);
    case ScheduleKind::column_tile: return ask_column_tile_gpu(source_, s, ask);
    }
}

Kernel GroupLowering::lower(const Schedule& s, const std::string& name) const {
    if (const std::string why = refusal(s); !why.empty())
        throw UsageError(fmt::format("{}: schedule {}: {}", name, text(s), why));
    const auto make = [&]() -> Kernel {
        switch (s.kind) {
        case ScheduleKind::cpu_pointwise: return lower_pointwise_cpu(source_, name, s);
        case ScheduleKind::cpu_row: return lower_row_cpu(source_, name, s);
        case ScheduleKind::cpu_column: return lower_column_cpu(source_, name, s);
        case ScheduleKind::pointwise: return lower_pointwise_gpu(source_, name, s);
        case ScheduleKind::tile: return lower_tile_gpu(source_, name, tile_with(s));
        case ScheduleKind::stencil: return lower_stencil_gpu(source_, name, stencil_with(s));
        case ScheduleKind::row: return lower_row_gpu(source_, name, row_with(s));
        case ScheduleKind::column: return lower_column_gpu(source_, name, s);
        case ScheduleKind::column_tile: return lower_column_tile_gpu(source_, name, s);
        }
        throw InternalError("a schedule without a kind");
    };
    Kernel kernel = make();
    kernel.schedule = s;
    return kernel;
}

bool never_runs(const Kernel& kernel) { return can_never_hold(kernel.module->dims, kernel.function->facts); }

} // namespace heddle::passes
