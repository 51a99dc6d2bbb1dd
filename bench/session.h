#pragma once
// A workload that is open: its inputs are on the device, its first call is done, counted and checked, and `run` times more calls. What
// stands beside it in time (plain code, another library in another process) takes its turns between two runs.

#include "bench/workload.h"

#include <functional>
#include <optional>

namespace heddle::bench {

struct Figures {
    std::string name, device;
    std::int64_t size = 0; ///< of --n; 0 for workloads that have none
    double median_ms = 0, min_ms = 0, max_ms = 0;
    int runs = 0;
    double bytes = 0, flops = 0;
    int kernels = 0;
    double loaded_bytes = 0; ///< what the kernels load, counted in their IR
    double first_call_ms = 0, compile_ms = 0;
    double pipeline_ms = 0; ///< of the first call: the driver's making of pipelines; on the CPU linking
    bool checked = false;
    bool wrong = false;
    double error = 0; ///< largest error over what is allowed
    std::string reference;
    double reference_ms = 0;
};

struct SessionOptions {
    std::string device;     ///< empty: the context's default
    std::int64_t size = 0;  ///< 0: the workload's own
    int input_sets = 1;     ///< at most; as many are made as no cache holds together
    bool references = true; ///< false: nothing of them is kept
    std::string schedule{}; ///< as CompileOptions::schedule
    std::optional<bool> tune{};
    /// Sees the inputs and the results of the first call.
    std::function<void(const Arrays& inputs, const Arrays& results)> look;
};

/// Throws UsageError for a name that is no array workload.
const Workload& array_workload(const std::string& name);

class Session {
public:
    Session(const Workload& workload, const SessionOptions& options);
    Session(Session&&) = default;

    /// Name, device, sizes, first call and check; no times of runs.
    const Figures& figures() const { return figures_; }
    int input_sets() const { return static_cast<int>(inputs_.size()); }
    const std::vector<Reference>& references() const { return problem_.references; }
    /// Makes `calls` calls in a row, each with the next inputs, and waits once; milliseconds a call.
    double run(int calls);

private:
    void first_call(const SessionOptions& options);
    void check(const Arrays& results);
    void make_more_inputs(const Workload& workload, int at_most);

    Problem problem_;
    Compiled<Arrays(Arrays)> function_;
    std::vector<Arrays> inputs_;
    Figures figures_;
};

} // namespace heddle::bench
