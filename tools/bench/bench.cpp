// heddle bench: times named workloads, checks their results, and prints a table or one JSON object a line; compares two such outputs.

#include "bench/measure.h"
#include "tools/bench/compare.h"
#include "tools/bench/progress.h"
#include "tools/bench/serve.h"
#include "tools/commands.h"

#include <heddle/error.h>
#include <heddle/heddle.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <iostream>
#include <memory>
#include <new>
#include <stdexcept>

namespace heddle::tools {
namespace {

struct Options {
    std::vector<std::string> names;
    std::string device;
    std::int64_t size = 0;
    int runs = 11;
    int calls = 1;
    std::string schedule;
    bool json = false;
    bool list = false;
    bool serve = false;
    bool progress = false;
    std::vector<std::string> compare;
};

void print_json(const bench::Figures& figures) {
    nlohmann::ordered_json line;
    line["name"] = figures.name;
    line["n"] = figures.size;
    line["device"] = figures.device;
    line["median_ms"] = figures.median_ms;
    line["min_ms"] = figures.min_ms;
    line["max_ms"] = figures.max_ms;
    line["runs"] = figures.runs;
    line["bytes"] = figures.bytes;
    line["flops"] = figures.flops;
    line["kernels"] = figures.kernels;
    line["first_call_ms"] = figures.first_call_ms;
    line["pipeline_ms"] = figures.pipeline_ms;
    line["compile_ms"] = figures.compile_ms;
    line["checked"] = figures.checked;
    line["loaded_bytes"] = figures.loaded_bytes;
    if (!figures.reference.empty()) {
        line["reference"] = figures.reference;
        line["reference_ms"] = figures.reference_ms;
        line["ratio"] = figures.median_ms / figures.reference_ms;
    }
    fmt::print("{}\n", line.dump());
}

void print_row(const bench::Figures& figures) {
    fmt::print("{:<24} {:>10.4f} ms {:>8.2f} GB/s {:>3} kernels  first {:>8.2f} ms  {}", figures.name,
               figures.median_ms, figures.bytes / figures.median_ms * 1e-6, figures.kernels,
               figures.first_call_ms, figures.checked ? "checked" : "not checked");
    if (!figures.reference.empty())
        fmt::print("  {:.3f} of {} ({:.4f} ms)", figures.median_ms / figures.reference_ms, figures.reference,
                   figures.reference_ms);
    fmt::print("\n");
}

void list_workloads() {
    for (const bench::Workload& workload : bench::workloads())
        fmt::print("{:<24} {} (n = {})\n", workload.name, workload.what, workload.size);
    for (const bench::CallWorkload& workload : bench::call_workloads())
        fmt::print("{:<24} {}\n", workload.name, workload.what);
}

/// Sizes that no memory holds are bad input, however the failure shows.
std::vector<bench::Figures> measured(const std::string& name, const Options& options,
                                     const std::function<void(std::string_view)>& progress) {
    const auto refused = [&](std::string_view why) {
        return UsageError(fmt::format("bench {}{}: {}", name,
                                      options.size == 0 ? "" : fmt::format(" --n {}", options.size), why));
    };
    constexpr std::string_view too_large = "the sizes need more memory than there is";
    try {
        return bench::measure(
            name, {options.device, options.size, options.runs, options.schedule, options.calls, progress});
    } catch (const std::bad_alloc&) {
        throw refused(too_large);
    } catch (const std::length_error&) {
        throw refused(too_large);
    } catch (const OutOfMemory&) {
        throw refused(too_large);
    } catch (const ShapeError& error) {
        throw refused(error.what());
    }
}

int measure_all(const Options& options) {
    int status = 0;
    Progress progress(options.progress);
    for (std::size_t k = 0; k < options.names.size(); ++k) {
        const std::string& name = options.names[k];
        const auto show = [&](std::string_view step) {
            progress.show(fmt::format("{} of {}: {}: {}", k + 1, options.names.size(), name, step));
        };
        const std::vector<bench::Figures> all = measured(name, options, show);
        progress.clear();
        for (const bench::Figures& figures : all) {
            if (options.json)
                print_json(figures);
            else
                print_row(figures);
            if (figures.wrong) {
                fmt::print(stderr,
                           "heddle: bench {}: the results are wrong: {:.3g} times the allowed error\n",
                           figures.name, figures.error);
                status = 1;
            }
        }
        std::fflush(stdout);
    }
    return status;
}

int run(const Options& options) {
    if (!options.compare.empty()) return compare_benches(options.compare[0], options.compare[1]);
    if (options.serve) {
        serve_bench(options.device, std::cin);
        return 0;
    }
    if (options.list) {
        list_workloads();
        return 0;
    }
    if (options.names.empty()) throw UsageError("bench: NAME is missing; --list shows them");
    return measure_all(options);
}

} // namespace

void add_bench(CLI::App& app, int& exit_code) {
    CLI::App* command =
        app.add_subcommand("bench", "Times named workloads beside plain code, and checks their results");
    auto options = std::make_shared<Options>();
    CLI::Option* names = command->add_option("NAME", options->names, "workloads");
    command->add_option("--device", options->device, "cpu, vulkan, interp; default: HEDDLE_DEVICE, else cpu");
    command->add_option("--n", options->size, "size, in place of the workload's own")->check(at_least(1));
    command->add_option("--runs", options->runs, "timed runs")->check(at_least(1));
    command
        ->add_option("--calls", options->calls,
                     "calls in a row with one wait, over inputs that no cache holds")
        ->check(at_least(1));
    command->add_option(
        "--schedule", options->schedule,
        "[KERNEL=]SCHEDULE, in place of the compiler's choice; several with ';' (docs/tuning.md)");
    command->add_flag("--json", options->json, "one JSON object a line");
    command->add_flag("--list", options->list, "list the workloads");
    command->add_flag("--progress", options->progress,
                      "what is being done, on stderr, also where that is no terminal");
    command
        ->add_option(
            "--compare", options->compare,
            "two files of --json lines: what moved beyond the noise of the runs, from the first to the "
            "second. Exit code 1 if something became slower, 2 for bad files, else 0")
        ->type_name("BEFORE AFTER")
        ->expected(2)
        ->excludes(names);
    command
        ->add_flag(
            "--serve", options->serve,
            "lines 'open NAME [N [FOLDER]]' and 'run CALLS' on stdin, a JSON object for each on stdout: for "
            "timing in turns with other programs")
        ->excludes(names);
    command->callback([options, &exit_code] { exit_code = run(*options); });
}

} // namespace heddle::tools
