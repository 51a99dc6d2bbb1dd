#include "passes/legalise/correct_division.h"

#include "passes/rewrite.h"

#include <bit>
#include <cmath>
#include <limits>

namespace heddle::passes {

using namespace ir;

namespace {

class Correction {
public:
    Correction(KernelBuilder& k, bool fused) : k_(k), fused_(fused) {}

    NodeId divide(NodeId a, NodeId b, const DivisionFacts& facts = {}) {
        const bool never_small = facts.divisor.is_never_below(smallest);
        const bool never_large = facts.divisor.is_never_above(largest);
        if (never_small && !never_large && facts.divisor.low > 0) return divide_by_positive(a, b, facts);
        // Scaling both leaves the quotient as it is and keeps the reciprocal normal. Where it makes a overflow or
        // vanish, the quotient does so too.
        NodeId divisor = b, dividend = a;
        if (!never_small || !never_large) {
            const NodeId scale = scale_of(b, never_small, never_large);
            divisor = k_.mul(b, scale);
            dividend = k_.mul(a, scale);
        }
        const NodeId reciprocal = k_.unary(Op::reciprocal, divisor);
        const NodeId quotient = k_.mul(dividend, reciprocal);
        if (facts.only_rounded) return quotient;
        return improved(quotient, k_.mul(residual(dividend, quotient, divisor), reciprocal));
    }

    /// By a constant of ordinary size: its reciprocal is a constant too, exact for a power of two.
    NodeId divide_by(NodeId a, double b) {
        const float reciprocal = static_cast<float>(1 / b);
        const NodeId slope = f(reciprocal), quotient = k_.mul(a, slope);
        if (reciprocal * b == 1) return quotient;
        return improved(quotient, k_.mul(residual(a, quotient, f(b)), slope));
    }

    /// The residual is taken of one, not of x: so nothing is scaled. What x * rsqrt(x) lost by rounding counts half. The device's own
    /// root of zero, subnormal, negative and infinite numbers and NaN.
    NodeId square_root(NodeId x) {
        const NodeId slope = k_.unary(Op::rsqrt, x), near = k_.mul(x, slope);
        const NodeId better =
            fused_ ? k_.ternary(Op::fma, k_.mul(near, f(-0.5)), k_.ternary(Op::fma, near, slope, f(-1)), near)
                   : k_.add(near, k_.mul(k_.mul(near, f(0.5)), residual(f(1), near, slope)));
        const NodeId ordinary = k_.binary(Op::bit_and, k_.binary(Op::ge, x, f(0x1p-126)),
                                          less(x, f(std::numeric_limits<double>::infinity())));
        return k_.select(ordinary, better, k_.unary(Op::sqrt, x));
    }

private:
    /// A divisor between these, zero or infinite needs no scaling.
    static constexpr double smallest = 0x1p-96, largest = 0x1p96;

    NodeId f(double value) { return k_.number(Dtype::f32, value); }
    NodeId less(NodeId a, NodeId b) { return k_.binary(Op::lt, a, b); }

    /// The root of the reciprocal is normal for every divisor that is, and taken twice it is the reciprocal: no scaling.
    NodeId divide_by_positive(NodeId a, NodeId b, const DivisionFacts& facts) {
        const NodeId root = k_.unary(Op::rsqrt, b);
        const auto over_divisor = [&](NodeId x) { return k_.mul(k_.mul(x, root), root); };
        const NodeId quotient = over_divisor(a);
        if (facts.only_rounded) return quotient;
        return improved(quotient, over_divisor(residual(a, quotient, b)));
    }

    /// What brings a divisor's reciprocal away from the ends of the exponents.
    NodeId scale_of(NodeId b, bool never_small, bool never_large) {
        const NodeId size = k_.unary(Op::abs, b);
        NodeId scale = f(1);
        if (!never_small) scale = k_.select(less(size, f(smallest)), f(0x1p64), scale);
        if (!never_large) scale = k_.select(less(f(largest), size), f(0x1p-64), scale);
        return scale;
    }

    /// a - p q, rounded once.
    NodeId residual(NodeId a, NodeId p, NodeId q) {
        if (fused_) return k_.ternary(Op::fma, k_.unary(Op::neg, p), q, a);
        const auto high = [&](NodeId x) {
            return k_.bitcast(
                k_.binary(Op::bit_and, k_.bitcast(x, Dtype::u32), k_.constant(Dtype::u32, 0xFFFFF000)),
                Dtype::f32);
        };
        const NodeId ph = high(p), qh = high(q), pl = k_.sub(p, ph), ql = k_.sub(q, qh);
        NodeId e = k_.sub(a, k_.mul(ph, qh));
        e = k_.sub(e, k_.mul(ph, ql));
        e = k_.sub(e, k_.mul(pl, qh));
        return k_.sub(e, k_.mul(pl, ql));
    }

    /// value + correction, but value itself where there is nothing to improve: zeros keep their sign, infinities and NaN stay.
    /// A correction is never as large as what it corrects, except by them.
    NodeId improved(NodeId value, NodeId correction) {
        const NodeId valid = less(k_.unary(Op::abs, correction), k_.unary(Op::abs, value));
        return k_.select(valid, k_.add(value, correction), value);
    }

    KernelBuilder& k_;
    bool fused_;
};

} // namespace

NodeId quotient(KernelBuilder& kernel, const Target& target, NodeId a, NodeId b, const DivisionFacts& facts) {
    return Correction(kernel, target.fused_fma).divide(a, b, facts);
}

Function& correct_division(Function& kernel, const Target& target) {
    return rewrite(kernel, [&](Rewriter& r, NodeId old) -> NodeId {
        const Function& from = r.from();
        const Op op = from.op(old);
        if ((op != Op::div && op != Op::sqrt) || from.dtype(old) != Dtype::f32) return {};
        Correction correction(r.kernel(), target.fused_fma);
        const NodeId a = r.mapped(from.operand(old, 0));
        if (op == Op::sqrt) return correction.square_root(a);
        const NodeId b = from.operand(old, 1);
        if (from.is_constant(b)) {
            const double value = std::bit_cast<float>(static_cast<u32>(from.payload(b, Key::value)[0]));
            if (std::isinf(value)) return r.kernel().mul(a, r.kernel().number(Dtype::f32, 1 / value));
            if (std::abs(value) > 0x1p-96 && std::abs(value) < 0x1p96) return correction.divide_by(a, value);
        }
        return correction.divide(a, r.mapped(b));
    });
}

} // namespace heddle::passes
