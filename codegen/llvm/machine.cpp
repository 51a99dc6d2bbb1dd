#include "codegen/llvm/machine.h"

#include <heddle/error.h>

#include <llvm/IR/LegacyPassManager.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/TargetParser/Host.h>
#include <llvm/TargetParser/SubtargetFeature.h>

namespace heddle::codegen::cpu {

Machines::Machines() : triple_(::llvm::sys::getProcessTriple()), cpu_(::llvm::sys::getHostCPUName()) {
    ::llvm::InitializeNativeTarget();
    ::llvm::InitializeNativeTargetAsmPrinter();
    ::llvm::SubtargetFeatures features;
    for (const auto& feature : ::llvm::sys::getHostCPUFeatures())
        features.AddFeature(feature.first(), feature.second);
    features_ = features.getString();
}

Machines::Machine Machines::take() {
    {
        const std::lock_guard lock(mutex_);
        if (!idle_.empty()) {
            Machine machine = std::move(idle_.back());
            idle_.pop_back();
            return machine;
        }
    }
    std::string error;
#if LLVM_VERSION_MAJOR >= 22
    const ::llvm::Triple triple(triple_);
#else
    const std::string& triple = triple_;
#endif
    const ::llvm::Target* target = ::llvm::TargetRegistry::lookupTarget(triple, error);
    if (target == nullptr) throw DeviceError("LLVM has no code generator for " + triple_ + ": " + error);
    ::llvm::TargetOptions options;
    options.AllowFPOpFusion = ::llvm::FPOpFusion::Strict;
    return Machine(target->createTargetMachine(triple, cpu_, features_, options, ::llvm::Reloc::PIC_,
                                               ::llvm::CodeModel::Small, ::llvm::CodeGenOptLevel::Default,
                                               true));
}

void Machines::give(Machine machine) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(machine));
}

void prepare(::llvm::Module& module, const ::llvm::TargetMachine& machine, unsigned vector_bits) {
#if LLVM_VERSION_MAJOR >= 22
    module.setTargetTriple(machine.getTargetTriple());
#else
    module.setTargetTriple(machine.getTargetTriple().str());
#endif
    module.setDataLayout(machine.createDataLayout());
    module.setPICLevel(::llvm::PICLevel::BigPIC);
    for (::llvm::Function& function : module)
        if (!function.isDeclaration()) function.addFnAttr("prefer-vector-width", std::to_string(vector_bits));
}

std::string generate(::llvm::Module& module, ::llvm::TargetMachine& machine, bool assembly) {
    ::llvm::SmallVector<char, 0> bytes;
    ::llvm::raw_svector_ostream out(bytes);
    ::llvm::legacy::PassManager passes;
    const auto kind = assembly ? ::llvm::CodeGenFileType::AssemblyFile : ::llvm::CodeGenFileType::ObjectFile;
    if (machine.addPassesToEmitFile(passes, out, nullptr, kind, true))
        throw InternalError("LLVM cannot write this machine's object files");
    passes.run(module);
    return {bytes.begin(), bytes.end()};
}

} // namespace heddle::codegen::cpu
