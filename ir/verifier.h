#pragma once
// The rules of the IR, checked. Every pass may rely on them and must keep them; the pass driver verifies at each boundary. What a
// rule says is in docs/hir.md, under the numbers used here:
//
//   1 operands are defined before, in the same or an enclosing region; types follow from the op's rule
//   2 accesses match their memory's dtype; alignments are powers of two, no less than an element
//   3 masks have one lane, or the access'
//   4 sizes are made of declared symbols
//   5 carried, yielded and result types agree; interleaved loops say how to combine
//   6 barriers and block operations stand in block-uniform control flow, subgroup operations in subgroup-uniform
//   7 a CPU kernel has nothing between invocations
//   8 block, shared memory and parameters are within the target
//   9 `inplace` names pairs of pointers to one dtype

#include "ir/function.h"
#include "ir/target.h"

#include <string>
#include <vector>

namespace heddle::ir {

struct Diagnostic {
    int rule = 0;
    NodeId node;         ///< invalid where the function itself is wrong
    std::string message; ///< `@f: %y = add: operands ...`, with the user's file and line if the node has one
};

/// Everything that is wrong, in the order of the text. With a target, its limits are checked too.
std::vector<Diagnostic> diagnose(const Function& function, const Target* target = nullptr);

/// Throws InternalError with the first diagnostic (and how many more there are).
void verify(const Function& function, const Target* target = nullptr);
void verify(const Module& module);

} // namespace heddle::ir
