#pragma once
// What functions over the ops share. Each of them pushes its caller's place as a Scope, so that what it records names the user's line.

#include "frontend/emit.h"
#include "frontend/location.h"

#include <heddle/functions.h>

namespace heddle::detail {

/// The operand as an array.
Array array_of(const Operand& a);
/// The operands as arrays of the dtype that they meet in: a number beside an array is of the array's dtype.
std::vector<Array> arrays_of(std::initializer_list<const Operand*> operands);
/// In the dtype that statistics are computed in: f32 at least.
Array wide(const Operand& a);
/// The dtype of the result of a statistic of `a`.
Dtype result_dtype(const Operand& a);

} // namespace heddle::detail
