#include "frontend/number_argument.h"

#include "frontend/location.h"
#include "support/numeric.h"

#include <heddle/error.h>

#include <fmt/format.h>

namespace heddle::detail {

Dtype number_dtype(const Operand& number) {
    switch (number.kind()) {
    case Operand::Kind::boolean: return Dtype::boolean;
    case Operand::Kind::integer:
    case Operand::Kind::unsigned_integer: return Dtype::i32;
    case Operand::Kind::floating: return Dtype::f32;
    case Operand::Kind::array:
    case Operand::Kind::dim: break;
    }
    throw InternalError("no number");
}

u64 number_bits(const Operand& number, const std::string& function) {
    const Dtype dtype = number_dtype(number);
    if (dtype == Dtype::f32) return bits_of(dtype, number.floating());
    const i64 value = number.integer();
    if (dtype == Dtype::i32 && (value != static_cast<i32>(value)))
        throw DtypeError(fmt::format("{}: number {} does not fit i32; pass an Array ({})", function, value,
                                     text(number.where())));
    return bits_of(dtype, value);
}

} // namespace heddle::detail
