#include <heddle/materialized.h>

#include "frontend/value.h"

namespace heddle {

using namespace detail;

namespace {

/// Waits for what make_concrete() has started.
void await(const Array& array) { runtime::wait_before_read(*array.value()->buffer); }

} // namespace

MaterializedArray materialize(const Array& x, Array::Where where) {
    make_concrete(x, "materialize", where);
    await(x);
    return MaterializedArray(x);
}

std::vector<MaterializedArray> materialize(std::span<const Array> arrays, Array::Where where) {
    for (const Array& array : arrays)
        if (checked(array, "materialize", where).now() == State::tracer)
            make_concrete(array, "materialize", where);
    eval(arrays, where);
    std::vector<MaterializedArray> result;
    result.reserve(arrays.size());
    for (const Array& array : arrays) {
        await(array);
        result.push_back(MaterializedArray(array));
    }
    return result;
}

MaterializedArray Array::materialized(Where where) const { return materialize(*this, where); }

} // namespace heddle
