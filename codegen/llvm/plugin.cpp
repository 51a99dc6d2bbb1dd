// The plug-in's entry: one kernel in, one object file out. Every compile has an LLVMContext of its own, so compiles share nothing but
// the pool of TargetMachines.

#include "codegen/llvm/plugin.h"

#include "codegen/llvm/kernel_emitter.h"
#include "codegen/llvm/machine.h"

#include <heddle/error.h>

#include <fmt/format.h>
#include <llvm/Config/llvm-config.h>
#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Support/VirtualFileSystem.h>

#include <chrono>
#include <cstring>

namespace heddle::codegen::cpu {
namespace {

std::string print(const ::llvm::Module& module) {
    std::string text;
    ::llvm::raw_string_ostream out(text);
    module.print(out, nullptr);
    return text;
}

void verify(const ::llvm::Module& module, const std::string& name) {
    std::string text;
    ::llvm::raw_string_ostream out(text);
    if (::llvm::verifyModule(module, &out))
        throw InternalError(fmt::format("LLVM: kernel @{} gives invalid IR: {}", name, out.str()));
}

Artifact artifact_of(const ir::Function& kernel, const std::string& object) {
    Artifact artifact;
    artifact.name = kernel.name();
    artifact.code.resize(object.size());
    std::memcpy(artifact.code.data(), object.data(), object.size());
    for (ir::NodeId parameter : kernel.parameters())
        artifact.pointer_count += kernel.type(parameter).kind == ir::TypeKind::pointer;
    artifact.parameter_bytes = ir::parameter_layout(kernel).bytes;
    return artifact;
}

class Stopwatch {
public:
    double lap() {
        const auto now = std::chrono::steady_clock::now();
        return std::chrono::duration<double, std::milli>(now - std::exchange(last_, now)).count();
    }

private:
    std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

class LlvmCompiler final : public Compiler {
public:
    /// LLVM makes its one file system object on first use, and every PassBuilder counts on it: made here, it is there before any thread compiles.
    LlvmCompiler()
        : file_system_(::llvm::vfs::getRealFileSystem()),
          description_(fmt::format("LLVM {} for {}", LLVM_VERSION_STRING, machines_.cpu())) {}
    const std::string& description() const override { return description_; }

    Compiled compile(const ir::Function& kernel, const ir::Target& target,
                     const CompileOptions& options) override {
        Machines::Machine machine = machines_.take();
        Compiled result = compile_with(*machine, kernel, target, options);
        machines_.give(std::move(machine)); // not after an exception: nobody knows what state it is in
        return result;
    }

private:
    static Compiled compile_with(::llvm::TargetMachine& machine, const ir::Function& kernel,
                                 const ir::Target& target, const CompileOptions& options) {
        Compiled result;
        Stopwatch watch;
        ::llvm::LLVMContext context;
        ::llvm::Module module(kernel.name(), context);
        KernelEmitter(kernel, target, module).run();
        prepare(module, machine, target.vector_bytes * 8);
        verify(module, kernel.name());
        result.emit_ms = watch.lap();
        optimise(module, machine);
        result.optimise_ms = watch.lap();
        if (options.texts) {
            result.llvm_ir = print(module);
            // Generating code changes the module; the text gets a module of its own.
            ::llvm::Module again(kernel.name(), context);
            KernelEmitter(kernel, target, again).run();
            prepare(again, machine, target.vector_bytes * 8);
            optimise(again, machine);
            result.assembly = generate(again, machine, true);
            watch.lap();
        }
        result.artifact = artifact_of(kernel, generate(module, machine, false));
        result.object_ms = watch.lap();
        return result;
    }

    Machines machines_;
    ::llvm::IntrusiveRefCntPtr<::llvm::vfs::FileSystem> file_system_;
    std::string description_;
};

} // namespace
} // namespace heddle::codegen::cpu

extern "C" [[gnu::visibility("default")]] heddle::codegen::cpu::Compiler* heddle_make_llvm_compiler();

heddle::codegen::cpu::Compiler* heddle_make_llvm_compiler() { return new heddle::codegen::cpu::LlvmCompiler; }
