#pragma once
// What a CPU kernel goes through before codegen/llvm sees it, in order, as data.

#include "passes/legalise/pass.h"

namespace heddle::passes {

std::span<const LegalisePass> cpu_passes();

/// Runs them all. Gives the kernel that stands in the place of `kernel`, which is gone. It may have more size parameters, so launches are
/// made from the legalised kernel, with the scratch of size_parameters.h.
ir::Function& legalise_for_cpu(ir::Function& kernel, const ir::Target& target);

} // namespace heddle::passes
