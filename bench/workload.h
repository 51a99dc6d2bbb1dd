#pragma once
// Named workloads: what is computed, on which inputs, what it moves, how it is checked, and what plain code it is timed against. The
// list is `workloads()`; measuring is bench/measure.h, printing is the tool's.

#include <heddle/heddle.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace heddle::bench {

using Arrays = std::vector<Array>;

/// Host copies of inputs and results as doubles, for checks.
using Doubles = std::vector<std::vector<double>>;

/// Plain code over the same inputs that is timed beside the workload. It runs on `threads` threads.
struct Reference {
    std::string name; ///< loop, memcpy, read
    std::function<void(int threads)> run;
};

struct Problem {
    Arrays inputs;
    std::function<Arrays(Arrays)> function;
    double bytes = 0; ///< each input read and each output written once
    double flops = 0;
    /// Largest error relative to what is allowed, over sampled elements: at most 1 when the results are right.
    std::function<double(const Doubles& inputs, const Doubles& outputs)> check;
    std::vector<Reference> references;
    /// Traced only, never run: the time of the compiler without code generation.
    bool trace_only = false;
};

struct Workload {
    std::string name;
    std::string what;
    std::int64_t size; ///< default of --n
    std::function<Problem(std::int64_t n, const std::string& device)> make;
};

/// Array workloads, in the order of `heddle bench --list`.
const std::vector<Workload>& workloads();

/// Workloads that time calls and compilation rather than arrays; each runs itself and gives milliseconds a run.
struct CallWorkload {
    std::string name;
    std::string what;
    /// Times of the single runs, after what has to come first.
    std::function<std::vector<double>(const std::string& device)> run;
};
const std::vector<CallWorkload>& call_workloads();

} // namespace heddle::bench
