#pragma once
// reciprocal and rsqrt: division and square root are correctly rounded, which makes these short. Devices whose own rsqrt is as
// accurate as ours has to be give it where the argument is no zero, no subnormal and not negative.

#include "passes/math/expansion.h"

namespace heddle::passes::math {

template <class C> typename C::F reciprocal(C& c, typename C::F x) { return c.f(1) / x; }

template <class C> typename C::F rsqrt(C& c, typename C::F x, Interval range = {}) {
    if (c.native_rsqrt() && range.low >= Format<C>::smallest_normal) return c.rsqrt(x);
    return c.f(1) / c.sqrt(x);
}

} // namespace heddle::passes::math
