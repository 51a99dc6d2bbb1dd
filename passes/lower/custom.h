#pragma once
// A `custom` op to a kernel that can be launched: the user's, with the op's sizes in the place of the symbols that it was written with.
//
//     before  %z = custom %x {code = scale_1f..., sizes = [?a * ?b]} : f32[?a, ?b]
//             kernel @scale(%x: ptr<f32>, %z: ptr<f32>, %n: index = ?n) {target = cpu, grid = [?n], ...} { ... }
//     after   kernel @scale(%x: ptr<f32>, %z: ptr<f32>, %n: index = ?a * ?b) {target = cpu, grid = [?a * ?b], ...} { ... }

#include "passes/plan.h"

namespace heddle::passes {

/// How many variants there are for a target. UsageError where the user gave no code for it.
std::size_t count_custom(const ir::Function& function, ir::NodeId node, const ir::Target& target);
/// One of them, by its place in the order in which a launch tries them. It has as conditions that its 32-bit sizes fit.
Kernel lower_custom(const ir::Function& function, ir::NodeId node, const ir::Target& target,
                    std::size_t number);

} // namespace heddle::passes
