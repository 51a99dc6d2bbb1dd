#pragma once
// Vulkan promises 2.5 ulp for a division whose divisor lies within 2^-126 and 2^126, and less for a square root. One step with the
// residual makes of the device's reciprocal and rsqrt what kernels and the math library count on: the nearest float or its
// neighbour, over all arguments that are no subnormals on devices that flush those. f64 is exact on every driver.
//
//     before  %q = div %a, %b                     (f32)
//     after   b and a scaled alike where b is extreme; y = 1 / b, q0 = a * y, e = a - q0 * b exactly, q = q0 + e * y;
//             q0 where it is zero, infinite or NaN, or e is no number
//
//     before  %s = sqrt %a
//     after   y = rsqrt(a), s0 = a * y, s = s0 + s0 / 2 * (1 - s0 * y); the device's root where a is no positive, normal, finite number
//
// Nothing is scaled where b is known never to be extreme. Where it is above zero and never small, but may be large, q0 = (a * r) * r with
// r = rsqrt(b), which has no extremes.
// The residual takes a fused fma, or, where the target's is not, products of halves of 12 bits, which are exact.

#include "ir/kernel_builder.h"
#include "ir/target.h"
#include "passes/math/expansion.h"

namespace heddle::passes {

/// What makes a division cheaper than one of any two numbers.
struct DivisionFacts {
    math::Interval divisor;    ///< not extreme on one side or both: no scaling for that
    bool only_rounded = false; ///< see passes/only_rounded.h: no step with the residual
};

/// a / b of f32, as above.
ir::NodeId quotient(ir::KernelBuilder& kernel, const ir::Target& target, ir::NodeId a, ir::NodeId b,
                    const DivisionFacts& facts);

ir::Function& correct_division(ir::Function& kernel, const ir::Target& target);

} // namespace heddle::passes
