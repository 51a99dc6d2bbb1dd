#include "passes/legalise/expand_convert.h"

#include "passes/math/bfloat.h"
#include "passes/math/context_kernel.h"
#include "passes/rewrite.h"
#include "support/numeric.h"

#include <array>
#include <cmath>
#include <vector>

namespace heddle::passes {

using namespace ir;

namespace {

constexpr u64 upper_half = 0xFFFF0000;

/// How a target deals with bf16.
struct Bfloats {
    bool pairs;  ///< neighbouring elements are taken from 32-bit words, two at a time
    bool halves; ///< and put into them
    bool rounds; ///< f32 is rounded to it by an instruction
};

class Conversion {
public:
    Conversion(KernelBuilder& kernel, NodeId value, Dtype to, Bfloats bfloats)
        : k_(kernel), x_(value), from_(kernel.dtype(value)), to_(to), bfloats_(bfloats) {}

    /// An invalid id where the machine's conversion is right.
    NodeId make() {
        if (to_ == Dtype::boolean) return k_.binary(Op::ne, x_, k_.constant(from_, 0));
        if (from_ == Dtype::boolean) return k_.select(x_, k_.number(to_, 1), k_.constant(to_, 0));
        if (from_ == Dtype::bf16) return from_bfloat();
        if (to_ == Dtype::bf16) return to_bfloat();
        if (to_ == Dtype::f16 && from_ != Dtype::f32) return k_.cast(to_single(), Dtype::f16);
        if (from_ == Dtype::f16 && to_ != Dtype::f32)
            return Conversion(k_, k_.cast(x_, Dtype::f32), to_, bfloats_).whole();
        if (is_float(from_) && is_integer(to_)) return saturated();
        return {};
    }

private:
    /// The conversion in full, be it the machine's.
    NodeId whole() {
        const NodeId made = make();
        return made.valid() ? made : k_.cast(x_, to_);
    }

    NodeId word(u64 value) { return k_.constant(Dtype::u32, value); }
    NodeId shifted(Op op, NodeId bits) { return k_.binary(op, bits, word(16)); }
    NodeId upper(NodeId bits) { return k_.binary(Op::bit_and, bits, word(upper_half)); }
    bool is_paired() const { return bfloats_.pairs && k_.width(x_) % 2 == 0; }

    NodeId from_bfloat() {
        const NodeId single = is_paired() ? from_pairs() : from_element();
        return to_ == Dtype::f32 ? single : Conversion(k_, single, to_, bfloats_).whole();
    }

    NodeId from_element() {
        const NodeId bits = k_.cast(k_.bitcast(x_, Dtype::u16), Dtype::u32);
        return k_.bitcast(shifted(Op::shift_left, bits), Dtype::f32);
    }

    NodeId from_pairs() {
        const NodeId words = k_.bitcast(x_, Dtype::u32);
        const NodeId low = k_.bitcast(shifted(Op::shift_left, words), Dtype::f32);
        const NodeId high = k_.bitcast(upper(words), Dtype::f32);
        const u32 count = k_.width(words);
        if (count == 1) return k_.pack(std::array{low, high});
        std::vector<i64> mask;
        for (u32 k = 0; k < count; ++k) mask.insert(mask.end(), {k, count + k});
        return k_.shuffle(low, high, mask);
    }

    NodeId to_bfloat() {
        if (bfloats_.rounds) return from_ == Dtype::f32 ? NodeId{} : k_.cast(to_single(), Dtype::bf16);
        math::KernelContext<false> c(k_, {});
        const NodeId rounded = k_.bitcast(math::round_to_bfloat(c, {&c, to_single()}).id, Dtype::u32);
        if (bfloats_.halves && is_paired()) return upper_halves(rounded);
        return k_.bitcast(k_.cast(shifted(Op::shift_right, rounded), Dtype::u16), Dtype::bf16);
    }

    /// Neighbours become one word by moving bytes alone.
    NodeId upper_halves(NodeId words) {
        const NodeId halves = k_.bitcast(words, Dtype::u16);
        std::vector<i64> mask;
        for (u32 k = 1; k < k_.width(halves); k += 2) mask.push_back(k);
        return k_.bitcast(k_.shuffle(halves, halves, mask), Dtype::bf16);
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
    Bfloats bfloats_;
};

} // namespace

Function& expand_convert(Function& kernel, const Target& target) {
    // A CPU's vectors widen and narrow their elements in one instruction.
    const bool pairs = target.kind == TargetKind::gpu;
    const Bfloats bfloats{
        .pairs = pairs, .halves = pairs && target.has_i16_arithmetic, .rounds = target.has_bf16_rounding};
    return rewrite(kernel, [bfloats](Rewriter& r, NodeId old) -> NodeId {
        if (r.from().op(old) != Op::cast) return {};
        const NodeId value = r.mapped(r.from().operand(old, 0));
        return Conversion(r.kernel(), value, r.from().dtype(old), bfloats).make();
    });
}

} // namespace heddle::passes
