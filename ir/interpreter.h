#pragma once
// The reference: runs a graph-level function op by op on the host, in the plainest way. f32 functions are computed in double and rounded
// once; f16 and bf16 values keep f32 precision until they are a result or are cast, as kernels do. Everything else is
// compared with this.

#include "ir/function.h"

#include <vector>

namespace heddle::ir {

/// An array on the host: the bits of each element in row-major order.
struct Tensor {
    Dtype dtype = Dtype::f32;
    std::vector<i64> shape;
    std::vector<u64> elements;

    i64 count() const;
};

Tensor tensor_from(Dtype dtype, std::vector<i64> shape, const void* memory);
/// Writes the elements; `memory` holds `count() * size_of(dtype)` bytes.
void copy_to(const Tensor& tensor, void* memory);

/// Values of the function's symbols from its inputs' shapes (array parameters, in order). ShapeError where a shape does not fit its
/// parameter's type.
std::vector<i64> bind_symbols(const Function& function, std::span<const std::vector<i64>> shapes);

/// Runs the function. `inputs` are its array parameters in order, `numbers` its number parameters as bits of their dtype. Facts are
/// checked: a size that breaks one is a ShapeError.
std::vector<Tensor> interpret(const Function& function, std::span<const Tensor> inputs,
                              std::span<const u64> numbers = {});

} // namespace heddle::ir
