#pragma once
// The lanes of a vector, joined in a fixed tree: lane i with lane i + W/2 until one is left. LLVM's own float reductions fix no
// order that suits, and SPIR-V has none.
//
//     before  %s = vector_reduce %v {op = add}                                        (f32<4>)
//     after   %l = shuffle %v, %v {mask = [0, 1]}; %h = shuffle %v, %v {mask = [2, 3]}; %t = add %l, %h
//             %a = extract %t {at = 0}; %b = extract %t {at = 1}; %s = add %a, %b

#include "ir/function.h"
#include "ir/target.h"

namespace heddle::passes {

ir::Function& expand_vector_reduce(ir::Function& kernel, const ir::Target& target);

} // namespace heddle::passes
