// heddle compile: takes the functions of a .hir file through the compiler and prints what it is at a stage.

#include "codegen/spirv/emit.h"
#include "codegen/spirv/validate.h"
#include "ir/parser.h"
#include "ir/printer.h"
#include "passes/legalise/spirv_pipeline.h"
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
    target.fused_fma = true;
    target.has_f16_arithmetic = target.has_i16_arithmetic = target.has_i8_arithmetic = true;
    target.preserves_special = target.preserves_subnormals = target.rounds_to_even = 7;
    target.max_grid_x = 0x7FFFFFFF;
    return target;
}

std::string text_of(passes::Slot slot) {
    constexpr std::string_view names[] = {"input", "output", "temporary", "constant"};
    return fmt::format("{} {}", names[static_cast<int>(slot.kind)], slot.index);
}

void print_plan(const passes::Plan& plan) {
    for (std::size_t k = 0; k < plan.steps.size(); ++k) {
        const passes::Step& step = plan.steps[k];
        fmt::print("// step {}{}: {} ops,", k, step.barrier_before ? " after a barrier" : "",
                   step.operations);
        for (std::size_t p = 0; p < step.pointers.size(); ++p)
            fmt::print(" {}{}", step.written[p] ? "writes " : "reads ", text_of(step.pointers[p]));
        fmt::print("\n");
        for (const passes::Kernel& variant : step.variants) fmt::print("{}\n", ir::print(*variant.function));
    }
}

/// Assembly of one kernel; a module that the validator refuses is a defect.
void print_spirv(ir::Function& kernel, const ir::Target& target) {
    const codegen::Artifact artifact =
        codegen::spirv::emit(passes::legalise_for_spirv(kernel, target), target);
    if (const std::string message = codegen::spirv::validate(artifact.code); !message.empty())
        throw InternalError("@" + artifact.name + ": " + message);
    fmt::print("; kernel @{}: {} bytes of arguments, {} of shared memory\n{}", artifact.name,
               artifact.parameter_bytes, artifact.shared_bytes, codegen::spirv::disassemble(artifact.code));
}

/// Kernels that the file holds as such.
void print_kernels_as_spirv(ir::Module& module, const ir::Target& target) {
    std::vector<std::string> names;
    for (const auto& function : module.functions)
        if (function->level() == ir::Level::kernel) names.push_back(function->name());
    for (const std::string& name : names) print_spirv(*module.find(name), target);
}

int run(const Options& options) {
    const std::unique_ptr<ir::Module> module = ir::parse(read_text(options.file), display_name(options.file));
    const ir::Target target = generic_target(options.emit == "spirv" ? "gpu" : options.target);
    if (options.emit == "spirv") print_kernels_as_spirv(*module, target);
    std::vector<std::string> names;
    for (const auto& function : module->functions)
        if (function->level() == ir::Level::graph) names.push_back(function->name());
    for (const std::string& name : names) {
        ir::Function& function = passes::run_graph_passes(*module->find(name));
        if (options.emit == "graph")
            fmt::print("{}\n", ir::print(function));
        else if (options.emit == "fusion")
            fmt::print("{}", passes::print(function, passes::fuse(function, target)));
        else if (options.emit == "spirv") {
            const passes::Plan plan = passes::plan_kernels(function, target);
            for (const passes::Step& step : plan.steps)
                for (const passes::Kernel& variant : step.variants) print_spirv(*variant.function, target);
        } else
            print_plan(passes::plan_kernels(function, target));
    }
    return 0;
}

} // namespace

void add_compile(CLI::App& app, int& exit_code) {
    CLI::App* command =
        app.add_subcommand("compile", "Compiles the functions of a .hir file and prints a stage");
    auto options = std::make_shared<Options>();
    command->add_option("FILE", options->file, "the .hir file, '-' for stdin")->required();
    command->add_option("--emit", options->emit, "graph, fusion, kernels or spirv")
        ->check(CLI::IsMember({"graph", "fusion", "kernels", "spirv"}));
    command->add_option("--target", options->target, "cpu or gpu")->check(CLI::IsMember({"cpu", "gpu"}));
    command->callback([options, &exit_code] { exit_code = run(*options); });
}

} // namespace heddle::tools
