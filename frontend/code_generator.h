#pragma once
// From one legalised kernel to its code. The kernel cache sees no emitter, only this: what is given to a ContextState may stand in
// front of the emitters and hold a kernel back, count it or let it fail.

#include "codegen/artifact.h"
#include "ir/function.h"
#include "ir/target.h"

#include <memory>
#include <string>

namespace heddle::detail {

/// The texts of one kernel, for dumps.
struct KernelTexts {
    std::string kernel, llvm, assembly, spirv;
};

class CodeGenerator {
public:
    virtual ~CodeGenerator() = default;
    /// `kernel` is legalised for `target`. Fills in what it knows of `texts`, if they are asked for. Called from any number of threads at
    /// once, for kernels of different modules. Throws DeviceError where the plug-in that makes a CPU's code is missing.
    virtual codegen::Artifact generate(const ir::Function& kernel, const ir::Target& target,
                                       KernelTexts* texts = nullptr) = 0;
};

/// The emitters. LLVM's plug-in is loaded with the first kernel for a CPU.
std::unique_ptr<CodeGenerator> make_code_generator();

} // namespace heddle::detail
