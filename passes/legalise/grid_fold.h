#pragma once
// A grid that may be longer along an axis than the device counts: its blocks are numbered, the numbers run along x and go on along y,
// and the kernel finds its place from them. Blocks behind the end do nothing. Kernels whose extents are known to fit stay as they are.
//
//     before  grid = [?n, ?m]           %g = grid_index 0; %h = grid_index 1
//     after   grid = [min(?n * ?m, 65535), ceildiv(?n * ?m, 65535)], and parameters %blocks = ?n * ?m, %columns = ?n
//             %x = grid_index 0; %y = grid_index 1; %b = index %y * 65535 + %x; %in = lt %b, %blocks;
//             if %in { %g = index %b % %columns; %h = index %b / %columns; ... }

#include "ir/function.h"
#include "ir/target.h"

namespace heddle::passes {

ir::Function& grid_fold(ir::Function& kernel, const ir::Target& target);

} // namespace heddle::passes
