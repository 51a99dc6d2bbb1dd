#pragma once
// The ops, as free functions. Each takes arrays, numbers or sizes, converts them to one dtype (docs/promotion.md) and one shape by
// NumPy's broadcasting, and gives a new array. Errors (ShapeError, DtypeError) name the op, the caller's line, and the shapes.
// What follows from these without an op of its own is in <heddle/functions.h>.

#include <heddle/array.h>

#include <optional>
#include <vector>

namespace heddle {

/// Axes of a reduction: one, several, or all of them. Negative axes count from the end.
class Axes {
public:
    Axes() = default; // all
    Axes(int axis) : list_(std::vector<int>{axis}) {}
    Axes(std::initializer_list<int> axes) : list_(axes) {}
    Axes(std::vector<int> axes) : list_(std::move(axes)) {}
    const std::optional<std::vector<int>>& list() const { return list_; }

private:
    std::optional<std::vector<int>> list_;
};

// ---- unary. Of integers and bool, the functions of real numbers give f32.
Array abs(const Operand& a);
Array neg(const Operand& a);
Array sign(const Operand& a);
Array floor(const Operand& a);
Array ceil(const Operand& a);
Array round(const Operand& a); ///< ties to even
Array trunc(const Operand& a);
Array sqrt(const Operand& a);
Array rsqrt(const Operand& a);
Array reciprocal(const Operand& a);
Array exp(const Operand& a);
Array exp2(const Operand& a);
Array expm1(const Operand& a);
Array log(const Operand& a);
Array log2(const Operand& a);
Array log10(const Operand& a);
Array log1p(const Operand& a);
Array sin(const Operand& a);
Array cos(const Operand& a);
Array tan(const Operand& a);
Array asin(const Operand& a);
Array acos(const Operand& a);
Array atan(const Operand& a);
Array sinh(const Operand& a);
Array cosh(const Operand& a);
Array tanh(const Operand& a);
Array asinh(const Operand& a);
Array acosh(const Operand& a);
Array atanh(const Operand& a);
Array erf(const Operand& a);
Array erfinv(const Operand& a);
Array bit_not(const Operand& a); ///< of bool: logical
Array popcount(const Operand& a);
Array isnan(const Operand& a);
Array isinf(const Operand& a);
Array isfinite(const Operand& a);
Array logical_not(const Operand& a);
Array cast(const Operand& a, Dtype dtype);
/// The same bits as another dtype of equal size.
Array bitcast(const Operand& a, Dtype dtype);

// ---- binary and ternary
Array add(const Operand& a, const Operand& b);
Array sub(const Operand& a, const Operand& b);
Array mul(const Operand& a, const Operand& b);
Array div(const Operand& a, const Operand& b); ///< of integers truncated, as in C++; x / 0 = 0
Array rem(const Operand& a, const Operand& b); ///< of integers, the sign of a, as % in C++
Array floor_divide(const Operand& a, const Operand& b);
Array remainder(const Operand& a, const Operand& b); ///< the sign of b, as % in Python
Array power(const Operand& a, const Operand& b);
Array atan2(const Operand& a, const Operand& b);
Array minimum(const Operand& a, const Operand& b); ///< NaN if either is NaN
Array maximum(const Operand& a, const Operand& b);
Array maximum_number(const Operand& a, const Operand& b); ///< the other where one is NaN
Array bit_and(const Operand& a, const Operand& b);
Array bit_or(const Operand& a, const Operand& b);
Array bit_xor(const Operand& a, const Operand& b);
Array shift_left(const Operand& a, const Operand& b);
Array shift_right(const Operand& a, const Operand& b);
Array logical_and(const Operand& a, const Operand& b);
Array logical_or(const Operand& a, const Operand& b);
Array logical_xor(const Operand& a, const Operand& b);
Array eq(const Operand& a, const Operand& b);
Array ne(const Operand& a, const Operand& b);
Array lt(const Operand& a, const Operand& b);
Array le(const Operand& a, const Operand& b);
Array gt(const Operand& a, const Operand& b);
Array ge(const Operand& a, const Operand& b);
/// a * b + c, rounded once.
Array fma(const Operand& a, const Operand& b, const Operand& c);
/// `a` where the condition (made bool by != 0) holds, else `b`.
Array select(const Operand& condition, const Operand& a, const Operand& b);

inline Array operator+(const Operand& a, const Operand& b) { return add(a, b); }
inline Array operator-(const Operand& a, const Operand& b) { return sub(a, b); }
inline Array operator*(const Operand& a, const Operand& b) { return mul(a, b); }
inline Array operator/(const Operand& a, const Operand& b) { return div(a, b); }
inline Array operator%(const Operand& a, const Operand& b) { return remainder(a, b); }
inline Array operator&(const Operand& a, const Operand& b) { return bit_and(a, b); }
inline Array operator|(const Operand& a, const Operand& b) { return bit_or(a, b); }
inline Array operator^(const Operand& a, const Operand& b) { return bit_xor(a, b); }
inline Array operator==(const Operand& a, const Operand& b) { return eq(a, b); }
inline Array operator!=(const Operand& a, const Operand& b) { return ne(a, b); }
inline Array operator<(const Operand& a, const Operand& b) { return lt(a, b); }
inline Array operator<=(const Operand& a, const Operand& b) { return le(a, b); }
inline Array operator>(const Operand& a, const Operand& b) { return gt(a, b); }
inline Array operator>=(const Operand& a, const Operand& b) { return ge(a, b); }
inline Array operator-(const Operand& a) { return neg(a); }
inline Array operator~(const Operand& a) { return bit_not(a); }

// ---- movement: nothing is copied, these become index arithmetic of the kernels that read the result
/// NumPy's rule: axes are matched from the right, sizes 1 stretch.
Array broadcast_to(const Operand& a, const Shape& shape);
/// One size may be -1.
Array reshape(const Operand& a, const Shape& shape);
Array flatten(const Operand& a);
/// Result axis k is operand axis axes[k]; without axes the order is reversed.
Array transpose(const Operand& a, const std::vector<int>& axes = {});
Array swap_axes(const Operand& a, int first, int second);
Array expand_dims(const Operand& a, const Axes& axes);
Array squeeze(const Operand& a, const Axes& axes = {});
Array flip(const Operand& a, const Axes& axes = {});

/// start:stop:step of one axis as in NumPy, except that a range outside the array is a ShapeError. Left out: the whole axis, in
/// the direction of the step. Negative numbers count from the end.
struct Slice {
    std::optional<Dim> start, stop;
    std::int64_t step = 1;
};
/// The leading axes; the others are whole.
Array slice(const Operand& a, const std::vector<Slice>& ranges);
Array slice(const Operand& a, int axis, const Slice& range);
/// The sub-array at one index of an axis, without that axis.
Array index(const Operand& a, int axis, const Dim& at);

struct Padding {
    Dim low, high;
    std::int64_t interior = 0; ///< copies between neighbours
};
Array pad(const Operand& a, const std::vector<Padding>& padding, const Operand& value = 0);
Array concatenate(const std::vector<Array>& parts, int axis = 0,
                  Array::Where where = Array::Where::current());
Array stack(const std::vector<Array>& parts, int axis = 0, Array::Where where = Array::Where::current());
std::vector<Array> split(const Operand& a, int parts, int axis = 0);
std::vector<Array> split_at(const Operand& a, const std::vector<Dim>& borders, int axis = 0);

// ---- creation
Array full(const Shape& shape, const Operand& value, std::optional<Dtype> dtype = {});
Array zeros(const Shape& shape, Dtype dtype = Dtype::f32, Array::Where where = Array::Where::current());
Array ones(const Shape& shape, Dtype dtype = Dtype::f32, Array::Where where = Array::Where::current());
Array zeros_like(const Operand& a);
Array ones_like(const Operand& a);
/// The shape of `a` filled with a number or rank-0 array, in the dtype of `a` unless another is given.
Array full_like(const Operand& a, const Operand& value, std::optional<Dtype> dtype = {});
/// The index along an axis.
Array iota(const Shape& shape, int axis, Dtype dtype = Dtype::i32,
           Array::Where where = Array::Where::current());
/// 0, 1, ..., count - 1; nothing for a negative count.
Array arange(const Dim& count, Dtype dtype = Dtype::i32, Array::Where where = Array::Where::current());
/// start, start + step, ... while below stop (above, for a negative step). f32 unless all are integers.
Array arange(double start, double stop, double step = 1, Dtype dtype = Dtype::f32,
             Array::Where where = Array::Where::current());
Array linspace(double start, double stop, const Dim& count, bool endpoint = true, Dtype dtype = Dtype::f32,
               Array::Where where = Array::Where::current());
/// Ones at and below the k-th diagonal.
Array tri(const Dim& rows, const Dim& columns, int k = 0, Dtype dtype = Dtype::f32,
          Array::Where where = Array::Where::current());
Array eye(const Dim& rows, std::optional<Dim> columns = {}, int k = 0, Dtype dtype = Dtype::f32,
          Array::Where where = Array::Where::current());
Array tril(const Operand& a, int k = 0);
Array triu(const Operand& a, int k = 0);
/// A size as a rank-0 array; symbolic in a shapeless trace.
Array size(const Dim& dim, Dtype dtype = Dtype::f32, Array::Where where = Array::Where::current());

// ---- reductions. Sums and products of bool and narrow integers are 32-bit. Over an empty axis: sum 0, prod 1, all true, any false.
Array sum(const Operand& a, const Axes& axes = {}, bool keepdims = false);
Array prod(const Operand& a, const Axes& axes = {}, bool keepdims = false);
/// NaN if any is NaN. Of an empty axis max gives the least value of the dtype (-inf, the lowest integer, false), min the greatest.
Array max(const Operand& a, const Axes& axes = {}, bool keepdims = false);
Array min(const Operand& a, const Axes& axes = {}, bool keepdims = false);
Array all(const Operand& a, const Axes& axes = {}, bool keepdims = false);
Array any(const Operand& a, const Axes& axes = {}, bool keepdims = false);
/// Index (i32) of the largest or smallest: the first NaN, else the lowest index. Without an axis, in row-major order. ShapeError where the
/// axis is empty.
Array argmax(const Operand& a, std::optional<int> axis = {}, bool keepdims = false);
Array argmin(const Operand& a, std::optional<int> axis = {}, bool keepdims = false);

// ---- products of matrices
/// Sum of products over pairs of axes; result axes: batch, rest of a, rest of b.
Array dot_general(const Operand& a, const Operand& b, const std::vector<std::pair<int, int>>& contract,
                  const std::vector<std::pair<int, int>>& batch = {});
/// NumPy's: rank 1 is a row or column that goes again, leading axes are batches that broadcast.
Array matmul(const Operand& a, const Operand& b);
Array outer(const Operand& a, const Operand& b);

// ---- random access. Negative indices of `take` and `take_along` count from the end; then all are clipped into range. ShapeError where
// the axis they index is empty and they are not.
/// Element [..., indices, ...] of an axis: the shape of `indices` takes the axis' place.
Array take(const Operand& a, const Operand& indices, int axis = 0);
/// Result element k of an axis is element indices[..., k, ...]; the shapes are equal beside the axis.
Array take_along(const Operand& a, const Operand& indices, int axis);
/// A block of the given sizes whose first element is at run-time indices (one rank-0 integer an axis), clipped to fit.
Array dynamic_slice(const Operand& a, const std::vector<Operand>& starts, const Shape& sizes);
/// `a` with `update` in the place of the block that starts at run-time indices, clipped to fit.
Array slice_update(const Operand& a, const Operand& update, const std::vector<Operand>& starts);

} // namespace heddle
