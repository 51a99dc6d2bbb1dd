#include "codegen/llvm/load.h"

#include "support/plugin.h"

namespace heddle::codegen::cpu {

std::unique_ptr<Compiler> load_compiler() {
    void* symbol = load_plugin_symbol(plugin_name, compiler_symbol);
    return std::unique_ptr<Compiler>(reinterpret_cast<MakeCompiler>(symbol)());
}

std::unique_ptr<Linker> load_linker() {
    void* symbol = load_plugin_symbol(plugin_name, linker_symbol);
    return std::unique_ptr<Linker>(reinterpret_cast<MakeLinker>(symbol)());
}

std::string_view compiler_version() { return "LLVM " HEDDLE_LLVM_VERSION; }

} // namespace heddle::codegen::cpu
