#pragma once
// What is made of the ops without being one: statistics, normalisations, activations. The compiler makes one kernel of each.

#include <heddle/ops.h>

#include <utility>

namespace heddle {

// ---- statistics. Of f16 and bf16 they are computed in f32 and rounded once.
/// Of an empty axis: NaN, as 0 / 0 is.
Array mean(const Operand& a, const Axes& axes = {}, bool keepdims = false);
/// Mean of squared distances from the mean, in two passes over centred values; divides by the count less `ddof`.
Array var(const Operand& a, const Axes& axes = {}, bool keepdims = false, int ddof = 0);
Array std(const Operand& a, const Axes& axes = {}, bool keepdims = false, int ddof = 0);
/// Root of the sum of squares.
Array norm(const Operand& a, const Axes& axes = {}, bool keepdims = false);

/// Mean with weights, which broadcast to the shape of `a`. NaN where they sum to 0.
Array average(const Operand& a, const Operand& weights, const Axes& axes = {}, bool keepdims = false);
/// Largest less smallest.
Array ptp(const Operand& a, const Axes& axes = {}, bool keepdims = false);
/// These pass over NaN. Where all is NaN, or nothing is there, the sum is 0 and the mean NaN; where all is NaN, so are max and min.
Array nan_sum(const Operand& a, const Axes& axes = {}, bool keepdims = false);
Array nan_mean(const Operand& a, const Axes& axes = {}, bool keepdims = false);
Array nan_max(const Operand& a, const Axes& axes = {}, bool keepdims = false);
Array nan_min(const Operand& a, const Axes& axes = {}, bool keepdims = false);

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
/// x * (1 + erf(x / sqrt 2)) / 2. f16 and bf16 are computed in f32.
Array gelu(const Operand& a);
/// Its approximation by tanh. f16 and bf16 are computed in f32.
Array gelu_tanh(const Operand& a);
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
/// A single bool: the shapes are the same, and so is every element.
Array array_equal(const Operand& a, const Operand& b);
/// The larger (smaller) one; of a number and NaN, the number.
Array fmax(const Operand& a, const Operand& b);
Array fmin(const Operand& a, const Operand& b);
/// The sign bit is set: also of -0 and of NaN with it.
Array signbit(const Operand& a);
/// |a| with the sign bit of b, in the dtype of `a` (f32 if that is no float).
Array copysign(const Operand& a, const Operand& b);
/// Remainder of the truncated quotient, with the sign of a, as in C. Exact.
Array fmod(const Operand& a, const Operand& b);
/// floor_divide and remainder.
std::pair<Array, Array> divmod(const Operand& a, const Operand& b);
/// 0 below zero, `at_zero` at zero, 1 above; NaN of NaN.
Array heaviside(const Operand& a, const Operand& at_zero);
/// NaN, inf and -inf replaced; without numbers for the infinities, by the dtype's largest and its negative.
Array nan_to_num(const Operand& a, double nan = 0, std::optional<double> above = {},
                 std::optional<double> below = {});
Array degrees(const Operand& a);
Array radians(const Operand& a);

// ---- arrangement
/// Axis `from` comes to stand at `to`; the others keep their order.
Array move_axis(const Operand& a, int from, int to);
/// The k-th diagonal of the last two axes.
Array diagonal(const Operand& a, int k = 0);
Array trace(const Operand& a);
/// The square matrix with a vector on its k-th diagonal and zeros elsewhere.
Array diag(const Operand& a, int k = 0);
Array repeat(const Operand& a, int count, int axis);
Array tile(const Operand& a, const std::vector<int>& counts);
Array roll(const Operand& a, int shift, int axis);
/// Each element less the one before it, `order` times over; of bool, whether they differ. The axis becomes shorter by one each time,
/// down to 0.
Array diff(const Operand& a, int order = 1, int axis = -1);
/// Each array, which counts as a vector, along an axis of its own and repeated along the others: the first along axis 1 and the second
/// along axis 0, as points (x, y) lie in a picture, or with `matrix_order` each along the axis of its number.
std::vector<Array> meshgrid(const std::vector<Array>& axes, bool matrix_order = false,
                            Array::Where where = Array::Where::current());
Array one_hot(const Operand& indices, const Dim& classes, Dtype dtype = Dtype::f32);

// ---- products, beside those of <heddle/ops.h>
/// Sum of products over the last axis of both.
Array inner(const Operand& a, const Operand& b);
/// Of all elements in row-major order.
Array vdot(const Operand& a, const Operand& b);
/// Over so many last axes of `a` and first axes of `b`; for chosen axes there is dot_general.
Array tensordot(const Operand& a, const Operand& b, int axes = 2);
/// Of vectors along the last axis, which has size 3.
Array cross(const Operand& a, const Operand& b);

} // namespace heddle
