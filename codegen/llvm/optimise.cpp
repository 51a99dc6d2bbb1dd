// The light pass list. PassBuilder's header is slow to compile, so nothing else is here.

#include "codegen/llvm/machine.h"

#include <llvm/Passes/PassBuilder.h>
#include <llvm/Transforms/InstCombine/InstCombine.h>
#include <llvm/Transforms/Scalar/ADCE.h>
#include <llvm/Transforms/Scalar/EarlyCSE.h>
#include <llvm/Transforms/Scalar/LICM.h>
#include <llvm/Transforms/Scalar/LoopPassManager.h>
#include <llvm/Transforms/Scalar/SROA.h>
#include <llvm/Transforms/Scalar/SimplifyCFG.h>
#include <llvm/Transforms/Utils/SimplifyCFGOptions.h>

namespace heddle::codegen::cpu {

void optimise(::llvm::Module& module, ::llvm::TargetMachine& machine) {
    using namespace ::llvm;
    LoopAnalysisManager loops;
    FunctionAnalysisManager functions;
    CGSCCAnalysisManager components;
    ModuleAnalysisManager modules;
    PassBuilder builder(&machine);
    builder.registerModuleAnalyses(modules);
    builder.registerCGSCCAnalyses(components);
    builder.registerFunctionAnalyses(functions);
    builder.registerLoopAnalyses(loops);
    builder.crossRegisterProxies(loops, functions, components, modules);

    FunctionPassManager passes;
    passes.addPass(SROAPass(SROAOptions::ModifyCFG));
    passes.addPass(EarlyCSEPass(true));
    LoopPassManager hoisting;
    hoisting.addPass(LICMPass(LICMOptions{}));
    passes.addPass(createFunctionToLoopPassAdaptor(std::move(hoisting), /*UseMemorySSA=*/true));
    passes.addPass(InstCombinePass());
    passes.addPass(EarlyCSEPass());
    for (Function& function : module)
        if (!function.isDeclaration()) passes.run(function, functions);
}

} // namespace heddle::codegen::cpu
