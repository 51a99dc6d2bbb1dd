// heddle tune: times the schedules that the kernels of a .hir file or of a workload could have on a device, keeps what is clearly faster for
// programs that tune, and prints what was found.

#include "bench/session.h"
#include "frontend/context_state.h"
#include "frontend/function_runner.h"
#include "frontend/tuner.h"
#include "ir/parser.h"
#include "tools/commands.h"
#include "tools/run/cases.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <memory>

namespace heddle::tools {
namespace {

struct Options {
    std::string what;
    std::string device;
    double budget = 0.5;
    std::int64_t size = 0;
    std::vector<std::string> sizes;
};

void print_record(const detail::TuningRecord& record) {
    fmt::print("kernel @{} for {} on {}\n", record.kernel, record.sizes, record.device);
    for (const detail::TuningTrial& trial : record.trials) {
        const bool is_chosen = trial.schedule == record.chosen;
        std::string note = trial.note;
        if (trial.schedule == record.standard) note = "standard";
        if (is_chosen) note += (note.empty() ? "" : ", ") + ("chosen: " + record.reason);
        const std::string time = trial.seconds < 0 ? "-" : fmt::format("{:.4f} ms", trial.seconds * 1e3);
        fmt::print("{} {:>14}  {}{}{}\n", is_chosen ? '*' : ' ', time, text(trial.schedule),
                   note.empty() ? "" : "  ", note);
    }
}

/// A call of each case that the file asks for.
void call_cases(Context& context, const Options& options) {
    const std::string file = display_name(options.what), source = read_text(options.what);
    const std::unique_ptr<ir::Module> module = ir::parse_valid(source, file);
    const CaseOptions cases{file, source, {}, {}, parse_sizes(options.sizes), 1};
    for (const RunCase& one : make_cases(*module, cases)) {
        detail::FunctionRunner runner(context, options.device, ir::parse_valid(source, file),
                                      one.function->name(), {.tune = true});
        if (runner.device().target.kind == ir::TargetKind::interpreter)
            throw UsageError("tune: the interpreter has no schedules");
        runner.run(one.inputs, one.numbers, one.symbols);
    }
}

int run(const Options& options) {
    Context context({.device = options.device, .tune_seconds = options.budget});
    const Context::Scope scope(context);
    detail::Tuner& tuner = context.state()->tuner();
    tuner.decide_again();
    if (options.what == "-" || options.what.ends_with(".hir")) {
        call_cases(context, options);
    } else {
        if (context.state()->device()->info().target.kind == ir::TargetKind::interpreter)
            throw UsageError("tune: the interpreter has no schedules");
        bench::Session(bench::array_workload(options.what),
                       {.size = options.size, .references = false, .tune = true});
    }
    std::size_t tuned = 0;
    const auto decisions = tuner.decisions();
    for (const auto& record : decisions) {
        print_record(*record);
        tuned += record->is_tuned();
    }
    const Statistics statistics = context.statistics();
    fmt::print("{} kernels, {} of them tuned, with {} timings\n", decisions.size(), tuned,
               statistics.schedules_timed);
    if (statistics.schedules_differ == 0) return 0;
    fmt::print(stderr, "heddle: tune: {} schedules give other results than the standard one\n",
               statistics.schedules_differ);
    return 1;
}

} // namespace

void add_tune(CLI::App& app, int& exit_code) {
    CLI::App* command = app.add_subcommand(
        "tune", "Times schedules of kernels on a device, and keeps what is clearly faster in the cache");
    auto options = std::make_shared<Options>();
    command->add_option("WHAT", options->what, "a .hir file, '-' for stdin, or a workload of heddle bench")
        ->required();
    command->add_option("--device", options->device, "cpu, vulkan; default: HEDDLE_DEVICE, else cpu");
    command->add_option("--budget", options->budget, "seconds for each kernel; default 0.5")
        ->check(CLI::Range(0.001, 3600.0));
    command->add_option("--n", options->size, "size of a workload, in place of its own")->check(at_least(1));
    command->add_option("--size", options->sizes, "NAME=NUMBER: the size ?NAME of a file's random inputs")
        ->allow_extra_args(false);
    command->callback([options, &exit_code] { exit_code = run(*options); });
}

} // namespace heddle::tools
