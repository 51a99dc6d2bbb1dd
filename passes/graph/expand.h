#pragma once
// Structured ops that are others in disguise. A dot product is a sum of products over broadcast operands, with the contracted axes
// in front of the result's last axis where that one comes from the second operand, so that vectors lie along it. A
// reduction over axes of size 1 is its operand (a sum: added to 0, so that -0 gives 0 as in longer sums), one with a region the region applied once. A bitcast of bool is a cast, since kernels have bool as such only in memory.
//
//     before  %c = dot %a, %b {contract = [1, 0]} : f32[4, 5]            a: f32[4, 3], b: f32[3, 5]
//     after   %x = broadcast %a {dims = [0, 1]} : f32[4, 3, 5]; %y = broadcast %b {dims = [1, 2]} : f32[4, 3, 5]
//             %p = mul %x, %y : f32[4, 3, 5]; %c = sum %p {axes = [1]} : f32[4, 5]

#include "ir/function.h"

namespace heddle::passes {

ir::Function& expand(ir::Function& function);

} // namespace heddle::passes
