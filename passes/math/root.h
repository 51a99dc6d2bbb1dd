#pragma once
// reciprocal and rsqrt: division and square root are correctly rounded, which makes these short.

#include "passes/math/expansion.h"

namespace heddle::passes::math {

template <class C> typename C::F reciprocal(C& c, typename C::F x) { return c.f(1) / x; }

template <class C> typename C::F rsqrt(C& c, typename C::F x) { return c.f(1) / c.sqrt(x); }

} // namespace heddle::passes::math
