#pragma once
// Every device swaps 32-bit words between the invocations of a subgroup; bool, 8, 16 and 64 bits only some. So values of other
// sizes go through as words: narrow ones widened, wide ones by halves.
//
//     before  %s = subgroup_shuffle_xor %v {mask = 1}        (%v: f64)
//     after   %b = bitcast %v : u64; the halves as u32, each shuffled, put together again, and cast back

#include "ir/function.h"
#include "ir/target.h"

namespace heddle::passes {

ir::Function& shuffle_words(ir::Function& kernel, const ir::Target& target);

} // namespace heddle::passes
