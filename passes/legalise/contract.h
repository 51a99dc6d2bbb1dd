#pragma once
// For kernels with fast_math: a float product whose only reader adds it or subtracts becomes one fma with it, which rounds once instead of
// twice. Runs before expand-math, whose expansions count on every rounding as it is written. Does nothing where the target's fma is
// not fused.
//
//     before  %p = mul %a, %b; %s = add %p, %c
//     after   %s = fma %a, %b, %c

#include "ir/function.h"
#include "ir/target.h"

namespace heddle::passes {

ir::Function& contract(ir::Function& kernel, const ir::Target& target);

} // namespace heddle::passes
