// heddle compile: takes the functions of a .hir file through the compiler and prints what it is at a stage.

#include "ir/parser.h"
#include "ir/printer.h"
#include "passes/pipeline.h"
#include "tools/commands.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <memory>

namespace heddle::tools {
namespace {

struct Options {
    std::string file;
    std::string emit = "kernels";
    std::string target = "cpu";
};

ir::Target generic_target(const std::string& name) {
    ir::Target target;
    target.name = name;
    target.kind = name == "gpu" ? ir::TargetKind::gpu : ir::TargetKind::cpu;
    target.vector_bytes = 64;
    target.masked_memory = true;
    return target;
}

std::string text_of(passes::Slot slot) {
    constexpr std::string_view names[] = {"input", "output", "temporary", "constant"};
    return fmt::format("{} {}", names[static_cast<int>(slot.kind)], slot.index);
}

void print_plan(const passes::Plan& plan) {
    for (std::size_t k = 0; k < plan.steps.size(); ++k) {
        const passes::Step& step = plan.steps[k];
        fmt::print("// step {}{}: {} ops,", k, step.barrier_before ? " after a barrier" : "", step.operations);
        for (std::size_t p = 0; p < step.pointers.size(); ++p) fmt::print(" {}{}", step.written[p] ? "writes " : "reads ", text_of(step.pointers[p]));
        fmt::print("\n");
        for (const passes::Kernel& variant : step.variants) fmt::print("{}\n", ir::print(*variant.function));
    }
}

int run(const Options& options) {
    const std::unique_ptr<ir::Module> module = ir::parse(read_text(options.file), display_name(options.file));
    const ir::Target target = generic_target(options.target);
    std::vector<std::string> names;
    for (const auto& function : module->functions)
        if (function->level() == ir::Level::graph) names.push_back(function->name());
    for (const std::string& name : names) {
        ir::Function& function = passes::run_graph_passes(*module->find(name));
        if (options.emit == "graph") fmt::print("{}\n", ir::print(function));
        else if (options.emit == "fusion") fmt::print("{}", passes::print(function, passes::fuse(function, target)));
        else print_plan(passes::plan_kernels(function, target));
    }
    return 0;
}

} // namespace

void add_compile(CLI::App& app, int& exit_code) {
    CLI::App* command = app.add_subcommand("compile", "Compiles the functions of a .hir file and prints a stage");
    auto options = std::make_shared<Options>();
    command->add_option("FILE", options->file, "the .hir file, '-' for stdin")->required();
    command->add_option("--emit", options->emit, "graph, fusion or kernels")->check(CLI::IsMember({"graph", "fusion", "kernels"}));
    command->add_option("--target", options->target, "cpu or gpu")->check(CLI::IsMember({"cpu", "gpu"}));
    command->callback([options, &exit_code] { exit_code = run(*options); });
}

} // namespace heddle::tools
