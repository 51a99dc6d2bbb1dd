#pragma once
// What is made of the ops without being one: statistics, normalisations, activations. The compiler makes one kernel of each.

#include <heddle/ops.h>

namespace heddle {

// ---- statistics
Array mean(const Operand& a, const Axes& axes = {}, bool keepdims = false);
/// Mean of squared distances from the mean, in two passes over centred values; divides by the count less `ddof`.
Array var(const Operand& a, const Axes& axes = {}, bool keepdims = false, int ddof = 0);
Array std(const Operand& a, const Axes& axes = {}, bool keepdims = false, int ddof = 0);
/// Root of the sum of squares.
Array norm(const Operand& a, const Axes& axes = {}, bool keepdims = false);

/// How many elements are not 0 (NaN is not); i32.
Array count_nonzero(const Operand& a, const Axes& axes = {}, bool keepdims = false);

// ---- along an axis
Array softmax(const Operand& a, int axis = -1);
Array log_softmax(const Operand& a, int axis = -1);
Array logsumexp(const Operand& a, const Axes& axes = {}, bool keepdims = false);
/// Centred and scaled to deviation 1 over the last axis, then times `weight` plus `bias` where given. f16 and bf16 are
/// computed in f32.
Array layer_norm(const Operand& a, const std::optional<Array>& weight = {},
                 const std::optional<Array>& bias = {}, float epsilon = 1e-5f);
Array rms_norm(const Operand& a, const std::optional<Array>& weight = {}, float epsilon = 1e-5f);

// ---- elementwise
Array square(const Operand& a);
Array gelu(const Operand& a);      ///< x * (1 + erf(x / sqrt 2)) / 2
Array gelu_tanh(const Operand& a); ///< its approximation by tanh
Array silu(const Operand& a);
Array relu(const Operand& a);
/// sqrt(a^2 + b^2) that overflows only where the result does.
Array hypot(const Operand& a, const Operand& b);
Array leaky_relu(const Operand& a, float slope = 0.01f);
Array sigmoid(const Operand& a);
Array softplus(const Operand& a);
Array logaddexp(const Operand& a, const Operand& b);
Array clip(const Operand& a, const Operand& low, const Operand& high);
Array where(const Operand& condition, const Operand& a, const Operand& b);
Array lerp(const Operand& a, const Operand& b, const Operand& t);
/// |a - b| <= absolute + relative * |b|, elementwise.
Array is_close(const Operand& a, const Operand& b, double relative = 1e-5, double absolute = 1e-8);
Array all_close(const Operand& a, const Operand& b, double relative = 1e-5, double absolute = 1e-8);

// ---- arrangement
/// Axis `from` comes to stand at `to`; the others keep their order.
Array move_axis(const Operand& a, int from, int to);
/// The k-th diagonal of the last two axes.
Array diagonal(const Operand& a, int k = 0);
Array trace(const Operand& a);
Array repeat(const Operand& a, int count, int axis);
Array tile(const Operand& a, const std::vector<int>& counts);
Array roll(const Operand& a, int shift, int axis);
Array one_hot(const Operand& indices, const Dim& classes, Dtype dtype = Dtype::f32);

} // namespace heddle
