// heddle opt: reads a .hir file, runs passes, prints what they made.

#include "ir/parser.h"
#include "ir/printer.h"
#include "ir/verifier.h"
#include "passes/pass_table.h"
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
    bool print_after_all = false;
    bool verify_only = false;
    bool no_verify = false;
    bool no_locations = false;
    bool list = false;

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

/// Every diagnostic is a line; a file that breaks a rule is bad input.
bool report(const ir::Module& module, const std::string& when) {
    bool sound = true;
    for (const auto& function : module.functions) {
        for (const ir::Diagnostic& found : ir::diagnose(*function)) {
            fmt::print(stderr, "{}: rule {}: {}\n", when, found.rule, found.message);
            sound = false;
        }
    }
    return sound;
}

/// Runs one pass on the functions of its level. An analysis prints its text and says that no IR follows.
bool run_pass(ir::Module& module, const passes::Pass& pass, const Options& options) {
    std::vector<std::string> names;
    for (const auto& function : module.functions)
        if (function->level() == pass.level) names.push_back(function->name());
    for (const std::string& name : names) {
        ir::Function& function = *module.find(name);
        if (pass.run)
            pass.run(function);
        else if (pass.legalise)
            pass.legalise(function, target_named(options.target));
        else
            fmt::print("{}", pass.analyse(function, target_named(options.target)));
    }
    return pass.analyse == nullptr;
}

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
    const std::unique_ptr<ir::Module> module = ir::parse(text, file);
    if (!options.no_verify && !report(*module, file)) return 2;
    if (options.verify_only) return 0;
    bool is_ir = true;
    for (const passes::Pass* pass : pipeline) {
        is_ir = run_pass(*module, *pass, options);
        if (is_ir && !options.no_verify && !report(*module, fmt::format("after {}", pass->name))) return 1;
        if (is_ir && options.print_after_all)
            fmt::print("// after {}\n{}\n", pass->name, ir::print(*module, options.printing()));
    }
    if (is_ir && !options.print_after_all) fmt::print("{}", ir::print(*module, options.printing()));
    return 0;
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
    command->add_option("--stop-after", options->stop_after, "run only the first N passes");
    command->add_flag("--print-after-all", options->print_after_all, "print the IR after each pass");
    command->add_flag("--verify-only", options->verify_only,
                      "print nothing, exit with 2 if a rule is broken");
    command->add_flag("--no-verify", options->no_verify, "do not check the rules");
    command->add_flag("--no-locations", options->no_locations, "leave source locations out");
    command->add_flag("--list", options->list, "list the passes");
    command->callback([options, &exit_code] { exit_code = run(*options); });
}

} // namespace heddle::tools
