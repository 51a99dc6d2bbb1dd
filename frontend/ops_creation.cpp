// Creation: constants, ramps, triangles.

#include "frontend/emit.h"

#include "frontend/location.h"

#include <heddle/error.h>
#include <heddle/functions.h>

#include <fmt/format.h>

#include <cmath>

namespace heddle {

using namespace detail;

Array full(const Shape& shape, const Operand& value, std::optional<Dtype> dtype) {
    return record("full", value, [&](Emitter& emitter) {
        ir::NodeId node = dtype && value.is_number() ? emitter.node(value, *dtype) : emitter.node(value);
        if (dtype) node = emitter.builder().cast(node, *dtype);
        return emitter.broadcast(node, emitter.dim_list(shape));
    });
}

namespace {

Array filled(const char* name, const Shape& shape, i64 value, Dtype dtype, Array::Where where) {
    return record(name, where, {}, [&](Emitter& emitter) {
        return emitter.broadcast(emitter.builder().number(dtype, value), emitter.dim_list(shape));
    });
}

Array filled_like(const char* name, const Operand& a, i64 value) {
    return record(name, a, [&](Emitter& emitter) {
        const ir::NodeId node = emitter.node(a);
        const std::vector<ir::DimId> shape(emitter.shape(node).begin(), emitter.shape(node).end());
        return emitter.broadcast(emitter.builder().number(emitter.function().dtype(node), value), shape);
    });
}

} // namespace

Array zeros(const Shape& shape, Dtype dtype, Array::Where where) {
    return filled("zeros", shape, 0, dtype, where);
}
Array ones(const Shape& shape, Dtype dtype, Array::Where where) {
    return filled("ones", shape, 1, dtype, where);
}
Array zeros_like(const Operand& a) { return filled_like("zeros_like", a, 0); }
Array ones_like(const Operand& a) { return filled_like("ones_like", a, 1); }

Array full_like(const Operand& a, const Operand& value, std::optional<Dtype> dtype) {
    return record("full_like", a, value, [&](Emitter& emitter) {
        const ir::NodeId like = emitter.node(a);
        const Dtype wanted = dtype.value_or(emitter.function().dtype(like));
        const std::vector<ir::DimId> shape(emitter.shape(like).begin(), emitter.shape(like).end());
        const ir::NodeId node = emitter.builder().cast(
            value.is_number() ? emitter.node(value, wanted) : emitter.node(value), wanted);
        return emitter.broadcast(node, shape);
    });
}

Array iota(const Shape& shape, int axis, Dtype dtype, Array::Where where) {
    return record("iota", where, {}, [&](Emitter& emitter) {
        return emitter.builder().iota(dtype, emitter.dim_list(shape),
                                      static_cast<u32>(emitter.axis(axis, shape.rank())));
    });
}

Array arange(const Dim& count, Dtype dtype, Array::Where where) {
    return iota({max(count, Dim(0))}, 0, dtype, where);
}

Array arange(double start, double stop, double step, Dtype dtype, Array::Where where) {
    const Scope scope("arange", where);
    if (step == 0 || !std::isfinite(start) || !std::isfinite(stop) || !std::isfinite(step))
        throw ShapeError(fmt::format("arange: from {} to {} by {} ({})", start, stop, step, text(where)));
    const double steps = std::ceil((stop - start) / step);
    const i64 count = steps > 0 ? static_cast<i64>(steps) : 0;
    const Array ramp = iota({count}, 0, is_float(dtype) ? dtype : Dtype::i64, where);
    return cast(ramp * literal(step) + literal(start), dtype);
}

Array linspace(double start, double stop, const Dim& count, bool endpoint, Dtype dtype, Array::Where where) {
    const Scope scope("linspace", where);
    const Dim gaps = endpoint ? max(count - 1, Dim(1)) : count;
    const Array ramp = iota({count}, 0, floating(dtype), where) / size(gaps, floating(dtype), where);
    // The last element is `stop` itself.
    const Array line = literal(start) * (literal(1) - ramp) + literal(stop) * ramp;
    return cast(line, dtype);
}

Array size(const Dim& dim, Dtype dtype, Array::Where where) {
    return record("size", where, {},
                  [&](Emitter& emitter) { return emitter.builder().dim(dtype, emitter.dim(dim)); });
}

namespace {

/// Column less row.
Array diagonal_number(const Dim& rows, const Dim& columns, Array::Where where) {
    return iota({rows, columns}, 1, Dtype::i32, where) - iota({rows, columns}, 0, Dtype::i32, where);
}

Array triangle(const char* name, const Operand& a, int k, bool lower) {
    const Scope scope(name, a.where());
    const Array whole = a.is_array() ? a.array() : cast(a, Dtype::f32);
    const Array number = diagonal_number(whole.shape(-2, a.where()), whole.shape(-1, a.where()), a.where());
    return select(lower ? number <= literal(k) : number >= literal(k), whole, zeros_like(whole));
}

} // namespace

Array tri(const Dim& rows, const Dim& columns, int k, Dtype dtype, Array::Where where) {
    const Scope scope("tri", where);
    return cast(diagonal_number(rows, columns, where) <= literal(k), dtype);
}

Array eye(const Dim& rows, std::optional<Dim> columns, int k, Dtype dtype, Array::Where where) {
    const Scope scope("eye", where);
    return cast(diagonal_number(rows, columns.value_or(rows), where) == literal(k), dtype);
}

Array tril(const Operand& a, int k) { return triangle("tril", a, k, true); }
Array triu(const Operand& a, int k) { return triangle("triu", a, k, false); }

} // namespace heddle
