// heddle opt: reads a .hir file, runs passes, prints what they made.

#include "ir/parser.h"
#include "ir/printer.h"
#include "ir/verifier.h"
#include "passes/pass_table.h"
#include "passes/rewrite.h"
#include "tools/commands.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <cstdio>
#include <memory>

namespace heddle::tools {
namespace {

struct Options {
    std::string file;
    std::vector<std::string> passes;
    std::string names = "kept";
    std::string target = "cpu";
    std::size_t stop_after = ~std::size_t{0};
    u64 stop_after_rewrite = ~u64{0};
    bool report = false;
    bool print_after_all = false;
    bool verify_only = false;
    bool no_verify = false;
    bool no_locations = false;
    bool list = false;
    bool flushes_subnormals = false;

    ir::PrintOptions printing() const { return {names == "canonical", !no_locations}; }
};

ir::Target target_named(const std::string& name) {
    ir::Target target;
    target.name = name;
    target.kind = name == "gpu" ? ir::TargetKind::gpu : ir::TargetKind::cpu;
    target.fused_fma = true;
    target.check_access = true; // for the pass of that name, which does nothing else
    target.has_f16_arithmetic = target.has_i16_arithmetic = target.has_i8_arithmetic = true;
    return target;
}

void list_passes() {
    for (const passes::Pass& pass : passes::pass_table()) fmt::print("{:<24} {}\n", pass.name, pass.doc);
}

/// Every diagnostic is a line that begins with what `where` gives for it.
template <class Where> bool report(const ir::Module& module, Where where) {
    bool sound = true;
    for (const auto& function : module.functions) {
        for (const ir::Diagnostic& found : ir::diagnose(*function)) {
            fmt::print(stderr, "{}: rule {}: {}\n", where(*function, found), found.rule, found.message);
            sound = false;
        }
    }
    return sound;
}

/// A file that breaks a rule is bad input.
bool report_file(const ir::Module& module, const ir::TextPlaces& places, const std::string& file) {
    return report(module, [&](const ir::Function& function, const ir::Diagnostic& found) {
        const ir::TextPlace place = places.of(function, found.node);
        return fmt::format("{}:{}:{}", file, place.line, place.column);
    });
}

bool report_pass(const ir::Module& module, std::string_view pass) {
    return report(module, [&](const auto&, const auto&) { return fmt::format("after {}", pass); });
}

/// Runs passes on the functions of their level, with the driver's checks at each boundary.
class Driver {
public:
    Driver(ir::Module& module, const Options& options) : module_(module), options_(options) {}

    /// An analysis prints its text and gives false: no IR follows.
    bool run(const passes::Pass& pass) {
        std::vector<std::string> names;
        for (const auto& function : module_.functions)
            if (function->level() == pass.level) names.push_back(function->name());
        u64 rewrites = 0;
        for (const std::string& name : names) rewrites += run_on(pass, name);
        if (options_.report && pass.analyse == nullptr)
            fmt::print("// {}: {} rewrites\n", pass.name, rewrites);
        done_ += rewrites;
        return pass.analyse == nullptr;
    }

private:
    u64 run_on(const passes::Pass& pass, const std::string& name) {
        ir::Target target = target_named(options_.target);
        target.flushes_subnormals = options_.flushes_subnormals;
        ir::Function& function = *module_.find(name);
        if (pass.analyse != nullptr) {
            fmt::print("{}", pass.analyse(function, target));
            return 0;
        }
        const std::string before = options_.no_verify ? "" : live_text(name);
        u64 count = 0;
        {
            const passes::RewriteWatch watch(options_.stop_after_rewrite - done_);
            pass.run != nullptr ? pass.run(function) : pass.legalise(function, target);
            count = watch.count();
        }
        if (!options_.no_verify && count == 0 && live_text(name) != before)
            throw InternalError(
                fmt::format("{} says that it left @{} as it was, but did not", pass.name, name));
        return count;
    }

    /// The function without dead code and names, from a copy of the module.
    std::string live_text(const std::string& name) const {
        const std::unique_ptr<ir::Module> copy = ir::parse(ir::print(module_), "copy");
        return ir::print(passes::rewrite(*copy->find(name), {}), {true, false});
    }

    ir::Module& module_;
    const Options& options_;
    u64 done_ = 0; ///< rewrites of the passes so far
};

int run(const Options& options) {
    if (options.list) {
        list_passes();
        return 0;
    }
    if (options.file.empty()) throw UsageError("opt: FILE is missing ('-' reads stdin)");
    std::vector<const passes::Pass*> pipeline;
    for (const std::string& name : options.passes) pipeline.push_back(&passes::pass_named(name));
    if (pipeline.size() > options.stop_after) pipeline.resize(options.stop_after);

    const std::string text = read_text(options.file);
    const std::string file = display_name(options.file);
    ir::TextPlaces places;
    const std::unique_ptr<ir::Module> module = ir::parse(text, file, &places);
    if (!options.no_verify && !report_file(*module, places, file)) return 2;
    if (options.verify_only) return 0;
    Driver driver(*module, options);
    bool is_ir = true;
    for (const passes::Pass* pass : pipeline) {
        is_ir = driver.run(*pass);
        if (is_ir && !options.no_verify && !report_pass(*module, pass->name)) return 1;
        if (is_ir && options.print_after_all)
            fmt::print("// after {}\n{}\n", pass->name, ir::print(*module, options.printing()));
    }
    if (is_ir && !options.print_after_all) fmt::print("{}", ir::print(*module, options.printing()));
    return 0;
}

/// CLI11 makes large numbers of negative ones.
CLI::Validator not_negative() {
    return CLI::Validator(
        [](std::string& text) {
            return std::string(text.starts_with('-') ? fmt::format("{} is no number of 0 or more", text)
                                                     : "");
        },
        "");
}

} // namespace

void add_opt(CLI::App& app, int& exit_code) {
    CLI::App* command =
        app.add_subcommand("opt", "Reads a .hir file, verifies it, runs passes and prints the result");
    auto options = std::make_shared<Options>();
    command->add_option("FILE", options->file, "the .hir file, '-' for stdin");
    command->add_option("--passes", options->passes, "passes to run, in order: a,b,c")
        ->delimiter(',')
        ->allow_extra_args(false);
    command->add_option("--names", options->names, "kept, or canonical: all values numbered")
        ->check(CLI::IsMember({"kept", "canonical"}));
    command->add_option("--target", options->target, "what passes assume: cpu or gpu")
        ->check(CLI::IsMember({"cpu", "gpu"}));
    command->add_flag("--flushes-subnormals", options->flushes_subnormals,
                      "what passes assume: f32 arithmetic takes subnormals for zeros");
    command->add_option("--stop-after", options->stop_after, "run only the first N passes")
        ->check(not_negative());
    command
        ->add_option("--stop-after-rewrite", options->stop_after_rewrite,
                     "leave all rewrites of nodes beyond the first N undone, to bisect a miscompile")
        ->check(not_negative());
    command->add_flag("--report", options->report, "say as comments how many nodes each pass rewrote");
    command->add_flag("--print-after-all", options->print_after_all, "print the IR after each pass");
    command->add_flag("--verify-only", options->verify_only,
                      "print nothing, exit with 2 if a rule is broken");
    command->add_flag("--no-verify", options->no_verify, "do not check the rules");
    command->add_flag("--no-locations", options->no_locations, "leave source locations out");
    command->add_flag("--list", options->list, "list the passes");
    command->callback([options, &exit_code] { exit_code = run(*options); });
}

} // namespace heddle::tools
