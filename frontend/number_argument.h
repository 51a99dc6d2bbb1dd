#pragma once
// Numbers that compiled functions are called with.

#include "support/integers.h"

#include <heddle/dtype.h>
#include <heddle/operand.h>

#include <string>

namespace heddle::detail {

/// The dtype that a number argument has, and its bits in it. DtypeError, naming the function, for an integer that does not fit.
Dtype number_dtype(const Operand& number);
u64 number_bits(const Operand& number, const std::string& function);

} // namespace heddle::detail
