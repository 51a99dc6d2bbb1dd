#pragma once
// Folds constants and removes arithmetic that changes nothing, conversions by way of a wider integer, and all computation of arrays
// without elements. Floating identities are exact for every value, NaN, infinities and signed zeros included: x * 1, x / 1, x - 0,
// x + -0, --x. Never x * 0, x - x or x + 0. Signs move outwards through products, quotients and odd functions, and into sums: a * -b is
// -(a * b), erf(-x) is -erf(x), a + -b is a - b.
//
//     before  %a = mul 2.0, 3.0 : f32[]; %b = mul %x, 1.0 : f32[?n]; %c = add %b, %a : f32[?n]
//     after   %c = add %x, 6.0 : f32[?n]

#include "ir/function.h"

namespace heddle::passes {

ir::Function& simplify(ir::Function& function);

} // namespace heddle::passes
