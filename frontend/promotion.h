#pragma once
// Which dtype operands meet in: the table of docs/promotion.md.

#include "support/integers.h"

#include <heddle/dtype.h>

namespace heddle::detail {

/// Of two arrays.
Dtype promote(Dtype a, Dtype b);

/// What a number, or an array that counts as one, brings: it changes the dtype beside it only when its kind is above.
enum class NumberKind : u8 { boolean, integer, floating };

NumberKind kind_of(Dtype dtype);
/// Of an array and a number.
Dtype promote(Dtype array, NumberKind number);
/// Of numbers alone: bool, i32, f32.
Dtype default_dtype(NumberKind number);

/// What sums and products of a dtype are accumulated and returned in: 32 bits at least.
Dtype accumulated(Dtype dtype);
/// What functions of real numbers make of a dtype: itself if it is a float, else f32.
Dtype floating(Dtype dtype);

} // namespace heddle::detail
