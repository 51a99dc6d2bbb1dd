#include "passes/schedule.h"

#include <heddle/error.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ranges>

namespace heddle::passes {

namespace {

constexpr ScheduleField threads{"threads", &Schedule::threads}, team{"team", &Schedule::team},
    vector{"vector", &Schedule::vector}, steps{"steps", &Schedule::steps}, held{"held", &Schedule::held},
    exact{"exact", &Schedule::exact}, shared{"shared", &Schedule::shared}, rows{"rows", &Schedule::rows},
    places{"places", &Schedule::places}, parts{"parts", &Schedule::parts}, chunk{"chunk", &Schedule::chunk},
    copies{"copies", &Schedule::copies}, block{"block", &Schedule::block}, carry{"carry", &Schedule::carry},
    stream{"stream", &Schedule::stream}, index{"index", &Schedule::index};

constexpr ScheduleField of_cpu_pointwise[] = {vector, chunk, stream};
constexpr ScheduleField of_cpu_row[] = {vector, copies, carry, stream};
constexpr ScheduleField of_cpu_column[] = {vector, block};
constexpr ScheduleField of_pointwise[] = {threads, vector, steps, index};
constexpr ScheduleField of_tile[] = {threads, places, index};
constexpr ScheduleField of_stencil[] = {threads, rows, vector, index};
constexpr ScheduleField of_row[] = {threads, team, vector, steps, held, exact, shared, parts, index};
constexpr ScheduleField of_column[] = {threads, vector, index};
constexpr ScheduleField of_column_tile[] = {parts, vector};

struct KindRow {
    std::string_view name;
    std::span<const ScheduleField> fields;
};

/// In the order of the enumerators.
constexpr std::array<KindRow, 9> kinds{{
    {"cpu_pointwise", of_cpu_pointwise},
    {"cpu_row", of_cpu_row},
    {"cpu_column", of_cpu_column},
    {"pointwise", of_pointwise},
    {"tile", of_tile},
    {"stencil", of_stencil},
    {"row", of_row},
    {"column", of_column},
    {"column_tile", of_column_tile},
}};

std::string_view trimmed(std::string_view text) {
    const std::size_t begin = text.find_first_not_of(" \t\n");
    if (begin == text.npos) return {};
    return text.substr(begin, text.find_last_not_of(" \t\n") + 1 - begin);
}

/// Up to the next `separator`; `rest` begins behind it.
std::string_view next_part(std::string_view& rest, char separator) {
    const std::size_t end = std::min(rest.find(separator), rest.size());
    const std::string_view part = rest.substr(0, end);
    rest = rest.substr(std::min(end + 1, rest.size()));
    return trimmed(part);
}

[[noreturn]] void refuse(std::string_view text, const std::string& why) {
    throw UsageError(fmt::format("schedule '{}': {}", text, why));
}

ScheduleKind kind_named(std::string_view name, std::string_view text) {
    std::string names;
    for (std::size_t k = 0; k < kinds.size(); ++k) {
        if (kinds[k].name == name) return static_cast<ScheduleKind>(k);
        names += (names.empty() ? "" : ", ") + std::string(kinds[k].name);
    }
    refuse(text, fmt::format("unknown kind '{}'; there are: {}", name, names));
}

u32 number_of(std::string_view word, std::string_view text) {
    u32 value = 0;
    const auto read = std::from_chars(word.data(), word.data() + word.size(), value);
    if (read.ec != std::errc{} || read.ptr != word.data() + word.size())
        refuse(text, fmt::format("'{}' is no whole number", word));
    return value;
}

} // namespace

std::span<const ScheduleField> fields_of(ScheduleKind kind) {
    return kinds[static_cast<std::size_t>(kind)].fields;
}

std::string_view name_of(ScheduleKind kind) { return kinds[static_cast<std::size_t>(kind)].name; }

std::string text(const Schedule& schedule) {
    std::string parameters;
    for (const ScheduleField& field : fields_of(schedule.kind))
        parameters +=
            fmt::format("{}{}={}", parameters.empty() ? "" : ", ", field.name, schedule.*field.value);
    return fmt::format("{}({})", name_of(schedule.kind), parameters);
}

Schedule parse_schedule(std::string_view text) {
    const std::string_view whole = trimmed(text);
    const std::size_t open = whole.find('(');
    if (open == whole.npos || !whole.ends_with(')')) refuse(whole, "expected KIND(NAME=NUMBER, ...)");
    Schedule schedule{.kind = kind_named(trimmed(whole.substr(0, open)), whole)};
    const std::span<const ScheduleField> fields = fields_of(schedule.kind);
    std::vector<bool> given(fields.size());
    std::string_view rest = whole.substr(open + 1, whole.size() - open - 2);
    while (!trimmed(rest).empty()) {
        std::string_view value = next_part(rest, ',');
        const std::string_view name = next_part(value, '=');
        const auto field = std::ranges::find(fields, name, &ScheduleField::name);
        if (field == fields.end())
            refuse(whole, fmt::format("unknown parameter '{}'; there are: {}", name,
                                      fmt::join(fields | std::views::transform(&ScheduleField::name), ", ")));
        const auto k = static_cast<std::size_t>(field - fields.begin());
        if (given[k]) refuse(whole, fmt::format("{} is given twice", name));
        given[k] = true;
        schedule.*field->value = number_of(trimmed(value), whole);
    }
    for (std::size_t k = 0; k < fields.size(); ++k)
        if (!given[k]) refuse(whole, fmt::format("{} is missing", fields[k].name));
    return schedule;
}

std::vector<ForcedSchedule> parse_forced(std::string_view text) {
    std::vector<ForcedSchedule> forced;
    for (std::string_view rest = text; !trimmed(rest).empty();) {
        std::string_view part = next_part(rest, ';');
        ForcedSchedule one;
        if (const std::size_t equals = part.find('='); equals < part.find('(')) {
            std::string_view name = trimmed(part.substr(0, equals));
            if (name.starts_with('@')) name.remove_prefix(1);
            if (name.empty()) refuse(part, "a kernel's name is missing before '='");
            one.kernel = name;
            part.remove_prefix(equals + 1);
        }
        one.schedule = parse_schedule(part);
        forced.push_back(std::move(one));
    }
    return forced;
}

bool same_order(const Schedule& a, const Schedule& b) {
    const auto joins = [](ScheduleKind kind) {
        return kind == ScheduleKind::cpu_row || kind == ScheduleKind::cpu_column ||
               kind == ScheduleKind::row || kind == ScheduleKind::column || kind == ScheduleKind::column_tile;
    };
    if (!joins(a.kind) && !joins(b.kind)) return true;
    if (a.kind != b.kind) return false;
    switch (a.kind) {
    // Whole columns, row after row, however many columns stand side by side.
    case ScheduleKind::column:
    case ScheduleKind::cpu_column: return true;
    case ScheduleKind::column_tile: return a.parts == b.parts;
    case ScheduleKind::cpu_row: return a.vector == b.vector && a.copies == b.copies;
    // Invocation t of a team takes vectors t, t + team, ...; then the lanes and the team are joined. What is held is held in its own
    // dtype, hence rounded to it, where a loop computes it again. A loop may bring sums under a new maximum once an iteration.
    case ScheduleKind::row:
        return a.team == b.team && a.vector == b.vector && a.held == b.held &&
               (a.held == 1 || a.steps == b.steps) && (a.team < a.threads) == (b.team < b.threads) &&
               a.parts == 0 && b.parts == 0;
    case ScheduleKind::cpu_pointwise:
    case ScheduleKind::pointwise:
    case ScheduleKind::tile:
    case ScheduleKind::stencil: break;
    }
    return true;
}

} // namespace heddle::passes
