#pragma once
// f16 and bf16 exist in memory only: arithmetic on them is f32. Values are widened when loaded, and rounded to nearest even when they are
// stored, and where the user's own `cast` or `bitcast` asks for the 16-bit value; nowhere else. Local and shared arrays hold f32.
//
//     before  %a = load %x[%i] : f16<16>; %b = mul %a, %a; store %b, %y[%i]
//     after   %h = load %x[%i] : f16<16>; %a = cast %h : f32<16>; %b = mul %a, %a; %r = cast %b : f16<16>; store %r, %y[%i]

#include "ir/function.h"
#include "ir/target.h"

namespace heddle::passes {

ir::Function& compute_type(ir::Function& kernel, const ir::Target& target);

} // namespace heddle::passes
