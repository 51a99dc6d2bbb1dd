#pragma once
// What the plug-in heddle_llvm offers: kernels to machine code of this host. No LLVM header here, so that callers never see LLVM; they
// get a compiler from codegen/llvm/load.h. (The namespace is `cpu`, since one called `llvm` would hide LLVM's own.)

#include "codegen/artifact.h"
#include "ir/function.h"
#include "ir/target.h"

#include <memory>
#include <string>

namespace heddle::codegen::cpu {

struct CompileOptions {
    bool texts = false; ///< also give the LLVM IR and the assembly, for dumps
};

struct Compiled {
    Artifact artifact;   ///< `code` is a relocatable object file that needs nothing but libm and libc
    std::string llvm_ir; ///< after the passes
    std::string assembly;
    double emit_ms = 0; ///< kernel IR to LLVM IR
    double optimise_ms = 0;
    double object_ms = 0;
};

class Compiler {
public:
    virtual ~Compiler() = default;
    /// `kernel` has gone through passes::legalise_for_cpu. May be called from any number of threads, for kernels of different
    /// modules. Throws InternalError that names an op which should have been legalised.
    virtual Compiled compile(const ir::Function& kernel, const ir::Target& target,
                             const CompileOptions& options = {}) = 0;
    /// "LLVM 22.1.0 for znver4".
    virtual const std::string& description() const = 0;
};

/// Name and type of the one symbol that the plug-in exports. The caller owns the compiler.
inline constexpr const char* plugin_name = "heddle_llvm";
inline constexpr const char* plugin_symbol = "heddle_make_llvm_compiler";
using MakeCompiler = Compiler* (*)();

/// How the entry point of an object is called: `parameters` as ir::parameter_layout says, grid indices [first, last) of the
/// flattened grid, and scratch memory (64-byte aligned) of this thread.
using KernelEntry = void (*)(const void* parameters, i64 first, i64 last, void* scratch);

} // namespace heddle::codegen::cpu
