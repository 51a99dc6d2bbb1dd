#pragma once
// The context of the math library that makes kernel IR: its values are nodes of the kernel being built. Constants are scalars,
// which the kernel level splats where they meet vectors.

#include "ir/kernel_builder.h"
#include "passes/math/expansion.h"

#include <array>

namespace heddle::passes::math {

enum class Kind { real, whole, mask };

/// A node that the context C made or was given. The kind keeps floats, integers and masks apart at compile time.
template <class C, Kind kind> struct KernelValue {
    C* context;
    ir::NodeId id;
};

template <bool is_double> class KernelContext {
public:
    static constexpr bool is_f64 = is_double;
    static constexpr Dtype real = is_f64 ? Dtype::f64 : Dtype::f32;
    static constexpr Dtype whole = is_f64 ? Dtype::i64 : Dtype::i32;
    static constexpr Dtype natural = is_f64 ? Dtype::u64 : Dtype::u32;
    using F = KernelValue<KernelContext, Kind::real>;
    using I = KernelValue<KernelContext, Kind::whole>;
    using M = KernelValue<KernelContext, Kind::mask>;

    struct Options {
        bool fused = false;
        bool half = false;
        bool flushes = false; ///< Target::flushes_subnormals
        bool loops = true;    ///< countdowns are loops; else their steps are written out
        bool native = false;  ///< f32 `reciprocal` and `rsqrt` left in a kernel are the device's own
    };
    KernelContext(ir::KernelBuilder& kernel, const Options& options) : kernel_(&kernel), options_(options) {}

    bool fused_fma() const { return options_.fused; }
    bool half_precision() const { return options_.half; }
    bool flushes_subnormals() const { return options_.flushes && !is_f64; }
    ir::KernelBuilder& kernel() { return *kernel_; }

    F f(double value) { return {this, kernel_->number(real, value)}; }
    I i(std::int64_t value) {
        return {this, kernel_->constant(whole, is_f64 ? static_cast<u64>(value) : static_cast<u32>(value))};
    }
    F fma(F a, F b, F c) { return {this, kernel_->ternary(ir::Op::fma, a.id, b.id, c.id)}; }
    F sqrt(F a) { return {this, kernel_->unary(ir::Op::sqrt, a.id)}; }
    bool native_rsqrt() const { return options_.native && !is_f64; }
    bool native_exp2() const { return options_.native && !is_f64; }
    F exp2(F a) { return {this, kernel_->unary(ir::Op::exp2, a.id)}; }
    F rsqrt(F a) { return {this, kernel_->unary(ir::Op::rsqrt, a.id)}; }
    F quotient(F a, F b) {
        if (!options_.native || is_f64 || !options_.fused) return a / b;
        const F slope = native_reciprocal(b), near = a * slope;
        return options_.half ? near : fma(fma(-near, b, a), slope, near);
    }
    F floor(F a) { return {this, kernel_->unary(ir::Op::floor, a.id)}; }
    F trunc(F a) { return {this, kernel_->unary(ir::Op::trunc, a.id)}; }
    F round_even(F a) { return {this, kernel_->unary(ir::Op::round, a.id)}; }
    F abs(F a) { return {this, kernel_->unary(ir::Op::abs, a.id)}; }
    F to_float(I a) { return {this, kernel_->cast(a.id, real)}; }
    I bits(F a) { return {this, kernel_->bitcast(a.id, whole)}; }
    F from_bits(I a) { return {this, kernel_->bitcast(a.id, real)}; }
    template <Kind kind> KernelValue<KernelContext, kind> select(M m, KernelValue<KernelContext, kind> a,
                                                                 KernelValue<KernelContext, kind> b) {
        return {this, kernel_->select(m.id, a.id, b.id)};
    }
    I shift_right_logical(I a, int count) {
        return shift_right_natural(a, kernel_->constant(natural, static_cast<u64>(count)));
    }
    I shift_right_logical(I a, I count) {
        return shift_right_natural(a, kernel_->bitcast(count.id, natural));
    }
    /// A branch on whether any lane asks for `compute`.
    template <class Compute> F rarely(M m, F usual, Compute compute) {
        const ir::NodeId any = kernel_->width(m.id) > 1 ? kernel_->vector_reduce(m.id, ir::Op::bit_or) : m.id;
        const auto rare = [&] { return std::vector{select(m, compute(), usual).id}; };
        return {this, kernel_->if_then(any, rare, [&] { return std::vector{usual.id}; })[0]};
    }

    F spread(F a, F b) {
        const u32 lanes = kernel_->width(b.id);
        return kernel_->width(a.id) < lanes ? F{this, kernel_->splat(a.id, lanes)} : a;
    }

    template <class Body> F countdown(int count, F state, Body body) {
        if (!options_.loops) {
            for (int k = count; k-- > 0;) state = body(i(k), state);
            return state;
        }
        ir::KernelBuilder& k = *kernel_;
        const auto step = [&](ir::NodeId index, std::span<const ir::NodeId> carried) {
            const I from_end{this, k.cast(index, whole)};
            return std::vector{body(i(count - 1) - from_end, F{this, carried[0]}).id};
        };
        return {this, k.for_loop(k.index(0), k.index(count), k.index(1), std::array{state.id}, step)[0]};
    }

private:
    I shift_right_natural(I a, ir::NodeId count) {
        const ir::NodeId bits = kernel_->bitcast(a.id, natural);
        return {this, kernel_->bitcast(kernel_->binary(ir::Op::shift_right, bits, count), whole)};
    }
    F native_reciprocal(F a) { return {this, kernel_->unary(ir::Op::reciprocal, a.id)}; }

    ir::KernelBuilder* kernel_;
    Options options_;
};

template <Kind kind, class C, Kind from>
KernelValue<C, kind> make_binary(ir::Op op, KernelValue<C, from> a, KernelValue<C, from> b) {
    return {a.context, a.context->kernel().binary(op, a.id, b.id)};
}

#define HEDDLE_OPERATOR(symbol, op)                                                                          \
    template <class C, Kind kind>                                                                            \
    KernelValue<C, kind> operator symbol(KernelValue<C, kind> a, KernelValue<C, kind> b) {                   \
        return make_binary<kind>(ir::Op::op, a, b);                                                          \
    }
HEDDLE_OPERATOR(+, add)
HEDDLE_OPERATOR(-, sub)
HEDDLE_OPERATOR(*, mul)
HEDDLE_OPERATOR(/, div)
HEDDLE_OPERATOR(&, bit_and)
HEDDLE_OPERATOR(|, bit_or)
HEDDLE_OPERATOR(^, bit_xor)
HEDDLE_OPERATOR(<<, shift_left)
HEDDLE_OPERATOR(>>, shift_right)
#undef HEDDLE_OPERATOR

#define HEDDLE_COMPARISON(symbol, op)                                                                        \
    template <class C, Kind kind>                                                                            \
    KernelValue<C, Kind::mask> operator symbol(KernelValue<C, kind> a, KernelValue<C, kind> b) {             \
        return make_binary<Kind::mask>(ir::Op::op, a, b);                                                    \
    }
HEDDLE_COMPARISON(<, lt)
HEDDLE_COMPARISON(<=, le)
HEDDLE_COMPARISON(>, gt)
HEDDLE_COMPARISON(>=, ge)
HEDDLE_COMPARISON(==, eq)
HEDDLE_COMPARISON(!=, ne)
#undef HEDDLE_COMPARISON

template <class C> KernelValue<C, Kind::real> operator-(KernelValue<C, Kind::real> a) {
    return {a.context, a.context->kernel().unary(ir::Op::neg, a.id)};
}
template <class C> KernelValue<C, Kind::mask> operator!(KernelValue<C, Kind::mask> a) {
    return {a.context, a.context->kernel().unary(ir::Op::bit_not, a.id)};
}
template <class C> KernelValue<C, Kind::whole> operator<<(KernelValue<C, Kind::whole> a, int count) {
    return a << a.context->i(count);
}
template <class C> KernelValue<C, Kind::whole> operator>>(KernelValue<C, Kind::whole> a, int count) {
    return a >> a.context->i(count);
}

} // namespace heddle::passes::math
