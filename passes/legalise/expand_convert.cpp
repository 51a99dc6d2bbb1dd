#include "passes/legalise/expand_convert.h"

#include "passes/rewrite.h"
#include "support/numeric.h"

#include <cmath>

namespace heddle::passes {

using namespace ir;

namespace {

class Conversion {
public:
    Conversion(KernelBuilder& kernel, NodeId value, Dtype to)
        : k_(kernel), x_(value), from_(kernel.dtype(value)), to_(to) {}

    /// An invalid id where the machine's conversion is right.
    NodeId make() {
        if (to_ == Dtype::boolean) return k_.binary(Op::ne, x_, k_.constant(from_, 0));
        if (from_ == Dtype::boolean) return k_.select(x_, k_.number(to_, 1), k_.constant(to_, 0));
        if (from_ == Dtype::bf16) return from_bfloat();
        if (to_ == Dtype::bf16) return to_bfloat();
        if (to_ == Dtype::f16 && from_ != Dtype::f32) return k_.cast(to_single(), Dtype::f16);
        if (from_ == Dtype::f16 && to_ != Dtype::f32)
            return Conversion(k_, k_.cast(x_, Dtype::f32), to_).whole();
        if (is_float(from_) && is_integer(to_)) return saturated();
        return {};
    }

private:
    /// The conversion in full, be it the machine's.
    NodeId whole() {
        const NodeId made = make();
        return made.valid() ? made : k_.cast(x_, to_);
    }

    NodeId from_bfloat() {
        const NodeId bits = k_.cast(k_.bitcast(x_, Dtype::u16), Dtype::u32);
        const NodeId single =
            k_.bitcast(k_.binary(Op::shift_left, bits, k_.constant(Dtype::u32, 16)), Dtype::f32);
        return to_ == Dtype::f32 ? single : Conversion(k_, single, to_).whole();
    }

    NodeId to_bfloat() {
        const NodeId single = to_single();
        const NodeId bits = k_.bitcast(single, Dtype::u32);
        const auto number = [&](u64 value) { return k_.constant(Dtype::u32, value); };
        const NodeId high = k_.binary(Op::shift_right, bits, number(16));
        const NodeId odd = k_.binary(Op::bit_and, high, number(1));
        const NodeId nearest =
            k_.binary(Op::shift_right, k_.add(bits, k_.add(odd, number(0x7FFF))), number(16));
        const NodeId quiet = k_.binary(Op::bit_or, high, number(0x40));
        const NodeId result = k_.select(k_.binary(Op::ne, single, single), quiet, nearest);
        return k_.bitcast(k_.cast(result, Dtype::u16), Dtype::bf16);
    }

    /// As f32, rounded to odd where it does not fit: a later rounding to fewer bits then sees on which side the value lay.
    NodeId to_single() {
        if (from_ == Dtype::f32) return x_;
        if (from_ == Dtype::f16 || size_of(from_) <= 2) return k_.cast(x_, Dtype::f32);
        const NodeId exact = is_float(from_) ? x_ : k_.cast(x_, Dtype::f64);
        const NodeId near = k_.cast(exact, Dtype::f32);
        const NodeId back = k_.cast(near, Dtype::f64);
        const NodeId bits = k_.bitcast(near, Dtype::u32);
        const auto magnitude = [&](NodeId value) { return k_.unary(Op::abs, value); };
        const NodeId away = k_.binary(Op::gt, magnitude(back), magnitude(exact));
        const NodeId toward_zero =
            k_.sub(bits, k_.select(away, k_.constant(Dtype::u32, 1), k_.constant(Dtype::u32, 0)));
        const NodeId odd = k_.binary(Op::bit_or, toward_zero, k_.constant(Dtype::u32, 1));
        // NaN differs from itself and must stay; so must what fits.
        const NodeId inexact =
            k_.binary(Op::bit_or, k_.binary(Op::lt, back, exact), k_.binary(Op::gt, back, exact));
        return k_.bitcast(k_.select(inexact, odd, bits), Dtype::f32);
    }

    NodeId saturated() {
        const u32 bits = static_cast<u32>(size_of(to_) * 8);
        const bool is_signed = is_signed_integer(to_) || to_ == Dtype::index;
        const double above = std::ldexp(1.0, static_cast<int>(is_signed ? bits - 1 : bits));
        const NodeId high = k_.binary(Op::ge, x_, k_.number(from_, above));
        // What truncates to the lowest value is still inside, so the bound is the first float that does not.
        const NodeId low = is_signed ? k_.binary(Op::lt, x_, k_.number(from_, -above))
                                     : k_.binary(Op::le, x_, k_.number(from_, -1));
        const NodeId outside =
            k_.binary(Op::bit_or, k_.binary(Op::bit_or, high, low), k_.binary(Op::ne, x_, x_));
        const NodeId inside = k_.select(outside, k_.constant(from_, 0), x_);
        const Dtype middle = bits >= 32 ? to_ : Dtype::i32;
        const NodeId whole = k_.cast(k_.cast(inside, middle), to_);
        return k_.select(high, k_.constant(to_, highest_bits(to_)),
                         k_.select(low, k_.constant(to_, lowest_bits(to_)), whole));
    }

    KernelBuilder& k_;
    NodeId x_;
    Dtype from_, to_;
};

} // namespace

Function& expand_convert(Function& kernel, const Target&) {
    return rewrite(kernel, [](Rewriter& r, NodeId old) -> NodeId {
        if (r.from().op(old) != Op::cast) return {};
        return Conversion(r.kernel(), r.mapped(r.from().operand(old, 0)), r.from().dtype(old)).make();
    });
}

} // namespace heddle::passes
