#pragma once
// How a kernel is laid out over a machine, as named whole numbers: what `lower/` chooses for a group, what a user may force, and what the
// tuner tries. The text form is `row(threads=256, team=32, vector=4, steps=4, held=1, exact=0, shared=0, parts=0, index=32)`: the kind, then each of its
// parameters. docs/tuning.md says what they mean.

#include "support/integers.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace heddle::passes {

enum class ScheduleKind : u8 {
    cpu_pointwise,
    cpu_row,
    cpu_column,
    pointwise,
    tile,
    stencil,
    row,
    column,
    column_tile,
};

/// A kind has some of the parameters; the others are 0.
struct Schedule {
    ScheduleKind kind = ScheduleKind::pointwise;
    u32 threads = 0; ///< invocations of a block
    u32 team = 0;    ///< of them for a row
    u32 vector = 0;  ///< elements of an access; on a CPU of a vector
    u32 steps = 0;   ///< vectors that an invocation takes; of a row: that it holds, or takes in an iteration
    u32 held = 0;    ///< 1: the row stays in registers
    u32 exact = 0;   ///< 1: rows are whole steps of a team, so that none asks whether it lies inside
    u32 shared = 0;  ///< of the vectors that are held, those in shared memory
    u32 rows = 0;    ///< that an invocation takes together
    u32 places = 0;  ///< of a tile, along both axes
    u32 parts = 0; ///< subgroups that share a column; blocks that may share a row, 0: a row is within a block
    u32 chunk = 0; ///< elements of the innermost axis for a grid index
    u32 copies = 0; ///< independent accumulators
    u32 block = 0;  ///< vectors of columns in registers
    u32 carry = 0;  ///< 1: what later phases read stays in scratch memory
    u32 stream = 0; ///< 1: outputs are written past the caches
    u32 index = 0;  ///< bits of an index
    bool operator==(const Schedule&) const = default;
};

/// A parameter by its name in the text form.
struct ScheduleField {
    std::string_view name;
    u32 Schedule::* value;
};
/// Those of a kind, in the order of the text form.
std::span<const ScheduleField> fields_of(ScheduleKind kind);
std::string_view name_of(ScheduleKind kind);

std::string text(const Schedule& schedule);
/// Throws UsageError, which says what was expected, for an unknown kind or parameter, one that is missing or given twice, and what is no number.
Schedule parse_schedule(std::string_view text);

/// A schedule that replaces the compiler's choice.
struct ForcedSchedule {
    std::string kernel; ///< `name.number` of the one kernel that it is for; empty: each that can have it
    Schedule schedule;
};
/// `[KERNEL=]SCHEDULE`, several with `;` between them.
std::vector<ForcedSchedule> parse_forced(std::string_view text);

/// True if kernels of the two give equal bits: neither changes the order in which values are joined.
bool same_order(const Schedule& a, const Schedule& b);

} // namespace heddle::passes
