#pragma once
// Whether 32 bits hold a kernel's indices. Each expression that an instruction needs exactly (Evaluator::exact) is put at its largest:
// axes at the end of their range, quotients and remainders at their bounds. What is not proven to stay within the target's
// limit becomes a condition of the variant; behind it stands one whose indices have 64 bits.
//
//     %x: f32[?n, ?m], offset d0 * ?m + d1    ->    when ?n * ?m <= 2147418112

#include "passes/lower/evaluator.h"

namespace heddle::passes {

/// The conditions under which indices of 32 bits are enough, over the sizes of the graph's module; a constant that is too large
/// gives one that never holds. A kernel runs only where its kept axes have elements.
std::vector<ir::Fact> width_conditions(const KernelSource& source, std::span<const ir::DimId> exact);

} // namespace heddle::passes
