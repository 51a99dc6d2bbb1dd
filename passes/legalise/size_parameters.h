#pragma once
// Sizes that the CPU's entry point needs and the kernel may not have as parameters: the extents that split a flattened grid index, and
// where each local array too large for the stack lies in the thread's scratch memory. The pass adds them as size parameters
// to the end of the list, so launches are built from the parameters of the legalised kernel. Constants need none.
//
//     before  kernel @k(%x: ptr<f32>) {grid = [?m, ?n]} { %e = local : f32[?m] ... }
//     after   kernel @k(%x: ptr<f32>, %size0: index = ?m) {grid = [?m, ?n]} { ... }

#include "ir/function.h"
#include "ir/target.h"

#include <vector>

namespace heddle::passes {

/// Local arrays that live in scratch memory, and the bytes of it that a thread needs.
struct ScratchLayout {
    struct Array {
        ir::NodeId local;
        ir::DimId offset; ///< bytes, a multiple of 64
    };
    std::vector<Array> arrays;
    ir::DimId bytes;
};
/// Arrays of symbolic size, and constant ones of more than 16 KiB. The same before and after size_parameters.
ScratchLayout scratch_layout(const ir::Function& kernel);

ir::Function& size_parameters(ir::Function& kernel, const ir::Target& target);

/// The parameter that holds a size, invalid if there is none.
ir::NodeId parameter_of_size(const ir::Function& kernel, ir::DimId size);

} // namespace heddle::passes
