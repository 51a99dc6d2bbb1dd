// Statistics and normalisations. Those of f16 and bf16 are computed in f32 and rounded once, at the end.

#include <heddle/functions.h>

#include "frontend/composite.h"

#include <limits>

namespace heddle {

using namespace detail;

namespace {

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

Array average(const Operand& a, const Operand& weights, const Axes& axes, bool keepdims) {
    const Scope scope("average", a.where());
    const Array x = wide(a), w = wide(weights);
    const Array whole = sum(w * ones_like(x), axes, keepdims);
    return cast(sum(x * w, axes, keepdims) / whole, result_dtype(a));
}

Array ptp(const Operand& a, const Axes& axes, bool keepdims) {
    const Scope scope("ptp", a.where());
    const Array x = array_of(a);
    return max(x, axes, keepdims) - min(x, axes, keepdims);
}

namespace {

/// The elements, with `neutral` for NaN.
Array without_nan(const Array& x, double neutral) {
    return is_float(x.dtype()) ? select(isnan(x), literal(neutral), x) : x;
}

/// max or min of those that are numbers, NaN where none is.
Array nan_extreme(const Operand& a, const Axes& axes, bool keepdims, bool largest) {
    const Array x = array_of(a);
    const auto reduce = largest ? max : min;
    if (!is_float(x.dtype())) return reduce(x, axes, keepdims);
    const double infinity = std::numeric_limits<double>::infinity();
    const Array extreme = reduce(without_nan(x, largest ? -infinity : infinity), axes, keepdims);
    return select(all(isnan(x), axes, keepdims), literal(std::numeric_limits<double>::quiet_NaN()), extreme);
}

} // namespace

Array nan_sum(const Operand& a, const Axes& axes, bool keepdims) {
    const Scope scope("nan_sum", a.where());
    return sum(without_nan(array_of(a), 0), axes, keepdims);
}

Array nan_mean(const Operand& a, const Axes& axes, bool keepdims) {
    const Scope scope("nan_mean", a.where());
    const Array x = wide(a);
    const Array count = sum(select(isnan(x), zeros_like(x), ones_like(x)), axes, keepdims);
    return cast(sum(without_nan(x, 0), axes, keepdims) / count, result_dtype(a));
}

Array nan_max(const Operand& a, const Axes& axes, bool keepdims) {
    const Scope scope("nan_max", a.where());
    return nan_extreme(a, axes, keepdims, true);
}

Array nan_min(const Operand& a, const Axes& axes, bool keepdims) {
    const Scope scope("nan_min", a.where());
    return nan_extreme(a, axes, keepdims, false);
}

namespace {

/// e^x of what is at most 0, or NaN: what only larger arguments need is left out.
Array exp_below(const Array& x) {
    return record("exp", x, [&](Emitter& emitter) {
        const ir::NodeId node = emitter.node(x);
        ir::AttributeList list;
        list.integer(ir::Key::at_most, 0);
        const ir::NodeId operands[] = {node};
        return emitter.builder().make(ir::Op::exp, operands, list);
    });
}

/// The largest of a row that is not NaN. A NaN need not show in it where a sum of the row has it anyway: that costs three comparisons an
/// element less.
Array largest_number(const Array& x, int axis) {
    return record("max", x, [&](Emitter& emitter) {
        const ir::NodeId node = emitter.node(x);
        const i64 axes[] = {emitter.axis(axis, emitter.rank(node))};
        return emitter.builder().reduce(ir::Op::reduce_max_number, node, axes, true);
    });
}

} // namespace

Array softmax(const Operand& a, int axis) {
    const Scope scope("softmax", a.where());
    const Array x = wide(a);
    const Array e = exp_below(x - largest_number(x, axis));
    return cast(e / sum(e, axis, true), result_dtype(a));
}

Array log_softmax(const Operand& a, int axis) {
    const Scope scope("log_softmax", a.where());
    const Array x = wide(a);
    const Array centred = x - largest_number(x, axis);
    return cast(centred - log(sum(exp_below(centred), axis, true)), result_dtype(a));
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

} // namespace heddle
