#pragma once
// A pointer moves by an offset that may pass 2^31 elements although every index fits 32 bits (row number times row length), so
// the offset's arithmetic is done again in 64 bits. Runs while offsets are still plain expressions; nothing is done where indices have
// 64 bits, and where the device has no 64-bit integers (there the guard of the kernel covers the whole offset).
//
//     before  %p = rebase %x, %row * %m
//     after   %r = cast %row : i64; %l = cast %m : i64; %o = mul %r, %l; %p = rebase %x, %o

#include "ir/function.h"
#include "ir/target.h"
#include "passes/rewrite.h"

namespace heddle::passes {

/// The value of an index expression of the old kernel, computed in i64.
ir::NodeId wide_index(Rewriter& rewriter, ir::NodeId old);

ir::Function& widen_rebase(ir::Function& kernel, const ir::Target& target);

} // namespace heddle::passes
