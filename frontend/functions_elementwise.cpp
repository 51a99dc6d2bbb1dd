// Elementwise functions over the ops: activations, and what NumPy has beyond the ops. GELUs of f16 and bf16 are computed in f32 and
// rounded once, at the end: their constants would lose most.

#include "frontend/composite.h"

#include <array>
#include <limits>
#include <numbers>

namespace heddle {

using namespace detail;

Array square(const Operand& a) {
    const Scope scope("square", a.where());
    return a * a;
}

Array gelu(const Operand& a) {
    const Scope scope("gelu", a.where());
    const Array x = wide(a);
    return cast(literal(0.5) * x * (literal(1.0) + erf(x * literal(std::numbers::sqrt2 / 2))),
                result_dtype(a));
}

Array gelu_tanh(const Operand& a) {
    const Scope scope("gelu_tanh", a.where());
    // (1 + tanh y) / 2 is 1 / (1 + e^-2y), which does not cancel where y is far below 0. A power of 2 takes less than one of e.
    const double slope = -2 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi * std::numbers::log2e;
    const Array x = wide(a);
    const Array power = exp2(x * (literal(slope) + literal(0.044715 * slope) * (x * x)));
    return cast(x / (literal(1.0) + power), result_dtype(a));
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
    const std::vector<Array> given = arrays_of({&a, &b, &t});
    return given[0] + (given[1] - given[0]) * given[2];
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

Array hypot(const Operand& a, const Operand& b) {
    const Scope scope("hypot", a.where());
    const std::vector<Array> sides = arrays_of({&a, &b});
    const Array x = abs(sides[0]), y = abs(sides[1]), larger = maximum(x, y), smaller = minimum(x, y);
    const Array ratio = smaller / select(larger == literal(0), ones_like(larger), larger);
    const Array length = larger * sqrt(literal(1) + ratio * ratio);
    // An infinite side makes the length so, whatever the other is.
    return select(logical_or(isinf(x), isinf(y)),
                  full(Shape{}, std::numeric_limits<float>::infinity(), length.dtype()), length);
}

Array fmax(const Operand& a, const Operand& b) {
    const Scope scope("fmax", a.where());
    return select(isnan(a), b, select(isnan(b), a, maximum(a, b)));
}

Array fmin(const Operand& a, const Operand& b) {
    const Scope scope("fmin", a.where());
    return select(isnan(a), b, select(isnan(b), a, minimum(a, b)));
}

Array signbit(const Operand& a) {
    const Scope scope("signbit", a.where());
    const Array x = array_of(a);
    if (!is_float(x.dtype())) return x < literal(0);
    const std::size_t size = size_of(x.dtype());
    return bitcast(x, size == 2 ? Dtype::i16 : size == 4 ? Dtype::i32 : Dtype::i64) < literal(0);
}

Array copysign(const Operand& a, const Operand& b) {
    const Scope scope("copysign", a.where());
    const Array x = array_of(a);
    const Array length = abs(cast(x, floating(x.dtype())));
    return select(signbit(b), -length, length);
}

Array fmod(const Operand& a, const Operand& b) {
    const Scope scope("fmod", a.where());
    const std::vector<Array> given = arrays_of({&a, &b});
    const Array &x = given[0], &y = given[1];
    if (!is_float(x.dtype())) return rem(x, y);
    // Of two lengths the floored quotient is the truncated one.
    return copysign(remainder(abs(x), abs(y)), x);
}

std::pair<Array, Array> divmod(const Operand& a, const Operand& b) {
    const Scope scope("divmod", a.where());
    return {floor_divide(a, b), remainder(a, b)};
}

Array heaviside(const Operand& a, const Operand& at_zero) {
    const Scope scope("heaviside", a.where());
    const Array number = arrays_of({&a, &at_zero})[0], x = cast(number, floating(number.dtype()));
    const Array step = select(x == literal(0), at_zero, cast(x > literal(0), x.dtype()));
    return select(isnan(x), x, step);
}

namespace {

double largest_finite(Dtype dtype) {
    switch (dtype) {
    case Dtype::f16: return 65504;
    case Dtype::bf16: return 0x1.FEp127;
    case Dtype::f32: return std::numeric_limits<float>::max();
    default: return std::numeric_limits<double>::max();
    }
}

} // namespace

Array nan_to_num(const Operand& a, double nan, std::optional<double> above, std::optional<double> below) {
    const Scope scope("nan_to_num", a.where());
    const Array x = array_of(a);
    if (!is_float(x.dtype())) return x;
    const double largest = largest_finite(x.dtype()), infinity = std::numeric_limits<double>::infinity();
    const Array bounded = select(x == literal(infinity), literal(above.value_or(largest)),
                                 select(x == literal(-infinity), literal(below.value_or(-largest)), x));
    return select(isnan(x), literal(nan), bounded);
}

Array degrees(const Operand& a) {
    const Scope scope("degrees", a.where());
    return a * literal(180 / std::numbers::pi);
}

Array radians(const Operand& a) {
    const Scope scope("radians", a.where());
    return a * literal(std::numbers::pi / 180);
}

Array array_equal(const Operand& a, const Operand& b) {
    const Scope scope("array_equal", a.where());
    const Array x = array_of(a), y = array_of(b);
    if (x.shape() != y.shape()) return full({}, literal(false));
    return all(x == y);
}

} // namespace heddle
