#include "passes/legalise/expand_integer.h"

#include "passes/rewrite.h"
#include "support/numeric.h"

namespace heddle::passes {

using namespace ir;

namespace {

class IntegerExpansion {
public:
    /// `native_rest`: the target's signed remainder is right for negative operands.
    IntegerExpansion(KernelBuilder& kernel, NodeId a, NodeId b, bool native_rest)
        : k_(kernel), a_(a), b_(b), native_rest_(native_rest), dtype_(kernel.dtype(a)),
          signed_(is_signed_integer(dtype_)), zero_(kernel.constant(dtype_, 0)),
          one_(kernel.constant(dtype_, 1)) {}

    NodeId make(Op op) {
        switch (op) {
        case Op::div: return quotient();
        case Op::rem: return rest();
        case Op::floor_divide:
            return signed_ ? k_.sub(quotient(), k_.select(rounds_down(rest()), one_, zero_)) : quotient();
        case Op::remainder:
            return signed_ ? k_.add(rest(), k_.select(rounds_down(rest()), b_, zero_)) : rest();
        case Op::shift_left: return shift(op, zero_);
        case Op::shift_right:
            return shift(op, signed_ ? k_.select(k_.binary(Op::lt, a_, zero_), minus_one(), zero_) : zero_);
        case Op::power: return power();
        default: return {};
        }
    }

private:
    NodeId minus_one() { return k_.constant(dtype_, bits_of(dtype_, i64{-1})); }

    std::optional<i64> constant(NodeId id) const {
        const Function& function = k_.function();
        if (function.op(id) == Op::splat) id = function.operand(id, 0);
        if (function.op(id) != Op::constant) return std::nullopt;
        return integer_of(dtype_, static_cast<u64>(function.payload(id, Key::value)[0]));
    }

    /// Neither 0 nor -1: the machine's division answers.
    bool harmless() const {
        const auto value = constant(b_);
        return value && *value != 0 && (*value != -1 || !signed_);
    }

    struct Guard {
        NodeId zero, minus_one, divisor;
    };
    Guard guard() {
        Guard guard{k_.binary(Op::eq, b_, zero_), {}, {}};
        NodeId unsafe = guard.zero;
        if (signed_) {
            guard.minus_one = k_.binary(Op::eq, b_, minus_one());
            unsafe = k_.binary(Op::bit_or, unsafe, guard.minus_one);
        }
        guard.divisor = k_.select(unsafe, one_, b_);
        return guard;
    }

    NodeId quotient() {
        if (harmless()) return k_.div(a_, b_);
        const Guard g = guard();
        NodeId result = k_.div(a_, g.divisor);
        if (signed_) result = k_.select(g.minus_one, k_.unary(Op::neg, a_), result);
        return k_.select(g.zero, zero_, result);
    }

    /// With a divisor of 1 in place of 0 and -1 the remainder is 0, as it should be.
    NodeId rest() {
        const NodeId divisor = harmless() ? b_ : guard().divisor;
        if (!signed_ || native_rest_) return k_.binary(Op::rem, a_, divisor);
        return k_.sub(a_, k_.mul(k_.div(a_, divisor), divisor));
    }

    /// The truncated quotient lies above the floor: a rest, of the other sign than the divisor.
    NodeId rounds_down(NodeId rest) {
        const NodeId differs = k_.binary(Op::lt, k_.binary(Op::bit_xor, rest, b_), zero_);
        return k_.binary(Op::bit_and, k_.binary(Op::ne, rest, zero_), differs);
    }

    NodeId shift(Op op, NodeId beyond) {
        const i64 width = static_cast<i64>(size_of(dtype_) * 8);
        if (const auto count = constant(b_); count && *count >= 0 && *count < width)
            return k_.binary(op, a_, b_);
        NodeId fits = k_.binary(Op::lt, b_, k_.constant(dtype_, static_cast<u64>(width)));
        if (signed_) fits = k_.binary(Op::bit_and, fits, k_.binary(Op::ge, b_, zero_));
        return k_.select(fits, k_.binary(op, a_, k_.select(fits, b_, zero_)), beyond);
    }

    /// Squares and multiplies through all bits of the exponent.
    NodeId power() {
        const u32 width = static_cast<u32>(size_of(dtype_) * 8);
        NodeId result = one_, square = a_;
        for (u32 bit = 0; bit < width; ++bit) {
            const NodeId set =
                k_.binary(Op::ne, k_.binary(Op::bit_and, b_, k_.constant(dtype_, u64{1} << bit)), zero_);
            result = k_.select(set, k_.mul(result, square), result);
            if (bit + 1 < width) square = k_.mul(square, square);
        }
        if (!signed_) return result;
        const NodeId odd = k_.binary(Op::ne, k_.binary(Op::bit_and, b_, one_), zero_);
        const NodeId of_minus_one = k_.select(odd, minus_one(), one_);
        const NodeId below = k_.select(k_.binary(Op::eq, a_, one_), one_,
                                       k_.select(k_.binary(Op::eq, a_, minus_one()), of_minus_one, zero_));
        return k_.select(k_.binary(Op::lt, b_, zero_), below, result);
    }

    KernelBuilder& k_;
    NodeId a_, b_;
    bool native_rest_;
    Dtype dtype_;
    bool signed_;
    NodeId zero_, one_;
};

} // namespace

Function& expand_integer(Function& kernel, const Target& target) {
    // Vulkan leaves OpSRem of a negative operand undefined (appendix "Vulkan Environment for SPIR-V"), and NVIDIA's driver means it.
    const bool native_rest = target.kind != TargetKind::gpu;
    return rewrite(kernel, [native_rest](Rewriter& r, NodeId old) -> NodeId {
        const Function& from = r.from();
        if (from[old].operand_count != 2 || info(from.op(old)).kind != OpKind::elementwise) return {};
        const Dtype dtype = from.dtype(old);
        if (!is_integer(dtype) || dtype == Dtype::index) return {};
        return IntegerExpansion(r.kernel(), r.mapped(from.operand(old, 0)), r.mapped(from.operand(old, 1)),
                                native_rest)
            .make(from.op(old));
    });
}

} // namespace heddle::passes
