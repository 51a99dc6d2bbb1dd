#pragma once
// SPIR-V's vectors end at four lanes, so wider values become parts of four; and no pointer into shared or local memory gives
// several elements at once, so vector accesses to arrays of scalars go one by one. Vectors of 8- and 16-bit elements in buffers
// that are aligned move as 32-bit words, up to 16 bytes an access; what asks for those words by a bitcast gets them as they were loaded,
// and what was cast from words is stored as those. Runs behind lower_predicates.
//
//     before  %v = load %x[%i] {align = 16} : f16<8>
//     after   %p = rebase %x, %i; %q = bitcast %p : ptr<u32>; %w = load %q[0] {align = 16} : u32<4>
//             %l = shuffle %w, %w {mask = [0, 1]}; %a = bitcast %l : f16<4>; ...

#include "ir/function.h"
#include "ir/target.h"

namespace heddle::passes {

ir::Function& split_vectors(ir::Function& kernel, const ir::Target& target);

} // namespace heddle::passes
