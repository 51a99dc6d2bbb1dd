#pragma once
// For kernels with fast_math: a float divided by a constant, by a value that divides more than once, or by one from outside of the loop
// becomes a product with the reciprocal, which is computed once (emitters move it out of the loop). The quotient may differ by an ulp; where
// the reciprocal overflows (a divisor below 2^-128), it is infinite or NaN.
//
//     before  for ... { %q = div %x, %sum }
//     after   for ... { %r = div 1.0, %sum; %q = mul %x, %r }

#include "ir/function.h"
#include "ir/target.h"

namespace heddle::passes {

ir::Function& reciprocal_division(ir::Function& kernel, const ir::Target& target);

} // namespace heddle::passes
