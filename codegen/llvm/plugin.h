#pragma once
// What the plug-in heddle_llvm offers: kernels to object files, and object files to functions of this process. No LLVM header here, so that
// callers never see LLVM; they get a compiler or a linker from codegen/llvm/load.h. (The namespace is `cpu`, since one called `llvm` would hide LLVM's own.)

#include "codegen/artifact.h"
#include "ir/function.h"
#include "ir/target.h"

#include <memory>
#include <span>
#include <string>
#include <string_view>

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

/// An object file in memory, ready to be called; not writable. The memory goes when this does, which may be on any thread.
class LinkedCode {
public:
    virtual ~LinkedCode() = default;
    /// A KernelEntry.
    virtual const void* entry() const = 0;
};

class Linker {
public:
    virtual ~Linker() = default;
    /// `object` holds one kernel, compiled just now or long ago; `entry` is the function that is called from outside. May be called from any
    /// number of threads; the code may outlive the linker. Throws DeviceError when the file is damaged, is for another
    /// machine, lacks the entry point or needs more than the few functions of libm and libc that LLVM may call.
    virtual std::unique_ptr<LinkedCode> link(std::span<const std::byte> object, std::string_view entry) = 0;
};

/// Names and types of the symbols that the plug-in exports. The caller owns what they make.
inline constexpr const char* plugin_name = "heddle_llvm";
inline constexpr const char* compiler_symbol = "heddle_make_llvm_compiler";
inline constexpr const char* linker_symbol = "heddle_make_llvm_linker";
using MakeCompiler = Compiler* (*)();
using MakeLinker = Linker* (*)();

/// How the entry point of an object is called: `parameters` as ir::parameter_layout says, grid indices [first, last) of the
/// flattened grid, and scratch memory (64-byte aligned) of this thread.
using KernelEntry = void (*)(const void* parameters, i64 first, i64 last, void* scratch);

} // namespace heddle::codegen::cpu
