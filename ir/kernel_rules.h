#pragma once
// Type rules of the kernel level, as builder.h has those of the graph level: what an op gives, from its operands, its attributes
// and, where only the writer can know (the width of a load), the type it is said to have.

#include "ir/function.h"

namespace heddle::ir {

/// The type of a kernel op. `given` is the type it has or was written with; invalid if none was. Throws ShapeError or
/// DtypeError, without a location, when operands, attributes or `given` break the op's rule. Types of loops and
/// conditions are taken as given.
TypeId infer_kernel_type(Function& function, Op op, std::span<const NodeId> operands, AttributesId attributes,
                         TypeId given);

/// Vector widths: 1 (a scalar) to 64, powers of two.
bool is_lane_count(i64 lanes);

} // namespace heddle::ir
