#pragma once
// Element values as bits: rounding to each dtype and back. 16-bit floats round to nearest even, NaN stays NaN.

#include "support/integers.h"

#include <heddle/dtype.h>

namespace heddle {

u16 f16_bits(double value);
u16 bf16_bits(double value);
double f16_value(u16 bits);
double bf16_value(u16 bits);

/// `value` rounded to dtype: floats to nearest even; to integers truncated and saturated, NaN as 0; to bool, is it not 0.
u64 bits_of(Dtype dtype, double value);
/// `value` converted to dtype: integers wrap, floats round once; to bool, is it not 0.
u64 bits_of(Dtype dtype, i64 value);
/// The value of an element of a floating dtype, exact. Integers are converted (64-bit ones may round).
double value_of(Dtype dtype, u64 bits);
/// The value of an integer or bool element, sign- or zero-extended.
i64 integer_of(Dtype dtype, u64 bits);

/// Bits of an element in memory, zero-extended, and back.
u64 load_bits(Dtype dtype, const void* element);
void store_bits(Dtype dtype, void* element, u64 bits);

/// Lowest and highest value of a dtype, as bits: -inf and inf for floats.
u64 lowest_bits(Dtype dtype);
u64 highest_bits(Dtype dtype);

} // namespace heddle
