#pragma once
// Devices that take subnormal numbers as zeros, give zeros in their place, or do either here and there. What such a device gives is
// right if it follows from the inputs as they are or from the inputs with their subnormals at zero.

#include "ir/interpreter.h"
#include "ir/target.h"

namespace heddle::tools {

/// True where the target does not promise to keep subnormals of the dtype.
bool flushes(Dtype dtype, const ir::Target& target);
/// True if there is such a dtype.
bool flushes_subnormals(const ir::Target& target);

/// The arrays with zeros of the same sign in place of the subnormals that the target may flush.
std::vector<ir::Tensor> flush_subnormals(std::vector<ir::Tensor> tensors, const ir::Target& target);

/// By element of a result of that size: a quotient that is rounded to an integer, or its rest, has a subnormal operand there. Empty where
/// the function has no such op.
std::vector<bool> lost_quotients(const ir::Function& function, const std::vector<ir::Tensor>& inputs,
                                 std::size_t elements);

/// Is `got` a zero where `wanted` is the smallest normal number of that sign? Some results are it by rounding only, and flushed before.
bool is_lost(Dtype dtype, u64 got, u64 wanted);

/// `bits` as it is when flushed.
u64 flushed(Dtype dtype, u64 bits);

} // namespace heddle::tools
