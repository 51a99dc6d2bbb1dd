#include "passes/legalise/spirv_pipeline.h"

#include "passes/expand_math.h"
#include "passes/legalise/byte_booleans.h"
#include "passes/legalise/check_access.h"
#include "passes/legalise/compute_type.h"
#include "passes/legalise/contract.h"
#include "passes/legalise/correct_division.h"
#include "passes/legalise/expand_bits.h"
#include "passes/legalise/expand_convert.h"
#include "passes/legalise/expand_integer.h"
#include "passes/legalise/expand_loops.h"
#include "passes/legalise/expand_minmax.h"
#include "passes/legalise/expand_reduce.h"
#include "passes/legalise/expand_vector_reduce.h"
#include "passes/legalise/grid_fold.h"
#include "passes/legalise/hide_zeros.h"
#include "passes/legalise/lower_predicates.h"
#include "passes/legalise/narrow_compare.h"
#include "passes/legalise/reciprocal_division.h"
#include "passes/legalise/shuffle_words.h"
#include "passes/legalise/signed_selects.h"
#include "passes/legalise/split_vectors.h"
#include "passes/legalise/widen_rebase.h"

#include <array>

namespace heddle::passes {

using ir::Op;

// Reductions bring arithmetic, math brings divisions and guards over lanes, so both are expanded before what they bring.
std::span<const LegalisePass> spirv_passes() {
    static constexpr std::array table{
        LegalisePass{"check-access", "for tests: accesses outside their buffers are noted and left out",
                     check_access},
        LegalisePass{"widen-rebase", "offsets of pointers in 64 bits", widen_rebase, OpSet::of(Op::rebase)},
        LegalisePass{"expand-loops", "interleaved and unrolled loops written out", expand_loops,
                     OpSet::of(Op::for_loop)},
        LegalisePass{"compute-type", "f16 and bf16 arithmetic in f32", compute_type},
        LegalisePass{"expand-reduce", "reductions between invocations as shuffles and shared memory",
                     expand_reduce, OpSet::of(Op::subgroup_reduce, Op::block_reduce)},
        LegalisePass{"shuffle-words", "values of other sizes through subgroups as 32-bit words",
                     shuffle_words, OpSet::of(Op::subgroup_shuffle_xor, Op::subgroup_broadcast)},
        LegalisePass{"reciprocal-division", "divisions by what divides often as products",
                     reciprocal_division, OpSet::of(Op::div), Math::fast},
        LegalisePass{"contract", "a product that is only added becomes an fma", contract, OpSet::of(Op::mul),
                     Math::fast},
        LegalisePass{"expand-math", "math rows as arithmetic", expand_math},
        LegalisePass{"expand-vector-reduce", "reductions over lanes as halving shuffles",
                     expand_vector_reduce, OpSet::of(Op::vector_reduce)},
        LegalisePass{"expand-minmax", "minimum and maximum as comparisons that keep NaN", expand_minmax,
                     OpSet::of(Op::minimum, Op::maximum)},
        LegalisePass{"expand-integer", "integer arithmetic with an answer for every operand", expand_integer},
        LegalisePass{"narrow-compare", "comparisons of widened integers in their own width", narrow_compare,
                     OpSet::of(Op::cast)},
        LegalisePass{"signed-selects", "choices between 1 and 0 that keep the zero's sign", signed_selects,
                     OpSet::of(Op::select)},
        LegalisePass{"byte-booleans", "bool in buffers as a byte", byte_booleans},
        LegalisePass{"expand-convert", "conversions with an answer for every value", expand_convert,
                     OpSet::of(Op::cast)},
        LegalisePass{"expand-bits", "abs, sign, isnan, ... as bit operations", expand_bits,
                     OpSet::of(Op::abs, Op::sign, Op::isnan, Op::isinf, Op::isfinite, Op::popcount)},
        LegalisePass{"correct-division", "f32 division and square root with one residual step",
                     correct_division, OpSet::of(Op::div, Op::sqrt), Math::exact},
        LegalisePass{"hide-zeros", "zeros that the software driver would fold wrongly", hide_zeros, OpSet(),
                     Math::any, [](const ir::Target& target) { return target.folds_zeros; }},
        LegalisePass{"lower-predicates", "masked accesses as branches", lower_predicates},
        LegalisePass{"split-vectors", "vectors of at most four lanes", split_vectors},
        LegalisePass{"grid-fold", "long grids go on along y", grid_fold},
    };
    return table;
}

ir::Function& legalise_for_spirv(ir::Function& kernel, const ir::Target& target) {
    return run_passes(kernel, target, spirv_passes());
}

} // namespace heddle::passes
