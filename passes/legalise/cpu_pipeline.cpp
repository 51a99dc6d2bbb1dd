#include "passes/legalise/cpu_pipeline.h"

#include "ir/kernel_builder.h"
#include "passes/expand_math.h"
#include "passes/legalise/check_access.h"
#include "passes/legalise/compute_type.h"
#include "passes/legalise/contract.h"
#include "passes/legalise/expand_bits.h"
#include "passes/legalise/expand_convert.h"
#include "passes/legalise/expand_integer.h"
#include "passes/legalise/expand_loops.h"
#include "passes/legalise/expand_minmax.h"
#include "passes/legalise/expand_vector_reduce.h"
#include "passes/legalise/reciprocal_division.h"
#include "passes/legalise/size_parameters.h"

#include <array>

namespace heddle::passes {

using ir::Op;

namespace {

OpSet ops_of(const ir::Function& kernel) {
    OpSet ops;
    for (u32 k = 0; k < kernel.size(); ++k) ops.add(kernel.op(ir::NodeId{k}));
    return ops;
}

} // namespace

ir::Function& run_passes(ir::Function& kernel, const ir::Target& target,
                         std::span<const LegalisePass> passes) {
    ir::Function* current = &kernel;
    const Math other = ir::kernel_info(kernel).fast_math ? Math::exact : Math::fast;
    OpSet present = ops_of(kernel);
    for (const LegalisePass& pass : passes) {
        if (pass.math == other || (pass.wanted != nullptr && !pass.wanted(target))) continue;
        if (!pass.ops.empty() && !pass.ops.meets(present)) continue;
        current = &pass.run(*current, target);
        present = ops_of(*current);
    }
    return *current;
}

std::span<const LegalisePass> cpu_passes() {
    static constexpr std::array table{
        LegalisePass{"check-access", "for tests: accesses outside their buffers are noted and left out",
                     check_access},
        LegalisePass{"expand-loops", "interleaved and unrolled loops written out", expand_loops,
                     OpSet::of(Op::for_loop)},
        LegalisePass{"compute-type", "f16 and bf16 arithmetic in f32", compute_type},
        LegalisePass{"reciprocal-division", "divisions by what divides often as products",
                     reciprocal_division, OpSet::of(Op::div), Math::fast},
        LegalisePass{"contract", "a product that is only added becomes an fma", contract, OpSet::of(Op::mul),
                     Math::fast},
        LegalisePass{"expand-math", "math rows as arithmetic", expand_math},
        LegalisePass{"expand-vector-reduce", "reductions over lanes as halving shuffles",
                     expand_vector_reduce, OpSet::of(Op::vector_reduce)},
        LegalisePass{"expand-minmax", "minimum and maximum as comparisons that keep NaN", expand_minmax,
                     OpSet::of(Op::minimum, Op::maximum, Op::maximum_number)},
        LegalisePass{"expand-integer", "integer arithmetic with an answer for every operand", expand_integer},
        LegalisePass{"expand-convert", "conversions with an answer for every value", expand_convert,
                     OpSet::of(Op::cast)},
        LegalisePass{"expand-bits", "abs, sign, isnan, ... as bit operations", expand_bits,
                     OpSet::of(Op::abs, Op::sign, Op::isnan, Op::isinf, Op::isfinite, Op::popcount)},
        LegalisePass{"size-parameters", "sizes that the entry point needs as parameters", size_parameters},
    };
    return table;
}

ir::Function& legalise_for_cpu(ir::Function& kernel, const ir::Target& target) {
    return run_passes(kernel, target, cpu_passes());
}

} // namespace heddle::passes
