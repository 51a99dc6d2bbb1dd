#include "frontend/code_generator.h"

#include "codegen/llvm/load.h"
#include "codegen/spirv/emit.h"
#include "codegen/spirv/validate.h"

#include <heddle/error.h>

#include <mutex>

namespace heddle::detail {

namespace {

class Emitters final : public CodeGenerator {
public:
    codegen::Artifact generate(const ir::Function& kernel, const ir::Target& target,
                               KernelTexts* texts) override {
        switch (target.kind) {
        case ir::TargetKind::cpu: return machine_code(kernel, target, texts);
        case ir::TargetKind::gpu: return spirv(kernel, target, texts);
        case ir::TargetKind::interpreter: break;
        }
        throw InternalError("the interpreter has no kernels");
    }

private:
    codegen::Artifact machine_code(const ir::Function& kernel, const ir::Target& target, KernelTexts* texts) {
        std::call_once(once_, [&] { compiler_ = codegen::cpu::load_compiler(); });
        codegen::cpu::Compiled compiled = compiler_->compile(kernel, target, {.texts = texts != nullptr});
        if (texts != nullptr) {
            texts->llvm = std::move(compiled.llvm_ir);
            texts->assembly = std::move(compiled.assembly);
        }
        return std::move(compiled.artifact);
    }

    static codegen::Artifact spirv(const ir::Function& kernel, const ir::Target& target, KernelTexts* texts) {
        codegen::Artifact artifact = codegen::spirv::emit(kernel, target);
        if (texts != nullptr) texts->spirv = codegen::spirv::disassemble(artifact.code);
        return artifact;
    }

    std::once_flag once_;
    std::unique_ptr<codegen::cpu::Compiler> compiler_;
};

} // namespace

std::unique_ptr<CodeGenerator> make_code_generator() { return std::make_unique<Emitters>(); }

} // namespace heddle::detail
