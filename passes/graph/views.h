#pragma once
// Movement ops become index maps. Every chain of broadcast, reshape, transpose, slice, flip and pad becomes one `view`;
// concatenate becomes a select over padded views. Afterwards no movement op but `view` is left, a view never reads a view (unless
// both have bounds and their fills differ), and a view that reads its operand as it is has gone.
//
//     before  %a = transpose %x {permutation = [1, 0]} : f32[4, 3]; %b = flip %a {axes = [0]} : f32[4, 3]
//     after   %b = view %x[d0, d1 -> d1, 3 - d0] : f32[4, 3]

#include "ir/function.h"

namespace heddle::passes {

ir::Function& views(ir::Function& function);

} // namespace heddle::passes
