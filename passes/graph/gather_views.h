#pragma once
// Gathers through views. A gather reads its first operand at places that no index map describes, so the operand is in memory as it
// lies; where it is a view of something, the view's map is applied to the indices instead, as integer arithmetic. Needs `views`
// to have run; afterwards no gather reads a view, nor an iota, whose elements are their places.
//
//     before  %v = view %x[d0 -> d0 / 3, d0 % 3] : f32[6]; %y = gather %v, %i : f32[2]
//     after   %c = clipped %i; %r = floor_divide %c, 3; %k = remainder %c, 3; %y = gather %x, %r, %k : f32[2]

#include "ir/function.h"

namespace heddle::passes {

ir::Function& gather_views(ir::Function& function);

/// The sizes among those of a gather's table that may be 0 although the result has elements: what is gathered is 0 where one is.
std::vector<ir::DimId> sizes_that_may_be_0(const ir::Function& function, ir::NodeId gather);

} // namespace heddle::passes
