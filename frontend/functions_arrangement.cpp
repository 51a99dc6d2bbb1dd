// Functions over the ops that rearrange elements, and products of several axes.

#include "frontend/composite.h"

#include <heddle/error.h>

#include <fmt/format.h>

namespace heddle {

using namespace detail;

Array move_axis(const Operand& a, int from, int to) {
    const Scope scope("move_axis", a.where());
    const Array x = array_of(a);
    for (int* axis : {&from, &to}) {
        const int given = *axis, rank = x.rank();
        if (given < 0) *axis += rank;
        if (*axis < 0 || *axis >= rank)
            throw ShapeError(fmt::format("move_axis: axis {} is out of range for rank {} ({})", given, rank,
                                         text(a.where())));
    }
    std::vector<int> order;
    for (int k = 0; k < x.rank(); ++k)
        if (k != from) order.push_back(k);
    order.insert(order.begin() + to, from);
    return transpose(x, order);
}

Array diagonal(const Operand& a, int k) {
    const Scope scope("diagonal", a.where());
    const Array x = array_of(a);
    const Dim rows = x.shape(-2, a.where()), columns = x.shape(-1, a.where());
    const Dim down = k < 0 ? -k : 0, right = k > 0 ? k : 0;
    const Dim length = max(min(rows - down, columns - right), Dim(0));
    // Elements down * columns + right + i * (columns + 1) of the matrix in a row.
    const Shape shape = x.shape();
    Shape rowed, indexed;
    for (int axis = 0; axis < shape.rank() - 2; ++axis) {
        rowed.push_back(shape[axis]);
        indexed.push_back(shape[axis]);
    }
    rowed.push_back(rows * columns);
    const Array places =
        arange(length) * (size(columns, Dtype::i32) + literal(1)) + size(down * columns + right, Dtype::i32);
    return take(reshape(x, rowed), places, -1);
}

Array trace(const Operand& a) {
    const Scope scope("trace", a.where());
    return sum(diagonal(a), -1);
}

Array repeat(const Operand& a, int count, int axis) {
    const Scope scope("repeat", a.where());
    const Array x = array_of(a);
    const int at = axis < 0 ? axis + x.rank() : axis;
    Shape wide_shape, result;
    for (int k = 0; k < x.rank(); ++k) {
        wide_shape.push_back(x.shape(k));
        if (k == at) wide_shape.push_back(count);
        result.push_back(k == at ? x.shape(k) * count : x.shape(k));
    }
    return reshape(broadcast_to(expand_dims(x, at + 1), wide_shape), result);
}

Array tile(const Operand& a, const std::vector<int>& counts) {
    const Scope scope("tile", a.where());
    Array x = array_of(a);
    while (x.rank() < static_cast<int>(counts.size())) x = expand_dims(x, 0);
    for (std::size_t k = 0; k < counts.size(); ++k) {
        const int axis = x.rank() - static_cast<int>(counts.size()) + static_cast<int>(k);
        if (counts[k] < 0)
            throw ShapeError(fmt::format("tile: {} copies along axis {} ({})", counts[k], axis,
                                         text(user_place(a.where()))));
        if (counts[k] == 0)
            x = slice(x, axis, {Dim(0), Dim(0)});
        else if (counts[k] != 1)
            x = concatenate(std::vector<Array>(static_cast<std::size_t>(counts[k]), x), axis, a.where());
    }
    return x;
}

Array roll(const Operand& a, int shift, int axis) {
    const Scope scope("roll", a.where());
    const Array x = array_of(a);
    const Dim size = x.shape(axis, a.where()), around = max(size, Dim(1)); // no size is divided by 0
    const Dim cut = (size - Dim(shift) % around) % around;
    return concatenate({slice(x, axis, {cut, {}}), slice(x, axis, {Dim(0), cut})}, axis, a.where());
}

Array one_hot(const Operand& indices, const Dim& classes, Dtype dtype) {
    const Scope scope("one_hot", indices.where());
    const Array x = array_of(indices);
    Shape shape = x.shape();
    shape.push_back(classes);
    return cast(expand_dims(x, -1) == iota(shape, shape.rank() - 1, x.dtype()), dtype);
}

Array diff(const Operand& a, int order, int axis) {
    const Scope scope("diff", a.where());
    if (order < 0) throw ShapeError(fmt::format("diff: order {} ({})", order, text(user_place(a.where()))));
    Array x = array_of(a);
    for (int k = 0; k < order; ++k) {
        const Dim size = x.shape(axis, a.where()), fewer = max(size - 1, Dim(0));
        const Array later = slice(x, axis, {size - fewer, size}), sooner = slice(x, axis, {Dim(0), fewer});
        x = x.dtype() == Dtype::boolean ? later != sooner : later - sooner;
    }
    return x;
}

Array diag(const Operand& a, int k) {
    const Scope scope("diag", a.where());
    const Array x = array_of(a);
    if (x.rank() != 1)
        throw ShapeError(
            fmt::format("diag: a vector is needed, given rank {} ({}); diagonal() takes one out of a matrix",
                        x.rank(), text(user_place(a.where()))));
    const int down = k < 0 ? -k : 0, right = k > 0 ? k : 0;
    // Column j holds element j - right.
    const Array row = pad(x, {{right, down}});
    const Dim size = row.shape(0);
    const Array number =
        iota({size, size}, 1, Dtype::i32, a.where()) - iota({size, size}, 0, Dtype::i32, a.where());
    return select(number == literal(k), row, zeros_like(row));
}

std::vector<Array> meshgrid(const std::vector<Array>& axes, bool matrix_order, Array::Where where) {
    const Scope scope("meshgrid", where);
    const int rank = static_cast<int>(axes.size());
    // Along which axis of the grid each lies.
    const auto place = [&](int k) { return !matrix_order && rank > 1 && k < 2 ? 1 - k : k; };
    std::vector<Dim> sizes(axes.size());
    for (int k = 0; k < rank; ++k)
        sizes[static_cast<std::size_t>(place(k))] = axes[static_cast<std::size_t>(k)].elements(where);
    std::vector<Array> result;
    for (int k = 0; k < rank; ++k) {
        std::vector<Dim> lying(axes.size(), Dim(1));
        lying[static_cast<std::size_t>(place(k))] = sizes[static_cast<std::size_t>(place(k))];
        result.push_back(broadcast_to(
            reshape(Operand(axes[static_cast<std::size_t>(k)], where), Shape(lying)), Shape(sizes)));
    }
    return result;
}

Array inner(const Operand& a, const Operand& b) {
    const Scope scope("inner", a.where());
    return dot_general(a, b, {{-1, -1}});
}

Array vdot(const Operand& a, const Operand& b) {
    const Scope scope("vdot", a.where());
    return dot_general(flatten(a), flatten(b), {{0, 0}});
}

Array tensordot(const Operand& a, const Operand& b, int axes) {
    const Scope scope("tensordot", a.where());
    if (axes < 0) throw ShapeError(fmt::format("tensordot: {} axes ({})", axes, text(user_place(a.where()))));
    std::vector<std::pair<int, int>> pairs;
    for (int k = 0; k < axes; ++k) pairs.emplace_back(k - axes, k);
    return dot_general(a, b, pairs);
}

Array cross(const Operand& a, const Operand& b) {
    const Scope scope("cross", a.where());
    const Array x = array_of(a), y = array_of(b);
    for (const Array* each : {&x, &y})
        if (each->rank() == 0 || each->shape(-1) != 3)
            throw ShapeError(fmt::format("cross: the last axis of {} has not size 3 ({})",
                                         each->shape().text(), text(user_place(a.where()))));
    return roll(x, -1, -1) * roll(y, -2, -1) - roll(x, -2, -1) * roll(y, -1, -1);
}

} // namespace heddle
