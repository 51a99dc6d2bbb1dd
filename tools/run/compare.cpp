#include "tools/run/compare.h"

#include "support/numeric.h"
#include "tools/run/flush.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace heddle::tools {
namespace {

struct Format {
    int mantissa; ///< bits, without the implicit one
    int lowest;   ///< exponent of the smallest normal number
    int highest;  ///< exponent of the largest number
};

Format format_of(Dtype dtype) {
    switch (dtype) {
    case Dtype::f16: return {10, -14, 15};
    case Dtype::bf16: return {7, -126, 127};
    case Dtype::f64: return {52, -1022, 1023};
    default: return {23, -126, 127};
    }
}

double ulp_at(Dtype dtype, double value) {
    const Format format = format_of(dtype);
    const int exponent =
        value == 0 ? format.lowest : std::clamp(std::ilogb(value), format.lowest, format.highest);
    return std::ldexp(1.0, exponent - format.mantissa);
}

/// An overflow as the power of two past the largest number. f64 has none: there one is infinitely far from a number.
double finite(Dtype dtype, double value) {
    if (!std::isinf(value) || dtype == Dtype::f64) return value;
    return std::copysign(std::ldexp(1.0, format_of(dtype).highest + 1), value);
}

/// |a - b|; infinite where no bound can help.
double distance(Dtype dtype, u64 a_bits, u64 b_bits) {
    constexpr double never = std::numeric_limits<double>::infinity();
    const double a = value_of(dtype, a_bits), b = value_of(dtype, b_bits);
    if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b) ? 0 : never;
    if (a == 0 && b == 0) return std::signbit(a) == std::signbit(b) ? 0 : never;
    return a == b ? 0 : std::fabs(finite(dtype, a) - finite(dtype, b));
}

/// ulp that one op may be off by.
double ulps_of(ir::Op op, const ir::Target& target) {
    if (ir::info(op).has(ir::math)) return 2;
    switch (op) {
    case ir::Op::floor_divide:
    case ir::Op::remainder: return 1;
    // SPIR-V's division and root, corrected, are the nearest number or its neighbour.
    case ir::Op::div:
    case ir::Op::reciprocal:
    case ir::Op::sqrt: return target.kind == ir::TargetKind::gpu ? 1 : 0;
    default: return 0;
    }
}

bool sums_floats(const ir::Function& function, ir::NodeId node) {
    const ir::Op op = function.op(node);
    const bool is_sum = op == ir::Op::sum || op == ir::Op::prod || op == ir::Op::dot || op == ir::Op::reduce;
    return is_sum && is_float(function.dtype(function.operand(node, 0)));
}

double elements_of(const ir::Function& function, std::span<const ir::DimId> shape,
                   std::span<const i64> symbols) {
    double count = 1;
    for (ir::DimId size : shape) count *= static_cast<double>(function.module().dims.evaluate(size, symbols));
    return count;
}

double terms_of(const ir::Function& function, ir::NodeId node, std::span<const i64> symbols) {
    const std::span<const ir::DimId> from = function.shape(function.operand(node, 0));
    std::vector<ir::DimId> summed;
    if (function.op(node) == ir::Op::dot) {
        const std::span<const i64> contract = function.payload(node, ir::Key::contract);
        for (i64 axis : contract.first(contract.size() / 2))
            summed.push_back(from[static_cast<std::size_t>(axis)]);
    } else {
        for (i64 axis : function.payload(node, ir::Key::axes))
            summed.push_back(from[static_cast<std::size_t>(axis)]);
    }
    return elements_of(function, summed, symbols);
}

/// How far an element is from right, and how far it may be.
struct Distance {
    double ulps = 0, allowed = 0;
    bool is_within() const { return ulps <= allowed; }
};

Distance distance_of(Dtype dtype, u64 got, u64 wanted, const Comparison& how, std::size_t k) {
    if (!is_float(dtype)) {
        if (got == wanted) return {};
        return {std::max(1.0, std::fabs(static_cast<double>(integer_of(dtype, got)) -
                                        static_cast<double>(integer_of(dtype, wanted)))),
                0};
    }
    const Dtype arithmetic = dtype == Dtype::f64 ? Dtype::f64 : Dtype::f32;
    const double unit = ulp_at(dtype, finite(dtype, value_of(dtype, wanted)));
    if (how.bound.any_zero && value_of(dtype, got) == 0 && value_of(dtype, wanted) == 0) return {};
    Distance result{distance(dtype, got, wanted) / unit, how.bound.ulps};
    if (how.scale != nullptr)
        result.allowed +=
            how.bound.scale_ulps * ulp_at(arithmetic, value_of(dtype, how.scale->elements[k])) / unit;
    return result;
}

bool is_exception(Dtype dtype, u64 got, u64 wanted, const Comparison& how, std::size_t k) {
    const bool is_flushing = flushes(dtype, *how.exceptions->target);
    if (is_flushing && !how.exceptions->undefined.empty() && how.exceptions->undefined[k]) return true;
    if (is_flushing && is_lost(dtype, got, wanted)) return true;
    auto is_flushed = [&](u64 other) {
        return is_flushing &&
               distance_of(dtype, flushed(dtype, got), flushed(dtype, other), how, k).is_within();
    };
    if (is_flushed(wanted)) return true;
    return std::ranges::any_of(how.exceptions->wanted, [&](const ir::Tensor* tensor) {
        return distance_of(dtype, got, tensor->elements[k], how, k).is_within() ||
               is_flushed(tensor->elements[k]);
    });
}

/// Minimum and maximum give either of two zeros.
bool chooses_zeros(const ir::Function& function) {
    for (u32 k = 0; k < function.size(); ++k) {
        const ir::NodeId node{k};
        switch (function.op(node)) {
        case ir::Op::minimum:
        case ir::Op::maximum_number:
        case ir::Op::maximum:
        case ir::Op::reduce_min:
        case ir::Op::reduce_max:
        case ir::Op::reduce_max_number:
            if (is_float(function.dtype(node))) return true;
            break;
        default: break;
        }
    }
    return false;
}

} // namespace

double summed_terms(const ir::Function& function, std::span<const i64> symbols) {
    double terms = 0;
    for (ir::NodeId node : ir::live_nodes(function))
        if (sums_floats(function, node)) terms = std::max(terms, terms_of(function, node, symbols));
    return terms;
}

std::vector<ir::Tensor> magnitudes(std::vector<ir::Tensor> inputs) {
    for (ir::Tensor& input : inputs) {
        if (!is_float(input.dtype)) continue;
        for (u64& element : input.elements)
            element = bits_of(input.dtype, std::fabs(value_of(input.dtype, element)));
    }
    return inputs;
}

Bound bound_of(const ir::Function& function, Dtype result, const ir::Target& target, double terms) {
    if (!is_float(result) || target.kind == ir::TargetKind::interpreter) return {};
    Bound bound;
    bound.any_zero = chooses_zeros(function);
    for (ir::NodeId node : ir::live_nodes(function)) {
        if (function[node].operand_count == 0 || !is_float(function.dtype(function.operand(node, 0))))
            continue;
        bound.ulps += ulps_of(function.op(node), target);
        // At most 4,096 additions go into one accumulator, and a tree joins those.
        if (sums_floats(function, node)) bound.scale_ulps += std::min(terms, 4096.0 + 32);
    }
    // A result of 16 bits is computed in 32 and rounded once: the neighbour at most.
    if (size_of(result) == 2 && bound.ulps + bound.scale_ulps > 0) bound.ulps = 1;
    return bound;
}

Difference compare(const ir::Tensor& got, const ir::Tensor& wanted, const Comparison& how) {
    Difference result;
    for (std::size_t k = 0; k < wanted.elements.size(); ++k) {
        const u64 given = got.elements[k], right = wanted.elements[k];
        const Distance found = distance_of(wanted.dtype, given, right, how, k);
        if (!found.is_within() && how.exceptions && is_exception(wanted.dtype, given, right, how, k)) {
            ++result.exceptions;
            continue;
        }
        result.ulps = std::max(result.ulps, found.ulps);
        if (!found.is_within() && result.is_within) result.is_within = false, result.worst = k;
    }
    return result;
}

} // namespace heddle::tools
