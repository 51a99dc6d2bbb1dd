#pragma once
// Getting the compiler and the linker out of LLVM's plug-in, when machine code is first needed and not before.

#include "codegen/llvm/plugin.h"

#include <string_view>

namespace heddle::codegen::cpu {

/// Loads the plug-in, which takes about 15 ms the first time in a process; keep the result. Throws DeviceError that says what to do when
/// the plug-in is missing.
std::unique_ptr<Compiler> load_compiler();
/// The same for linking, which needs no code generator: nothing but the plug-in is set up.
std::unique_ptr<Linker> load_linker();

/// The LLVM that the plug-in was built with, without loading it: part of the key of cached objects.
std::string_view compiler_version();

} // namespace heddle::codegen::cpu
