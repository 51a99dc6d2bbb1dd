#include "frontend/composite.h"

namespace heddle::detail {

Array array_of(const Operand& a) {
    if (a.is_array()) {
        checked(a.array(), std::string(composite_name()).c_str(), a.where());
        return a.array();
    }
    return record("constant", a, [&](Emitter& emitter) { return emitter.node(a); });
}

std::vector<Array> arrays_of(std::initializer_list<const Operand*> operands) {
    std::vector<Array> result;
    for (const Operand* one : operands) {
        if (one->is_array()) checked(one->array(), std::string(composite_name()).c_str(), one->where());
        result.push_back(
            record("cast", one->where(), std::span(operands.begin(), operands.size()), [&](Emitter& emitter) {
                return emitter.node(*one, emitter.common_dtype(std::span(operands.begin(), operands.size())));
            }));
    }
    return result;
}

Array wide(const Operand& a) {
    const Array array = array_of(a);
    const Dtype dtype = floating(array.dtype());
    return cast(array, size_of(dtype) < 4 ? Dtype::f32 : dtype);
}

Dtype result_dtype(const Operand& a) { return a.is_array() ? floating(a.array().dtype()) : Dtype::f32; }

} // namespace heddle::detail
