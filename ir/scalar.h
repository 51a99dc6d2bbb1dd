#pragma once
// One element of one elementwise op: the definition of every row's FLOAT and INT column, used by the interpreter and the constant
// folder. Floats are computed in double and rounded by the caller's choice of precision; integers wrap at their width.

#include "ir/op.h"

#include <heddle/dtype.h>

#include <optional>

namespace heddle::ir {

/// An element while it is worked with: floats as a double (NaNs that were loaded also as their bits, in `whole`), everything else as
/// zero- or sign-extended bits.
struct Scalar {
    double real = 0;
    i64 whole = 0;
};

Scalar scalar_of(Dtype dtype, u64 bits);
u64 bits_of(Dtype dtype, Scalar value);

/// Rounds a float to the precision that arithmetic of the dtype is done in: f32 for f16, bf16 and f32, f64 for f64. Integers are
/// wrapped to their width.
Scalar rounded(Dtype dtype, Scalar value);

/// The op on elements of `dtype` (the operands' dtype; a select's second operand's). Predicates give 0 or 1 in `whole`. Nothing
/// where the row has no scalar definition for the dtype.
std::optional<Scalar> evaluate(Op op, Dtype dtype, Scalar a, Scalar b = {}, Scalar c = {});

/// cast: truncates and saturates floats to integers (NaN is 0), wraps integers, rounds floats to their own format.
Scalar convert(Dtype from, Dtype to, Scalar value);

} // namespace heddle::ir
