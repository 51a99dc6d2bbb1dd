#pragma once
// How a workload is timed: first call, then `runs` runs, each interleaved with its references so that both see the same machine;
// medians count. Results are checked against double precision before anything is reported.

#include "bench/session.h"

#include <string_view>

namespace heddle::bench {

struct MeasureOptions {
    std::string device;    ///< empty: the context's default
    std::int64_t size = 0; ///< 0: the workload's own
    int runs = 11;
    std::string schedule{}; ///< as CompileOptions::schedule
    int calls = 1;          ///< in a row, with one wait at the end: a run's time is one call's share of it
    /// Told what comes next ("first call", "run 3 of 11").
    std::function<void(std::string_view step)> progress = [](std::string_view) {};
};

/// One entry a reference (one without, if it has none). Throws UsageError for an unknown name.
std::vector<Figures> measure(const std::string& name, const MeasureOptions& options);

} // namespace heddle::bench
