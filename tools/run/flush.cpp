#include "tools/run/flush.h"

#include "support/numeric.h"

#include <algorithm>
#include <cmath>

namespace heddle::tools {
namespace {

double smallest_normal(Dtype dtype) {
    switch (dtype) {
    case Dtype::f16: return 0x1p-14;
    case Dtype::f64: return 0x1p-1022;
    default: return 0x1p-126;
    }
}

} // namespace

bool flushes(Dtype dtype, const ir::Target& target) {
    if (!is_float(dtype) || target.kind != ir::TargetKind::gpu) return false;
    const u32 width = dtype == Dtype::f16 ? 1 : dtype == Dtype::f64 ? 4 : 2;
    return (target.preserves_subnormals & width) == 0;
}

bool flushes_subnormals(const ir::Target& target) {
    return flushes(Dtype::f16, target) || flushes(Dtype::f32, target) || flushes(Dtype::f64, target);
}

u64 flushed(Dtype dtype, u64 bits) {
    const double value = value_of(dtype, bits);
    return std::fabs(value) < smallest_normal(dtype) ? bits_of(dtype, std::copysign(0.0, value)) : bits;
}

bool is_lost(Dtype dtype, u64 got, u64 wanted) {
    const double value = value_of(dtype, wanted);
    return std::fabs(value) == smallest_normal(dtype) && got == bits_of(dtype, std::copysign(0.0, value));
}

std::vector<ir::Tensor> flush_subnormals(std::vector<ir::Tensor> tensors, const ir::Target& target) {
    for (ir::Tensor& tensor : tensors) {
        if (!flushes(tensor.dtype, target)) continue;
        for (u64& element : tensor.elements) element = flushed(tensor.dtype, element);
    }
    return tensors;
}

std::vector<bool> lost_quotients(const ir::Function& function, const std::vector<ir::Tensor>& inputs,
                                 std::size_t elements) {
    const bool divides = std::ranges::any_of(ir::live_nodes(function), [&](ir::NodeId node) {
        const ir::Op op = function.op(node);
        return (op == ir::Op::floor_divide || op == ir::Op::remainder) && is_float(function.dtype(node));
    });
    if (!divides) return {};
    std::vector<bool> lost(elements);
    for (const ir::Tensor& input : inputs)
        for (std::size_t k = 0; k < elements && input.elements.size() == elements; ++k)
            if (is_float(input.dtype) && flushed(input.dtype, input.elements[k]) != input.elements[k])
                lost[k] = true;
    return lost;
}

} // namespace heddle::tools
