#include "passes/legalise/spirv_pipeline.h"

#include <vector>

namespace heddle::passes {

std::span<const LegalisePass> spirv_passes() {
    static const std::vector<LegalisePass> passes = {};
    return passes;
}

ir::Function& legalise_for_spirv(ir::Function& kernel, const ir::Target& target) {
    ir::Function* current = &kernel;
    for (const LegalisePass& pass : spirv_passes()) current = &pass.run(*current, target);
    return *current;
}

} // namespace heddle::passes
