#pragma once
// Rows that are a few instructions on bits: abs, sign, isnan, isinf, isfinite. The tests look at the bits, for a device that
// does not promise to keep NaN may fold `x != x`. On a GPU popcount counts 32 bits at a time,
// and an f32 abs stays that is only computed or compared with: the device takes the magnitude as it reads it.
//
//     before  %n = isnan %x
//     after   %b = bitcast %x : u32; %m = and %b, 2147483647; %n = gt %m, 2139095040

#include "ir/function.h"
#include "ir/target.h"

namespace heddle::passes {

ir::Function& expand_bits(ir::Function& kernel, const ir::Target& target);

} // namespace heddle::passes
