#include "bench/measure.h"

#include <heddle/error.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>

namespace heddle::bench {
namespace {

using Clock = std::chrono::steady_clock;

template <class Work> double milliseconds(const Work& work) {
    const Clock::time_point start = Clock::now();
    work();
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double median(std::vector<double> times) {
    std::ranges::sort(times);
    return times[times.size() / 2];
}

int thread_count() {
    if (const char* wanted = std::getenv("HEDDLE_CPU_THREADS")) return std::max(1, std::atoi(wanted));
    return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

void set_times(Figures& figures, const std::vector<double>& times) {
    figures.median_ms = median(times);
    figures.min_ms = *std::ranges::min_element(times);
    figures.max_ms = *std::ranges::max_element(times);
    figures.runs = static_cast<int>(times.size());
}

std::vector<Figures> measure_arrays(const Workload& workload, const MeasureOptions& options) {
    options.progress("inputs, first call, check");
    Session session(workload, {.device = options.device,
                               .size = options.size,
                               .input_sets = options.calls,
                               .schedule = options.schedule});
    const std::vector<Reference>& references = session.references();
    const int threads = thread_count();
    const bool references_pause_device =
        session.figures().device.starts_with("vulkan") && !references.empty();
    std::vector<double> times;
    std::vector<std::vector<double>> others(references.size());
    for (int run = -2; run < options.runs; ++run) { // two to warm up
        options.progress(run < 0 ? "warm-up"
                                 : "run " + std::to_string(run + 1) + " of " + std::to_string(options.runs));
        // While references run a device without work of its own lowers its clocks.
        if (references_pause_device) session.run(options.calls);
        const double time = session.run(options.calls);
        if (run >= 0) times.push_back(time);
        for (std::size_t k = 0; k < others.size(); ++k) {
            const double other = milliseconds([&] { references[k].run(threads); });
            if (run >= 0) others[k].push_back(other);
        }
    }
    Figures figures = session.figures();
    set_times(figures, times);
    figures.compile_ms = std::max(0.0, figures.first_call_ms - figures.median_ms);
    if (others.empty()) return {figures};
    std::vector<Figures> all;
    for (std::size_t k = 0; k < others.size(); ++k) {
        figures.reference = references[k].name;
        figures.reference_ms = median(others[k]);
        all.push_back(figures);
    }
    return all;
}

Figures measure_calls(const CallWorkload& workload, const MeasureOptions& options) {
    if (!options.schedule.empty()) throw UsageError(workload.name + " times calls: it takes no schedule");
    if (!options.device.empty()) Context::current().set_default_device(options.device);
    options.progress("all runs");
    Figures figures;
    figures.name = workload.name;
    figures.device = Context::current().default_device();
    set_times(figures, workload.run(figures.device));
    return figures;
}

} // namespace

std::vector<Figures> measure(const std::string& name, const MeasureOptions& options) {
    for (const Workload& workload : workloads())
        if (workload.name == name) return measure_arrays(workload, options);
    for (const CallWorkload& workload : call_workloads())
        if (workload.name == name) return {measure_calls(workload, options)};
    std::string names;
    for (const Workload& workload : workloads()) names += (names.empty() ? "" : ", ") + workload.name;
    for (const CallWorkload& workload : call_workloads()) names += ", " + workload.name;
    throw UsageError("unknown workload '" + name + "'; there are: " + names);
}

} // namespace heddle::bench
