#include "passes/expand_math.h"

#include "passes/intervals.h"
#include "passes/legalise/correct_division.h"
#include "passes/math/context_kernel.h"
#include "passes/math/error_function.h"
#include "passes/math/hyperbolic.h"
#include "passes/math/inverse_trigonometric.h"
#include "passes/math/power.h"
#include "passes/math/remainder.h"
#include "passes/math/root.h"
#include "passes/math/trigonometric.h"
#include "passes/only_rounded.h"
#include "passes/rewrite.h"

#include <heddle/error.h>

#include <algorithm>
#include <limits>

namespace heddle::passes {

using ir::NodeId;
using ir::Op;
using math::Interval;

namespace {

bool is_16_bit_float(Dtype dtype) { return dtype == Dtype::f16 || dtype == Dtype::bf16; }

/// The rows this pass replaces where they compute on floats.
bool is_expanded(const ir::Function& kernel, NodeId id) {
    const Op op = kernel.op(id);
    if (kernel.type(id).kind != ir::TypeKind::vector || !is_float(kernel.dtype(id))) return false;
    return ir::info(op).has(ir::Traits::math) || op == Op::reciprocal || op == Op::floor_divide ||
           op == Op::remainder;
}

template <class C> typename C::F expand_unary(C& c, Op op, typename C::F x, Interval range, double added_to) {
    switch (op) {
    case Op::exp: return math::exp(c, x, range, added_to);
    case Op::exp2: return math::exp2(c, x, range, added_to);
    case Op::expm1: return math::expm1(c, x);
    case Op::log: return math::log(c, x, range);
    case Op::log2: return math::log2(c, x, range);
    case Op::log10: return math::log10(c, x, range);
    case Op::log1p: return math::log1p(c, x);
    case Op::sin: return math::sin(c, x, range);
    case Op::cos: return math::cos(c, x, range);
    case Op::tan: return math::tan(c, x, range);
    case Op::asin: return math::asin(c, x);
    case Op::acos: return math::acos(c, x);
    case Op::atan: return math::atan(c, x);
    case Op::sinh: return math::sinh(c, x);
    case Op::cosh: return math::cosh(c, x);
    case Op::asinh: return math::asinh(c, x);
    case Op::acosh: return math::acosh(c, x);
    case Op::atanh: return math::atanh(c, x);
    case Op::tanh: return math::tanh(c, x);
    case Op::erf: return math::erf(c, x, added_to);
    case Op::erfinv: return math::erfinv(c, x);
    case Op::reciprocal: return math::reciprocal(c, x);
    case Op::rsqrt: return math::rsqrt(c, x, range);
    default: throw InternalError("expand-math: no expansion of " + std::string(ir::info(op).text));
    }
}

template <class C> typename C::F expand_binary(C& c, Op op, typename C::F a, typename C::F b) {
    switch (op) {
    case Op::power: return math::power(c, a, b);
    case Op::atan2: return math::atan2(c, a, b);
    case Op::floor_divide: return math::floor_divide(c, a, b);
    case Op::remainder: return math::remainder(c, a, b);
    default: throw InternalError("expand-math: no expansion of " + std::string(ir::info(op).text));
    }
}

/// a^b with the device's functions: 2^(b log2 |a|), with the sign and the ones that C's pow gives.
NodeId native_power(ir::KernelBuilder& k, NodeId a, NodeId b) {
    const auto f = [&](double value) { return k.number(Dtype::f32, value); };
    const auto whole = [&](NodeId x) { return k.binary(Op::eq, k.unary(Op::floor, x), x); };
    const NodeId size = k.unary(Op::exp2, k.mul(b, k.unary(Op::log2, k.unary(Op::abs, a))));
    const NodeId negated = k.select(whole(k.mul(b, f(0.5))), size, k.unary(Op::neg, size));
    const NodeId below = k.select(whole(b), negated, f(std::numeric_limits<double>::quiet_NaN()));
    const NodeId result = k.select(k.binary(Op::lt, a, f(0)), below, size);
    const NodeId one = k.binary(Op::bit_or, k.binary(Op::eq, b, f(0)), k.binary(Op::eq, a, f(1)));
    return k.select(one, f(1), result);
}

/// With functions that every Vulkan device has; invalid where there is none.
NodeId native(ir::KernelBuilder& k, Op op, const std::vector<NodeId>& operands) {
    const NodeId x = operands[0];
    switch (op) {
    case Op::exp:
    case Op::exp2:
    case Op::log:
    case Op::log2:
    case Op::sin:
    case Op::cos:
    case Op::tan:
    case Op::rsqrt: return k.unary(op, x);
    case Op::log10: return k.mul(k.unary(Op::log2, x), k.number(Dtype::f32, 0.30102999566398120));
    case Op::tanh: { // devices may divide sinh by cosh, which overflow
        const NodeId high = k.number(Dtype::f32, 16), low = k.number(Dtype::f32, -16);
        return k.unary(op, k.binary(Op::maximum, k.binary(Op::minimum, x, high), low));
    }
    case Op::power: return native_power(k, x, operands[1]);
    default: return {};
    }
}

/// Of each value, what it is only ever added to or taken from: at least that; 0 where other things become of it.
std::vector<double> find_added_to(const ir::Function& kernel, std::span<const Interval> intervals) {
    std::vector<double> added_to(kernel.size(), std::numeric_limits<double>::infinity());
    const auto limit = [&](NodeId id, double least) {
        added_to[id.value] = std::min(added_to[id.value], std::max(least, 0.0));
    };
    const auto low = [&](NodeId id) { return intervals[id.value].low; };
    for (u32 k = 0; k < kernel.size(); ++k) {
        const NodeId user{k};
        const std::span<const NodeId> operands = kernel.operands(user);
        if (kernel.op(user) == Op::add || kernel.op(user) == Op::sub) {
            limit(operands[0], kernel.op(user) == Op::add ? low(operands[1]) : 0);
            limit(operands[1], low(operands[0]));
        } else {
            for (NodeId operand : operands) limit(operand, 0);
        }
        for (u32 r = 0; r < kernel[user].region_count; ++r)
            for (NodeId yielded : kernel.region(user, r).yields) limit(yielded, 0);
    }
    return added_to;
}

class Expander {
public:
    Expander(const ir::Function& kernel, const ir::Target& target)
        : kernel_(kernel), target_(target), fast_(ir::kernel_info(kernel).fast_math),
          intervals_(find_intervals(kernel)), only_rounded_(find_only_rounded(kernel, intervals_)),
          added_to_(find_added_to(kernel, intervals_)) {}

    NodeId operator()(Rewriter& rewriter, NodeId old) {
        ir::KernelBuilder& k = rewriter.kernel();
        if (is_corrected(old))
            return quotient(k, target_, rewriter.mapped(kernel_.operand(old, 0)),
                            rewriter.mapped(kernel_.operand(old, 1)), facts_of(old));
        if (!is_expanded(kernel_, old)) return {};
        const Dtype dtype = kernel_.dtype(old);
        const Dtype computed = is_16_bit_float(dtype) ? Dtype::f32 : dtype;
        std::vector<NodeId> operands;
        for (NodeId operand : kernel_.operands(old)) {
            NodeId copied = rewriter.mapped(operand);
            operands.push_back(computed == dtype ? copied : k.cast(copied, computed));
        }
        const bool half = computed != dtype || only_rounded_[old.value];
        NodeId result;
        if (fast_ && computed == Dtype::f32 && target_.kind == ir::TargetKind::gpu)
            result = native(k, kernel_.op(old), operands);
        if (!result.valid())
            result = computed == Dtype::f64 ? expand<true>(k, old, operands, half)
                                            : expand<false>(k, old, operands, half || fast_);
        return computed == dtype ? result : k.cast(result, dtype);
    }

private:
    /// Divisions of which something is known that the expansion of what they divide by would hide. All others wait for the pass
    /// correct-division.
    bool is_corrected(NodeId old) const {
        if (kernel_.op(old) != Op::div || kernel_.type(old).kind != ir::TypeKind::vector ||
            kernel_.dtype(old) != Dtype::f32 || target_.kind != ir::TargetKind::gpu || fast_ ||
            kernel_.is_constant(kernel_.operand(old, 1)))
            return false;
        const DivisionFacts facts = facts_of(old);
        return facts.only_rounded || facts.divisor.is_never_below(0x1p-96);
    }
    DivisionFacts facts_of(NodeId old) const {
        return {intervals_[kernel_.operand(old, 1).value], only_rounded_[old.value]};
    }

    template <bool is_f64>
    NodeId expand(ir::KernelBuilder& k, NodeId old, const std::vector<NodeId>& operands, bool half) {
        math::KernelContext<is_f64> c(k, {.fused = target_.fused_fma,
                                          .half = half,
                                          .flushes = target_.flushes_subnormals,
                                          .loops = target_.most_iterations == 0,
                                          .native = target_.kind == ir::TargetKind::gpu});
        using F = typename math::KernelContext<is_f64>::F;
        const F x{&c, operands[0]};
        Interval range = intervals_[kernel_.operand(old, 0).value];
        if (kernel_.has(old, ir::Key::at_most))
            range.high = std::min(range.high, static_cast<double>(kernel_.integer(old, ir::Key::at_most)));
        if (operands.size() == 1) return expand_unary(c, kernel_.op(old), x, range, added_to_[old.value]).id;
        return expand_binary(c, kernel_.op(old), x, F{&c, operands[1]}).id;
    }

    const ir::Function& kernel_;
    const ir::Target& target_;
    bool fast_;
    std::vector<Interval> intervals_;
    std::vector<bool> only_rounded_;
    std::vector<double> added_to_;
};

} // namespace

ir::Function& expand_math(ir::Function& kernel, const ir::Target& target) {
    Expander expander(kernel, target);
    return rewrite(kernel, [&](Rewriter& rewriter, NodeId old) { return expander(rewriter, old); });
}

} // namespace heddle::passes
