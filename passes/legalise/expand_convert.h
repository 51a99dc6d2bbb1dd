#pragma once
// Conversions with an answer for every value. Float to integer truncates and saturates, NaN gives 0; anything to bool asks whether it is
// not 0, and bool gives 0 or 1. bf16 is rounded and widened by shifts of its bits, NaN kept quiet (math/bfloat.h); for a GPU an even number of
// neighbours is taken from 32-bit words and put into them, and f32 is rounded to bf16 by the machine where
// the target has that (`has_bf16_rounding`). f64 and wide integers reach f16 and bf16 through an f32 rounded to odd, so that they are
// rounded once. f16 to f32 and back is left to the machine, which rounds to nearest even.
//
//     before  %i = cast %x : i32                                     (f32)
//     after   %h = ge %x, 2147483648.0; %l = lt %x, -2147483648.0; %n = ne %x, %x; %u = or (or %h, %l), %n; %s = select %u, 0.0, %x;
//             %t = cast %s : i32; %a = select %h, MAX, %t; %b = select %l, MIN, %a; %i = %b     (0 where NaN already)
//
//     before  %f = cast %x : f32<4>                                  (bf16<4>, for a GPU)
//     after   %w = bitcast %x : u32<2>; %l = shift_left %w, 16; %h = and %w, 0xFFFF0000; %a = bitcast %l : f32<2>; %b = bitcast %h : f32<2>;
//             %f = shuffle %a, %b {mask = [0, 2, 1, 3]}

#include "ir/function.h"
#include "ir/target.h"

namespace heddle::passes {

ir::Function& expand_convert(ir::Function& kernel, const ir::Target& target);

} // namespace heddle::passes
