// heddle compile: takes the functions of a .hir file through the compiler and prints what it is at a stage.

#include "codegen/llvm/load.h"
#include "codegen/spirv/emit.h"
#include "codegen/spirv/validate.h"
#include "ir/parser.h"
#include "ir/printer.h"
#include "passes/legalise/cpu_pipeline.h"
#include "passes/legalise/spirv_pipeline.h"
#include "passes/pipeline.h"
#include "runtime/devices.h"
#include "tools/commands.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <memory>

namespace heddle::tools {
namespace {

struct Options {
    std::string file;
    std::string emit = "kernels";
    std::string target; ///< empty: what the stage is for
    std::string device;
    bool descriptors = false;
    bool fast_math = false;

    bool is_machine_code() const { return emit == "llvm" || emit == "assembly"; }
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

/// The target of a device of this machine; it need not be opened.
ir::Target target_of_device(const std::string& name) {
    std::string names;
    for (const runtime::DeviceInfo& device : runtime::list_devices()) {
        names += (names.empty() ? "" : ", ") + device.name;
        if (device.name != name && device.name != name + ":0") continue;
        if (!device.refused.empty())
            throw DeviceError(fmt::format("{} cannot be used: {}", device.name, device.refused));
        return device.target;
    }
    throw UsageError(fmt::format("no device {}; there are {}", name, names));
}

/// What to compile for; a stage that the target does not have is an error.
ir::Target chosen_target(const Options& options) {
    const std::string otherwise = options.emit == "spirv" ? "gpu" : "cpu";
    const ir::Target target = options.device.empty()
                                  ? generic_target(options.target.empty() ? otherwise : options.target)
                                  : target_of_device(options.device);
    const std::string& asked = options.device.empty() ? options.target : options.device;
    const bool is_graph = options.emit == "graph" || options.emit == "fusion";
    if (target.kind == ir::TargetKind::interpreter && !is_graph)
        throw UsageError(fmt::format("--device {}: the interpreter has no {}", asked, options.emit));
    if ((options.emit == "spirv" && target.kind != ir::TargetKind::gpu) ||
        (options.is_machine_code() && target.kind != ir::TargetKind::cpu))
        throw UsageError(fmt::format("{} has no {}", asked, options.emit));
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

/// LLVM IR after its passes, or the assembly of this host.
void print_machine_code(codegen::cpu::Compiler& compiler, ir::Function& kernel, const ir::Target& target,
                        bool assembly) {
    const std::string name = kernel.name();
    const codegen::cpu::Compiled compiled =
        compiler.compile(passes::legalise_for_cpu(kernel, target), target, {.texts = true});
    fmt::print("; kernel @{}\n{}\n", name, assembly ? compiled.assembly : compiled.llvm_ir);
}

std::vector<std::string> names_of(const ir::Module& module, ir::Level level) {
    std::vector<std::string> names;
    for (const auto& function : module.functions)
        if (function->level() == level) names.push_back(function->name());
    return names;
}

passes::Plan plan_of(const ir::Function& function, const ir::Target& target, const Options& options) {
    passes::Plan plan = passes::plan_kernels(function, target);
    if (options.fast_math) passes::set_fast_math(plan);
    return plan;
}

/// Code of kernels: those that the file holds as such, and those that become of its functions.
class CodePrinter {
public:
    CodePrinter(const Options& options, const ir::Target& target) : options_(options), target_(target) {
        if (options.is_machine_code()) compiler_ = codegen::cpu::load_compiler();
    }

    void print(ir::Function& kernel) {
        if (compiler_ == nullptr) return print_spirv(kernel, target_);
        print_machine_code(*compiler_, kernel, target_, options_.emit == "assembly");
    }

    void print_kernels(ir::Module& module) {
        for (const std::string& name : names_of(module, ir::Level::kernel)) {
            ir::Function& kernel = *module.find(name);
            if (ir::kernel_info(kernel).target != target_.kind)
                throw UsageError(
                    fmt::format("@{} is a kernel of another target: it has no {}", name, options_.emit));
            print(kernel);
        }
    }

    void print_function(const ir::Function& function) {
        const passes::Plan plan = plan_of(function, target_, options_);
        for (const passes::Step& step : plan.steps)
            for (const passes::Kernel& variant : step.variants) print(*variant.function);
    }

private:
    const Options& options_;
    const ir::Target& target_;
    std::unique_ptr<codegen::cpu::Compiler> compiler_;
};

void print_stage(const ir::Function& function, const ir::Target& target, const Options& options,
                 CodePrinter& code) {
    if (options.emit == "graph")
        fmt::print("{}\n", ir::print(function));
    else if (options.emit == "fusion")
        fmt::print("{}", passes::print(function, passes::fuse(function, target)));
    else if (options.emit == "kernels")
        print_plan(plan_of(function, target, options));
    else
        code.print_function(function);
}

int run(const Options& options) {
    const std::unique_ptr<ir::Module> module =
        ir::parse_valid(read_text(options.file), display_name(options.file));
    ir::Target target = chosen_target(options);
    target.buffer_addresses &= !options.descriptors;
    CodePrinter code(options, target);
    const bool is_code = options.emit == "spirv" || options.is_machine_code();
    if (is_code) code.print_kernels(*module);
    for (const std::string& name : names_of(*module, ir::Level::graph)) {
        for (const passes::SizedFunction& sized : passes::run_graph_passes(*module->find(name))) {
            if (!sized.when.empty() && options.emit != "graph")
                fmt::print("// where {}\n", module->dims.text(sized.when));
            print_stage(*sized.function, target, options, code);
        }
    }
    return 0;
}

} // namespace

void add_compile(CLI::App& app, int& exit_code) {
    CLI::App* command =
        app.add_subcommand("compile", "Compiles the functions of a .hir file and prints a stage");
    auto options = std::make_shared<Options>();
    command->add_option("FILE", options->file, "the .hir file, '-' for stdin")->required();
    command->add_option("--emit", options->emit, "graph, fusion, kernels, spirv, llvm or assembly")
        ->check(CLI::IsMember({"graph", "fusion", "kernels", "spirv", "llvm", "assembly"}));
    CLI::Option* target =
        command->add_option("--target", options->target,
                            "cpu or gpu, one of no machine in particular; default: cpu, for spirv gpu");
    target->check(CLI::IsMember({"cpu", "gpu"}));
    command
        ->add_option("--device", options->device,
                     "for this device of the machine, as `heddle devices` names it")
        ->excludes(target);
    command->add_flag("--fast-math", options->fast_math, "kernels are legalised for speed (docs/math.md)");
    command->add_flag("--descriptors", options->descriptors, "spirv as for devices without buffer addresses");
    command->callback([options, &exit_code] { exit_code = run(*options); });
}

} // namespace heddle::tools
