#pragma once
// bf16 is the upper half of an f32: widening puts a zero half below it, rounding chooses between two neighbouring upper halves.

#include "passes/math/expansion.h"

namespace heddle::passes::math {

/// The upper 16 bits are x rounded to bf16, to nearest even; the lower ones are left over. NaN keeps its sign and is quiet.
template <class C> typename C::I round_to_bfloat(C& c, typename C::F x) {
    const typename C::I bits = c.bits(x), odd = c.shift_right_logical(bits, 16) & c.i(1);
    const typename C::I nearest = bits + (odd + c.i(0x7FFF)), quiet = bits | c.i(0x400000);
    return c.select(x != x, quiet, nearest);
}

} // namespace heddle::passes::math
