#pragma once
// Every math row (exp, sin, erf, power, ...) of a kernel becomes kernel IR: the expansions of passes/math, with the bounds
// of docs/math.md. f32 and f64; 16-bit floats are widened to f32 around the expansion. Floats only: integers are
// expand-integer's. A bounded argument (passes/intervals.h) leaves out the steps that the bound makes needless, a result that is
// only ever rounded to f16 or bf16 takes the short form, and `fma` counts as fused only where the target says so. With fast_math, f32 takes
// the short form everywhere, and on a GPU the rows that Vulkan has functions for stay (exp, log, sin, tanh, ...) or use those (power).
//
//     before  %y = exp %x : f32<16>
//     after   %t = fma %x, 1.44269502, 12583166.0; %n = sub %t, 12583166.0; ... : no math row is left (exact) but the device's own exp2 and rsqrt

#include "ir/function.h"
#include "ir/target.h"

namespace heddle::passes {

ir::Function& expand_math(ir::Function& kernel, const ir::Target& target);

} // namespace heddle::passes
