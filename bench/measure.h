#pragma once
// How a workload is timed: first call, then `runs` calls, each interleaved with its references so that both see the same machine;
// medians count. Results are checked against double precision before anything is reported.

#include "bench/workload.h"

namespace heddle::bench {

struct Figures {
    std::string name, device;
    double median_ms = 0, min_ms = 0, max_ms = 0;
    int runs = 0;
    double bytes = 0, flops = 0;
    int kernels = 0;
    double loaded_bytes = 0; ///< what the kernels load, counted in their IR
    double first_call_ms = 0, compile_ms = 0;
    bool checked = false;
    bool wrong = false;
    double error = 0; ///< largest error over what is allowed
    std::string reference;
    double reference_ms = 0;
};

struct MeasureOptions {
    std::string device;    ///< empty: the context's default
    std::int64_t size = 0; ///< 0: the workload's own
    int runs = 11;
    int calls = 1; ///< in a row, with one wait at the end: a run's time is one call's share of it
};

/// One entry a reference (one without, if it has none). Throws UsageError for an unknown name.
std::vector<Figures> measure(const std::string& name, const MeasureOptions& options);

} // namespace heddle::bench
