#pragma once
// Element values as text. Floats are written with the fewest digits that read back to the same bits; NaNs that are not the
// usual one keep their payload as `bits(0x7fc00001)`.

#include "support/integers.h"

#include <heddle/dtype.h>

#include <optional>
#include <string>
#include <string_view>

namespace heddle::ir {

/// `true`, `-7`, `0.5`, `-inf`, `nan`, `bits(0x7fc00001)`.
std::string literal_text(Dtype dtype, u64 bits);

/// A number as it stands in the text: digits (or `inf`, `nan`, `true`, `false`), the sign apart.
struct Literal {
    std::string_view digits;
    bool negative = false;
    bool is_bits = false; ///< bits(0x...), digits are the hexadecimal number
};

/// Bits of the literal as an element of dtype, rounded to nearest; nothing if it is no value of that dtype.
std::optional<u64> literal_bits(Dtype dtype, const Literal& literal);

} // namespace heddle::ir
