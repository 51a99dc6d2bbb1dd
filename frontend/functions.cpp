// Functions over the ops. Each pushes its caller's place, so that what it records names the user's line. Statistics of f16 and bf16
// are computed in f32 and rounded once, at the end.

#include <heddle/functions.h>

#include "frontend/emit.h"
#include "frontend/location.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <limits>
#include <numbers>

namespace heddle {

using namespace detail;

namespace {

/// The operand as an array.
Array array_of(const Operand& a) {
    if (a.is_array()) {
        checked(a.array(), std::string(composite_name()).c_str(), a.where());
        return a.array();
    }
    return record("constant", a, [&](Emitter& emitter) { return emitter.node(a); });
}

/// In the dtype that statistics are computed in: f32 at least.
Array wide(const Operand& a) {
    const Array array = array_of(a);
    const Dtype dtype = floating(array.dtype());
    return cast(array, size_of(dtype) < 4 ? Dtype::f32 : dtype);
}

/// The dtype of the result of a statistic of `a`.
Dtype result_dtype(const Operand& a) { return a.is_array() ? floating(a.array().dtype()) : Dtype::f32; }

/// Number of elements that a reduction joins, as a rank-0 array.
Array count_of(const Array& a, const Axes& axes, int less = 0) {
    Dim count = 1;
    if (!axes.list())
        count = a.elements();
    else
        for (int axis : *axes.list()) count *= a.shape(axis);
    return size(count - less, a.dtype());
}

} // namespace

Array mean(const Operand& a, const Axes& axes, bool keepdims) {
    const Scope scope("mean", a.where());
    const Array x = wide(a);
    return cast(sum(x, axes, keepdims) / count_of(x, axes), result_dtype(a));
}

Array var(const Operand& a, const Axes& axes, bool keepdims, int ddof) {
    const Scope scope("var", a.where());
    const Array x = wide(a);
    const Array centred = x - sum(x, axes, true) / count_of(x, axes);
    return cast(sum(centred * centred, axes, keepdims) / count_of(x, axes, ddof), result_dtype(a));
}

Array std(const Operand& a, const Axes& axes, bool keepdims, int ddof) {
    const Scope scope("std", a.where());
    return cast(sqrt(var(wide(a), axes, keepdims, ddof)), result_dtype(a));
}

Array norm(const Operand& a, const Axes& axes, bool keepdims) {
    const Scope scope("norm", a.where());
    const Array x = wide(a);
    return cast(sqrt(sum(x * x, axes, keepdims)), result_dtype(a));
}

Array count_nonzero(const Operand& a, const Axes& axes, bool keepdims) {
    const Scope scope("count_nonzero", a.where());
    return sum(cast(array_of(a) != literal(0), Dtype::i32), axes, keepdims);
}

Array hypot(const Operand& a, const Operand& b) {
    const Scope scope("hypot", a.where());
    const Array x = abs(a), y = abs(b), larger = maximum(x, y), smaller = minimum(x, y);
    const Array ratio = smaller / select(larger == literal(0), ones_like(larger), larger);
    const Array length = larger * sqrt(literal(1) + ratio * ratio);
    // An infinite side makes the length so, whatever the other is.
    return select(logical_or(isinf(x), isinf(y)),
                  full(Shape{}, std::numeric_limits<float>::infinity(), length.dtype()), length);
}

Array softmax(const Operand& a, int axis) {
    const Scope scope("softmax", a.where());
    const Array x = wide(a);
    const Array e = exp(x - max(x, axis, true));
    return cast(e / sum(e, axis, true), result_dtype(a));
}

Array log_softmax(const Operand& a, int axis) {
    const Scope scope("log_softmax", a.where());
    const Array x = wide(a);
    const Array centred = x - max(x, axis, true);
    return cast(centred - log(sum(exp(centred), axis, true)), result_dtype(a));
}

Array logsumexp(const Operand& a, const Axes& axes, bool keepdims) {
    const Scope scope("logsumexp", a.where());
    const Array x = wide(a);
    const Array peak = max(x, axes, true);
    // An infinite maximum would give NaN: inf - inf.
    const Array offset = select(isfinite(peak), peak, literal(0));
    const Array result = log(sum(exp(x - offset), axes, true)) + offset;
    if (keepdims) return cast(result, result_dtype(a));
    return cast(squeeze(result, axes.list() ? axes : Axes()), result_dtype(a));
}

namespace {

Array scaled(Array y, const std::optional<Array>& weight, const std::optional<Array>& bias) {
    if (weight) y = y * wide(*weight);
    if (bias) y = y + wide(*bias);
    return y;
}

} // namespace

Array layer_norm(const Operand& a, const std::optional<Array>& weight, const std::optional<Array>& bias,
                 float epsilon) {
    const Scope scope("layer_norm", a.where());
    const Array x = wide(a);
    const Array count = count_of(x, -1);
    const Array centred = x - sum(x, -1, true) / count;
    const Array variance = sum(centred * centred, -1, true) / count;
    return cast(scaled(centred * rsqrt(variance + literal(epsilon)), weight, bias), result_dtype(a));
}

Array rms_norm(const Operand& a, const std::optional<Array>& weight, float epsilon) {
    const Scope scope("rms_norm", a.where());
    const Array x = wide(a);
    const Array square_mean = sum(x * x, -1, true) / count_of(x, -1);
    return cast(scaled(x * rsqrt(square_mean + literal(epsilon)), weight, {}), result_dtype(a));
}

Array square(const Operand& a) {
    const Scope scope("square", a.where());
    return a * a;
}

Array gelu(const Operand& a) {
    const Scope scope("gelu", a.where());
    return literal(0.5) * a * (literal(1.0) + erf(a * literal(std::numbers::sqrt2 / 2)));
}

Array gelu_tanh(const Operand& a) {
    const Scope scope("gelu_tanh", a.where());
    const Array inner =
        literal(std::numbers::sqrt2 * std::numbers::inv_sqrtpi) * (a + literal(0.044715) * a * a * a);
    return literal(0.5) * a * (literal(1.0) + tanh(inner));
}

Array sigmoid(const Operand& a) {
    const Scope scope("sigmoid", a.where());
    return literal(1.0) / (literal(1.0) + exp(-a));
}

Array silu(const Operand& a) {
    const Scope scope("silu", a.where());
    return a / (literal(1.0) + exp(-a));
}

Array relu(const Operand& a) {
    const Scope scope("relu", a.where());
    return maximum(a, literal(0));
}

Array leaky_relu(const Operand& a, float slope) {
    const Scope scope("leaky_relu", a.where());
    return select(a > literal(0), a, a * literal(slope));
}

Array softplus(const Operand& a) {
    const Scope scope("softplus", a.where());
    return maximum(a, literal(0.0)) + log1p(exp(-abs(a)));
}

Array logaddexp(const Operand& a, const Operand& b) {
    const Scope scope("logaddexp", a.where());
    const Array high = maximum(a, b);
    // Equal infinities: their difference would be NaN.
    return select(a == b, high + literal(std::numbers::ln2), high + log1p(exp(-abs(a - b))));
}

Array clip(const Operand& a, const Operand& low, const Operand& high) {
    const Scope scope("clip", a.where());
    return minimum(maximum(a, low), high);
}

Array where(const Operand& condition, const Operand& a, const Operand& b) {
    const Scope scope("where", condition.where());
    return select(condition, a, b);
}

Array lerp(const Operand& a, const Operand& b, const Operand& t) {
    const Scope scope("lerp", a.where());
    return a + (b - a) * t;
}

Array is_close(const Operand& a, const Operand& b, double relative, double absolute) {
    const Scope scope("is_close", a.where());
    // Equal infinities are close.
    return (a == b) | (abs(a - b) <= literal(absolute) + literal(relative) * abs(b));
}

Array all_close(const Operand& a, const Operand& b, double relative, double absolute) {
    const Scope scope("all_close", a.where());
    return all(is_close(a, b, relative, absolute));
}

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
    const Dim rows = x.shape(-2), columns = x.shape(-1);
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
        if (counts[k] != 1)
            x = concatenate(std::vector<Array>(static_cast<std::size_t>(counts[k]), x), axis, a.where());
    }
    return x;
}

Array roll(const Operand& a, int shift, int axis) {
    const Scope scope("roll", a.where());
    const Array x = array_of(a);
    const Dim size = x.shape(axis);
    const Dim cut = (size - Dim(shift) % size) % size;
    return concatenate({slice(x, axis, {cut, {}}), slice(x, axis, {Dim(0), cut})}, axis, a.where());
}

Array one_hot(const Operand& indices, const Dim& classes, Dtype dtype) {
    const Scope scope("one_hot", indices.where());
    const Array x = array_of(indices);
    Shape shape = x.shape();
    shape.push_back(classes);
    return cast(expand_dims(x, -1) == iota(shape, shape.rank() - 1, x.dtype()), dtype);
}

} // namespace heddle
