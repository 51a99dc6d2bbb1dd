#pragma once
// What the tuner decides by, apart from devices: how the fastest of several schedules is told from noise, when two results agree, and the
// record of a decision, which is kept on disk as text. docs/tuning.md gives the rules in words.

#include "passes/schedule.h"

#include <heddle/dtype.h>

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace heddle::detail {

/// One schedule that was looked at.
struct TuningTrial {
    passes::Schedule schedule;
    double seconds = -1; ///< median of its runs; negative: it was not timed
    std::string note;    ///< why not, or why it was not taken; empty: nothing to say
    bool operator==(const TuningTrial&) const = default;
};

/// What was found out about one kernel with sizes of one bucket.
struct TuningRecord {
    std::string kernel;        ///< its name where it was tuned
    std::string device;        ///< and its driver
    std::string sizes;         ///< extents of its domain there: "64 x 1000"
    passes::Schedule standard; ///< the compiler's choice
    passes::Schedule chosen;   ///< equal to it where nothing was clearly faster
    std::string reason;        ///< of the choice, in a few words
    std::vector<TuningTrial> trials;

    bool is_tuned() const { return chosen != standard; }
    bool operator==(const TuningRecord&) const = default;
};
std::string text(const TuningRecord& record);
/// Nothing if the text is no record.
std::optional<TuningRecord> parse_record(std::string_view text);

struct TuningLimits {
    double seconds = 0.5;     ///< for one kernel
    int rounds = 7;           ///< in which each candidate runs once
    int pairs = 9;            ///< runs of the best one beside the standard one's, to decide
    double least_gain = 0.03; ///< of the standard one's time
};

/// Candidate 0 is the standard one.
struct TuningChoice {
    std::size_t index = 0;
    std::string reason;
    std::vector<double> medians{}; ///< by candidate; negative: it never ran
    bool out_of_time = false;      ///< with more, there might have been another
};
/// Times candidates in turn, drops those that are far behind, and lets the best one run beside the standard one in fresh pairs of runs.
/// It is chosen only if it wins all but a fifth of at least five pairs, and by `least_gain` in the median. `seconds` runs a
/// candidate once and gives its time; `now` is a clock, by which the limit is kept.
TuningChoice choose_candidate(std::size_t count, const std::function<double(std::size_t)>& seconds,
                              const std::function<double()>& now, const TuningLimits& limits);

/// Compares two results of one kernel: bit for bit, or, where the order of a reduction differs, within 2^-13 (f32), 2^-40 (f64), 2^-8
/// (f16), 2^-5 (bf16) of the larger of the two values and the root mean square of all. NaN agrees with NaN. Gives the first element that
/// differs.
std::optional<std::size_t> first_difference(Dtype dtype, std::span<const std::byte> a,
                                            std::span<const std::byte> b, bool exact);

/// Sizes whose largest power of two is the same count as one: 0, 1, 2-3, 4-7, ...
std::vector<u32> size_bucket(std::span<const i64> sizes);

} // namespace heddle::detail
