#include "bench/session.h"

#include <heddle/error.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <sstream>

namespace heddle::bench {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

std::vector<double> to_doubles(const Array& array) { return cast(array, Dtype::f64).to_vector<double>(); }

void wait_for(const Arrays& arrays) {
    for (const Array& array : arrays) array.wait();
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

std::string device_of(const SessionOptions& options) {
    if (!options.device.empty()) Context::current().set_default_device(options.device);
    return Context::current().default_device();
}

std::int64_t size_for(const Workload& workload, const SessionOptions& options) {
    return options.size != 0 ? options.size : workload.size;
}

} // namespace

const Workload& array_workload(const std::string& name) {
    std::string names;
    for (const Workload& workload : workloads()) {
        if (workload.name == name) return workload;
        names += (names.empty() ? "" : ", ") + workload.name;
    }
    throw UsageError("unknown workload '" + name + "'; there are: " + names);
}

Session::Session(const Workload& workload, const SessionOptions& options)
    : problem_(workload.make(size_for(workload, options), device_of(options))),
      function_(compile<Arrays(Arrays)>(workload.name, problem_.function,
                                        {.device = Context::current().default_device(),
                                         .schedule = options.schedule,
                                         .tune = options.tune})),
      inputs_{problem_.inputs} {
    wait_for(problem_.inputs);
    figures_.name = workload.name;
    figures_.device = Context::current().default_device();
    figures_.size = size_for(workload, options);
    figures_.bytes = problem_.bytes;
    figures_.flops = problem_.flops;
    first_call(options);
    if (!options.references) problem_.references.clear();
    make_more_inputs(workload, options.input_sets);
}

void Session::first_call(const SessionOptions& options) {
    const std::uint64_t loading = Context::current().statistics().load_nanoseconds;
    const Clock::time_point start = Clock::now();
    const Arrays results = function_(problem_.inputs);
    wait_for(results);
    figures_.first_call_ms = milliseconds_since(start);
    figures_.pipeline_ms =
        1e-6 * static_cast<double>(Context::current().statistics().load_nanoseconds - loading);
    count_kernels(function_, problem_.inputs, figures_);
    if (problem_.check) check(results);
    if (options.look) options.look(problem_.inputs, results);
}

void Session::check(const Arrays& results) {
    Doubles inputs, outputs;
    for (const Array& input : problem_.inputs) inputs.push_back(to_doubles(input));
    for (const Array& output : results) outputs.push_back(to_doubles(output));
    figures_.error = problem_.check(inputs, outputs);
    figures_.checked = true;
    figures_.wrong = !(figures_.error <= 1);
}

/// Inputs that together are larger than any cache, so that calls in a row find none of theirs there.
void Session::make_more_inputs(const Workload& workload, int at_most) {
    constexpr double larger_than_caches = 256 << 20;
    while (input_sets() < at_most && input_sets() * problem_.bytes < larger_than_caches) {
        inputs_.push_back(workload.make(figures_.size, figures_.device).inputs);
        wait_for(inputs_.back());
    }
}

/// A device runs what one thread gives it in order, so the last results are the end of all.
double Session::run(int calls) {
    const Clock::time_point start = Clock::now();
    Arrays last;
    for (int k = 0; k < calls; ++k) last = function_(inputs_[static_cast<std::size_t>(k) % inputs_.size()]);
    wait_for(last);
    return milliseconds_since(start) / calls;
}

} // namespace heddle::bench
