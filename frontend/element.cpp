#include <heddle/element.h>

#include "support/numeric.h"

namespace heddle {

Float16::Float16(float value) : bits(f16_bits(value)) {}
Float16::operator float() const { return static_cast<float>(f16_value(bits)); }
BFloat16::BFloat16(float value) : bits(bf16_bits(value)) {}
BFloat16::operator float() const { return static_cast<float>(bf16_value(bits)); }

} // namespace heddle
