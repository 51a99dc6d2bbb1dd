#include "passes/legalise/spirv_pipeline.h"

#include "passes/legalise/byte_booleans.h"
#include "passes/legalise/correct_division.h"
#include "passes/legalise/expand_bits.h"
#include "passes/legalise/expand_reduce.h"
#include "passes/legalise/grid_fold.h"
#include "passes/legalise/lower_predicates.h"
#include "passes/legalise/shuffle_words.h"
#include "passes/legalise/split_vectors.h"
#include "passes/legalise/widen_rebase.h"

#include <vector>

namespace heddle::passes {

std::span<const LegalisePass> spirv_passes() {
    static const std::vector<LegalisePass> passes = {
        {"widen-rebase", "offsets of pointers in 64 bits", widen_rebase},
        {"expand-reduce", "reductions between invocations as shuffles and shared memory", expand_reduce},
        {"expand-bits", "abs, sign, isnan, ... as bit operations", expand_bits},
        {"correct-division", "f32 division and square root with one residual step", correct_division},
        {"byte-booleans", "bool in buffers as a byte", byte_booleans},
        {"shuffle-words", "values of other sizes through subgroups as 32-bit words", shuffle_words},
        {"lower-predicates", "masked accesses as branches", lower_predicates},
        {"split-vectors", "vectors of at most four lanes", split_vectors},
        {"grid-fold", "long grids go on along y", grid_fold},
    };
    return passes;
}

ir::Function& legalise_for_spirv(ir::Function& kernel, const ir::Target& target) {
    ir::Function* current = &kernel;
    for (const LegalisePass& pass : spirv_passes()) current = &pass.run(*current, target);
    return *current;
}

} // namespace heddle::passes
