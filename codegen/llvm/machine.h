#pragma once
// From LLVM IR to machine code of this host: a short list of passes (the IR comes vectorised and unrolled as the schedule wants it, so
// the usual O2 would only cost time), then an object file.

#include <llvm/IR/Module.h>
#include <llvm/Target/TargetMachine.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace heddle::codegen::cpu {

/// The host's TargetMachines: one is used by one thread at a time and then waits for the next.
class Machines {
public:
    Machines();
    using Machine = std::unique_ptr<::llvm::TargetMachine>;
    Machine take();
    void give(Machine machine);
    const std::string& cpu() const { return cpu_; }

private:
    std::string triple_, cpu_, features_;
    std::mutex mutex_;
    std::vector<Machine> idle_;
};

/// Sets triple, data layout and the attributes that let all of the host's vectors be used.
void prepare(::llvm::Module& module, const ::llvm::TargetMachine& machine, unsigned vector_bits);

void optimise(::llvm::Module& module, ::llvm::TargetMachine& machine);

/// Object file, or assembly text. Uses up the module.
std::string generate(::llvm::Module& module, ::llvm::TargetMachine& machine, bool assembly);

} // namespace heddle::codegen::cpu
