#include "passes/lower/candidates.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace heddle::passes {

using namespace ir;

namespace {

/// Twice and half count as one step in each parameter, and so does another kind.
double distance(const Schedule& a, const Schedule& b) {
    if (a.kind != b.kind) return 1;
    double total = 0;
    for (const ScheduleField& field : fields_of(a.kind)) {
        const u32 x = a.*field.value, y = b.*field.value;
        total += x == 0 || y == 0 ? (x == y ? 0 : 1) : std::fabs(std::log2(x) - std::log2(y));
    }
    return total;
}

class Neighbours {
public:
    Neighbours(const GroupLowering& lowering, const Schedule& chosen, std::span<const i64> extents)
        : lowering_(lowering), chosen_(chosen), extents_(extents) {}

    std::vector<Schedule> run() {
        switch (chosen_.kind) {
        case ScheduleKind::cpu_pointwise: cpu_pointwise(); break;
        case ScheduleKind::cpu_row: cpu_row(); break;
        case ScheduleKind::cpu_column: around({&Schedule::vector, &Schedule::block}, chosen_); break;
        case ScheduleKind::pointwise:
        case ScheduleKind::tile:
        case ScheduleKind::stencil: points(); break;
        case ScheduleKind::row: rows(); break;
        case ScheduleKind::column:
        case ScheduleKind::column_tile: columns(); break;
        }
        std::ranges::stable_sort(found_, {},
                                 [this](const Schedule& schedule) { return distance(schedule, chosen_); });
        return std::move(found_);
    }

private:
    using Member = u32 Schedule::*;

    void add(const Schedule& schedule) {
        if (schedule == chosen_ || std::ranges::find(found_, schedule) != found_.end()) return;
        if (lowering_.refusal(schedule).empty()) found_.push_back(schedule);
    }

    /// The schedule with each of the parameters halved, kept or doubled.
    void around(std::span<const Member> members, const Schedule& schedule) {
        if (members.empty()) return add(schedule);
        for (const u32 scale : {1u, 2u, 4u}) {
            Schedule other = schedule;
            other.*members.front() = schedule.*members.front() * scale / 2;
            if (other.*members.front() == 0) continue;
            around(members.subspan(1), other);
        }
    }
    void around(std::initializer_list<Member> members, const Schedule& schedule) {
        around(std::span(members.begin(), members.size()), schedule);
    }

    /// Whether outputs go past the caches is a condition on sizes: the other way is tried only where they do.
    void without_stream() {
        Schedule cached = chosen_;
        cached.stream = 0;
        add(cached);
    }

    void cpu_pointwise() {
        around({&Schedule::vector, &Schedule::chunk}, chosen_);
        without_stream();
    }

    void cpu_row() {
        around({&Schedule::vector, &Schedule::copies}, chosen_);
        without_stream();
        Schedule loads_again = chosen_;
        loads_again.carry = 0;
        add(loads_again);
    }

    void points() {
        const u32 widest = lowering_.widest_access(), most = lowering_.source().target.max_block;
        const u32 threads = std::min(256u, std::bit_floor(most));
        Schedule plain{
            .kind = ScheduleKind::pointwise, .threads = threads, .steps = 1, .index = chosen_.index};
        for (const u32 vector : {widest, 1u}) {
            plain.vector = vector;
            add(plain);
        }
        if (lowering_.tile() && chosen_.kind != ScheduleKind::tile)
            add({.kind = ScheduleKind::tile,
                 .threads = threads,
                 .places = lowering_.tile()->places,
                 .index = chosen_.index});
        if (lowering_.stencil() && chosen_.kind != ScheduleKind::stencil)
            add({.kind = ScheduleKind::stencil,
                 .threads = threads,
                 .vector = widest,
                 .rows = lowering_.stencil()->rows,
                 .index = chosen_.index});
        if (chosen_.kind == ScheduleKind::tile)
            around({&Schedule::threads, &Schedule::places}, chosen_);
        else if (chosen_.kind == ScheduleKind::stencil)
            around({&Schedule::threads, &Schedule::rows, &Schedule::vector}, chosen_);
        else
            around({&Schedule::threads, &Schedule::vector, &Schedule::steps}, chosen_);
    }

    /// Of the reduced axes.
    i64 length() const {
        i64 length = 1;
        for (std::size_t k = 0; k < extents_.size(); ++k)
            if (lowering_.source().domain.reduced[k]) length *= extents_[k];
        return length;
    }

    i64 kept() const {
        i64 rows = 1;
        for (std::size_t k = 0; k < extents_.size(); ++k)
            if (!lowering_.source().domain.reduced[k]) rows *= extents_[k];
        return rows;
    }
    /// Whether no step of a team that takes so many elements, nor a block of so many rows, ends early.
    u32 exact(i64 taken, u32 steps, u32 rows) const {
        return std::has_single_bit(steps) && length() % taken == 0 && kept() % rows == 0 ? 1 : 0;
    }

    /// A row in registers with no more steps than it has.
    void add_held(u32 threads, u32 team, u32 vector) {
        const i64 pitch = i64{team} * vector, steps = (length() + pitch - 1) / pitch;
        if (steps < 1 || steps > 64) return;
        add({.kind = ScheduleKind::row,
             .threads = threads,
             .team = team,
             .vector = vector,
             .steps = static_cast<u32>(steps),
             .held = 1,
             .exact = exact(steps * pitch, static_cast<u32>(steps), threads / team),
             .index = chosen_.index});
    }

    void rows() {
        const u32 subgroup = lowering_.source().target.subgroup;
        const u32 most = std::min(lowering_.source().target.max_block, 32 * subgroup);
        const std::vector<u32> widths = {chosen_.vector, chosen_.vector * 2, chosen_.vector / 2};
        for (const u32 vector : widths) {
            if (vector == 0) continue;
            for (const u32 team : {chosen_.team, chosen_.team * 2, chosen_.team / 2, chosen_.team * 4})
                for (u32 threads = subgroup; threads <= most; threads *= 2)
                    if (threads == team || team <= subgroup) add_held(threads, team, vector);
            for (u32 block = 2 * subgroup; vector == chosen_.vector && block <= most; block *= 2)
                for (const u32 steps : {1u, 4u}) {
                    if (length() <= i64{block} * vector * steps / 2) continue;
                    add({.kind = ScheduleKind::row,
                         .threads = block,
                         .team = block,
                         .vector = vector,
                         .steps = steps,
                         .exact = exact(i64{block} * vector * steps, steps, 1),
                         .index = chosen_.index});
                }
        }
    }

    void columns() {
        const u32 most = lowering_.source().target.max_block / lowering_.source().target.subgroup;
        if (chosen_.index == 32 || chosen_.kind == ScheduleKind::column_tile)
            for (const u32 vector : {1u, 2u, 4u})
                for (u32 parts = 4; parts <= std::min(most, 32u); parts *= 2)
                    add({.kind = ScheduleKind::column_tile, .vector = vector, .parts = parts});
        Schedule column = chosen_;
        if (chosen_.kind == ScheduleKind::column_tile)
            column = {.kind = ScheduleKind::column, .threads = 64, .vector = chosen_.vector, .index = 32};
        around({&Schedule::threads, &Schedule::vector}, column);
    }

    const GroupLowering& lowering_;
    const Schedule& chosen_;
    std::span<const i64> extents_;
    std::vector<Schedule> found_;
};

} // namespace

std::vector<Schedule> neighbours(const GroupLowering& lowering, const Schedule& chosen,
                                 std::span<const i64> extents) {
    return Neighbours(lowering, chosen, extents).run();
}

} // namespace heddle::passes
