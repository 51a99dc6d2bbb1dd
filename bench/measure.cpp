#include "bench/measure.h"

#include <heddle/error.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <sstream>
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

std::vector<double> to_doubles(const Array& array) { return cast(array, Dtype::f64).to_vector<double>(); }

void wait_for(const Arrays& arrays) {
    for (const Array& array : arrays) array.wait();
}

void set_times(Figures& figures, const std::vector<double>& times) {
    figures.median_ms = median(times);
    figures.min_ms = *std::ranges::min_element(times);
    figures.max_ms = *std::ranges::max_element(times);
    figures.runs = static_cast<int>(times.size());
}

/// Reads the report: "N ops in M kernels", then a line a kernel that says how many bytes it loads. The interpreter has no kernels.
void count_kernels(const Compiled<Arrays(Arrays)>& function, const Arrays& inputs, Figures& figures) {
    if (figures.device == "interp") return;
    std::stringstream report;
    function.dump(report, Stage::report, inputs);
    int operations = 0;
    std::string line, word;
    report >> operations >> word >> word >> figures.kernels;
    for (std::getline(report, line); std::getline(report, line);)
        if (const std::size_t at = line.find("loads "); line.starts_with("kernel ") && at != line.npos)
            figures.loaded_bytes += std::strtod(line.c_str() + at + 6, nullptr);
}

/// Inputs that together are larger than any cache, so that calls in a row find none of theirs there.
std::vector<Arrays> rotated(const Workload& workload, const Problem& problem, std::int64_t size,
                            const std::string& device, int calls) {
    constexpr double larger_than_caches = 256 << 20;
    std::vector<Arrays> sets{problem.inputs};
    while (static_cast<int>(sets.size()) < calls &&
           static_cast<double>(sets.size()) * problem.bytes < larger_than_caches) {
        sets.push_back(workload.make(size, device).inputs);
        wait_for(sets.back());
    }
    return sets;
}

/// A device runs what one thread gives it in order, so the last results are the end of all.
void call_in_a_row(const Compiled<Arrays(Arrays)>& function, const std::vector<Arrays>& inputs, int calls) {
    Arrays last;
    for (int k = 0; k < calls; ++k) last = function(inputs[static_cast<std::size_t>(k) % inputs.size()]);
    wait_for(last);
}

std::vector<Figures> measure_arrays(const Workload& workload, const std::string& device,
                                    const MeasureOptions& options) {
    const std::int64_t size = options.size != 0 ? options.size : workload.size;
    const Problem problem = workload.make(size, device);
    wait_for(problem.inputs);
    const auto function = compile<Arrays(Arrays)>(workload.name, problem.function, {.device = device});
    Figures figures;
    figures.name = workload.name;
    figures.device = device;
    figures.bytes = problem.bytes;
    figures.flops = problem.flops;
    Arrays results;
    figures.first_call_ms = milliseconds([&] { wait_for(results = function(problem.inputs)); });
    count_kernels(function, problem.inputs, figures);
    if (problem.check) {
        Doubles inputs, outputs;
        for (const Array& input : problem.inputs) inputs.push_back(to_doubles(input));
        for (const Array& output : results) outputs.push_back(to_doubles(output));
        figures.error = problem.check(inputs, outputs);
        figures.checked = true;
        figures.wrong = !(figures.error <= 1);
    }
    results.clear();
    const int threads = thread_count();
    const std::vector<Arrays> inputs = rotated(workload, problem, size, device, options.calls);
    std::vector<double> times;
    std::vector<std::vector<double>> others(problem.references.size());
    for (int run = -2; run < options.runs; ++run) { // two to warm up
        const double time = milliseconds([&] { call_in_a_row(function, inputs, options.calls); });
        if (run >= 0) times.push_back(time / options.calls);
        for (std::size_t k = 0; k < others.size(); ++k) {
            const double other = milliseconds([&] { problem.references[k].run(threads); });
            if (run >= 0) others[k].push_back(other);
        }
    }
    set_times(figures, times);
    figures.compile_ms = std::max(0.0, figures.first_call_ms - figures.median_ms);
    if (others.empty()) return {figures};
    std::vector<Figures> all;
    for (std::size_t k = 0; k < others.size(); ++k) {
        figures.reference = problem.references[k].name;
        figures.reference_ms = median(others[k]);
        all.push_back(figures);
    }
    return all;
}

} // namespace

std::vector<Figures> measure(const std::string& name, const MeasureOptions& options) {
    if (!options.device.empty()) Context::current().set_default_device(options.device);
    const std::string device = Context::current().default_device();
    for (const Workload& workload : workloads())
        if (workload.name == name) return measure_arrays(workload, device, options);
    for (const CallWorkload& workload : call_workloads()) {
        if (workload.name != name) continue;
        Figures figures;
        figures.name = name;
        figures.device = device;
        set_times(figures, workload.run(device));
        return {figures};
    }
    std::string names;
    for (const Workload& workload : workloads()) names += (names.empty() ? "" : ", ") + workload.name;
    for (const CallWorkload& workload : call_workloads()) names += ", " + workload.name;
    throw UsageError("unknown workload '" + name + "'; there are: " + names);
}

} // namespace heddle::bench
