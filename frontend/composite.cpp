#include "frontend/composite.h"

namespace heddle::detail {

Array array_of(const Operand& a) {
    if (a.is_array()) {
        checked(a.array(), std::string(composite_name()).c_str(), a.where());
        return a.array();
    }
    return record("constant", a, [&](Emitter& emitter) { return emitter.node(a); });
}

Array wide(const Operand& a) {
    const Array array = array_of(a);
    const Dtype dtype = floating(array.dtype());
    return cast(array, size_of(dtype) < 4 ? Dtype::f32 : dtype);
}

Dtype result_dtype(const Operand& a) { return a.is_array() ? floating(a.array().dtype()) : Dtype::f32; }

} // namespace heddle::detail
