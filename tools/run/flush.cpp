#include "tools/run/flush.h"

#include "support/numeric.h"

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

std::vector<ir::Tensor> flush_subnormals(std::vector<ir::Tensor> tensors, const ir::Target& target) {
    for (ir::Tensor& tensor : tensors) {
        if (!flushes(tensor.dtype, target)) continue;
        for (u64& element : tensor.elements) element = flushed(tensor.dtype, element);
    }
    return tensors;
}

} // namespace heddle::tools
