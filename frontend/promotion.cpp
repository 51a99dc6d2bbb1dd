#include "frontend/promotion.h"

#include <algorithm>

namespace heddle::detail {

namespace {

Dtype promote_floats(Dtype a, Dtype b) {
    if (a == b) return a;
    // f16 and bf16: neither holds the other's values.
    if (std::max(a, b) == Dtype::bf16) return Dtype::f32;
    return std::max(a, b);
}

Dtype promote_integers(Dtype a, Dtype b) {
    if (is_signed_integer(a) == is_signed_integer(b)) return std::max(a, b);
    const Dtype with_sign = is_signed_integer(a) ? a : b;
    const Dtype without = is_signed_integer(a) ? b : a;
    if (size_of(with_sign) > size_of(without)) return with_sign;
    switch (size_of(without)) {
    case 1: return Dtype::i16;
    case 2: return Dtype::i32;
    default: return Dtype::i64;
    }
}

} // namespace

Dtype promote(Dtype a, Dtype b) {
    if (a == b) return a;
    if (a == Dtype::boolean) return b;
    if (b == Dtype::boolean) return a;
    if (is_float(a) && is_float(b)) return promote_floats(a, b);
    if (is_float(a)) return a;
    if (is_float(b)) return b;
    return promote_integers(a, b);
}

NumberKind kind_of(Dtype dtype) {
    if (dtype == Dtype::boolean) return NumberKind::boolean;
    return is_float(dtype) ? NumberKind::floating : NumberKind::integer;
}

Dtype default_dtype(NumberKind number) {
    switch (number) {
    case NumberKind::boolean: return Dtype::boolean;
    case NumberKind::integer: return Dtype::i32;
    case NumberKind::floating: return Dtype::f32;
    }
    return Dtype::f32;
}

Dtype promote(Dtype array, NumberKind number) {
    return kind_of(array) >= number ? array : default_dtype(number);
}

Dtype accumulated(Dtype dtype) {
    switch (dtype) {
    case Dtype::boolean:
    case Dtype::i8:
    case Dtype::i16: return Dtype::i32;
    case Dtype::u8:
    case Dtype::u16: return Dtype::u32;
    case Dtype::i32:
    case Dtype::i64:
    case Dtype::u32:
    case Dtype::u64:
    case Dtype::f16:
    case Dtype::bf16:
    case Dtype::f32:
    case Dtype::f64:
    case Dtype::index: return dtype;
    }
    return dtype;
}

Dtype floating(Dtype dtype) { return is_float(dtype) ? dtype : Dtype::f32; }

} // namespace heddle::detail
