#pragma once
// A grid that may be longer than the device counts along x goes on along y: the kernel finds its place from both, and blocks
// behind the end do nothing. Kernels whose extent is known to fit stay as they are.
//
//     before  grid = [?n]               %g = grid_index 0
//     after   grid = [min(?n, 65535), ceildiv(?n, 65535)], and a parameter %blocks = ?n
//             %x = grid_index 0; %y = grid_index 1; %g = index %y * 65535 + %x; %in = lt %g, %blocks; if %in { ... }

#include "ir/function.h"
#include "ir/target.h"

namespace heddle::passes {

ir::Function& grid_fold(ir::Function& kernel, const ir::Target& target);

} // namespace heddle::passes
