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
    bool bf16_rounding = false;
    bool fast_math = false;
    std::string schedule;

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
        for (const passes::Kernel& variant : plan.lowering->lower_all(step)) {
            if (variant.schedule)
                fmt::print("// schedule {}{}\n", passes::text(*variant.schedule),
                           variant.forced ? ", forced" : "");
            fmt::print("{}\n", ir::print(*variant.function));
        }
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

std::vector<passes::Plan> plans_of(std::span<const passes::SizedFunction> functions, const ir::Target& target,
                                   const Options& options) {
    const std::vector<passes::ForcedSchedule> schedules = passes::parse_forced(options.schedule);
    std::vector<passes::Plan> plans;
    for (const passes::SizedFunction& sized : functions) {
        plans.push_back(passes::plan_kernels(*sized.function, target, schedules));
        if (options.fast_math) plans.back().lowering->set_fast_math();
    }
    passes::check_forced(schedules, plans);
    return plans;
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

    void print_kernels(const passes::Plan& plan) {
        for (const passes::Step& step : plan.steps)
            for (const passes::Kernel& variant : plan.lowering->lower_all(step)) print(*variant.function);
    }

private:
    const Options& options_;
    const ir::Target& target_;
    std::unique_ptr<codegen::cpu::Compiler> compiler_;
};

void print_stage(ir::Function& function, const ir::Target& target, const Options& options,
                 CodePrinter& code) {
    const std::vector<passes::SizedFunction> functions = passes::run_graph_passes(function);
    const bool is_planned = options.emit != "graph" && options.emit != "fusion";
    const std::vector<passes::Plan> plans =
        is_planned ? plans_of(functions, target, options) : std::vector<passes::Plan>();
    for (std::size_t k = 0; k < functions.size(); ++k) {
        const ir::Function& sized = *functions[k].function;
        if (!functions[k].when.empty() && options.emit != "graph")
            fmt::print("// where {}\n", sized.module().dims.text(functions[k].when));
        if (options.emit == "graph")
            fmt::print("{}\n", ir::print(sized));
        else if (options.emit == "fusion")
            fmt::print("{}", passes::print(sized, passes::fuse(sized, target)));
        else if (options.emit == "kernels")
            print_plan(plans[k]);
        else
            code.print_kernels(plans[k]);
    }
}

int run(const Options& options) {
    const std::unique_ptr<ir::Module> module =
        ir::parse_valid(read_text(options.file), display_name(options.file));
    ir::Target target = chosen_target(options);
    target.buffer_addresses &= !options.descriptors;
    target.has_bf16_rounding |= options.bf16_rounding && target.kind == ir::TargetKind::gpu;
    CodePrinter code(options, target);
    const bool is_code = options.emit == "spirv" || options.is_machine_code();
    if (is_code) code.print_kernels(*module);
    for (const std::string& name : names_of(*module, ir::Level::graph))
        print_stage(*module->find(name), target, options, code);
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
    command->add_option(
        "--schedule", options->schedule,
        "[KERNEL=]SCHEDULE, in place of the compiler's choice; several with ';' (docs/tuning.md)");
    command->add_flag("--descriptors", options->descriptors, "spirv as for devices without buffer addresses");
    command->add_flag("--bf16-rounding", options->bf16_rounding,
                      "spirv as for devices that round f32 to bf16 (VK_KHR_shader_bfloat16)");
    command->callback([options, &exit_code] { exit_code = run(*options); });
}

} // namespace heddle::tools
