#include "passes/legalise/expand_bits.h"

#include "passes/rewrite.h"

namespace heddle::passes {

using namespace ir;

namespace {

/// A float format as an unsigned integer of its size.
struct Format {
    Dtype bits;
    u64 magnitude; ///< all but the sign
    u64 infinity;
};

Format format_of(Dtype dtype) {
    if (dtype == Dtype::f64) return {Dtype::u64, 0x7FFFFFFFFFFFFFFF, 0x7FF0000000000000};
    if (dtype == Dtype::f32) return {Dtype::u32, 0x7FFFFFFF, 0x7F800000};
    return {Dtype::u16, 0x7FFF, dtype == Dtype::f16 ? u64{0x7C00} : u64{0x7F80}};
}

NodeId magnitude(KernelBuilder& k, NodeId x) {
    const Format format = format_of(k.dtype(x));
    return k.binary(Op::bit_and, k.bitcast(x, format.bits), k.constant(format.bits, format.magnitude));
}

NodeId compare_with_infinity(KernelBuilder& k, Op compare, NodeId x) {
    const Format format = format_of(k.dtype(x));
    return k.binary(compare, magnitude(k, x), k.constant(format.bits, format.infinity));
}

/// Is it arithmetic, which flushes its operands where the device flushes anything?
bool computes(Op op) {
    switch (op) {
    case Op::add:
    case Op::sub:
    case Op::mul:
    case Op::div:
    case Op::fma:
    case Op::sqrt:
    case Op::rsqrt:
    case Op::reciprocal:
    case Op::exp2: return true;
    default: return info(op).kind == OpKind::predicate;
    }
}

/// Of each value, whether it is only compared and computed with: it may be flushed to zero on the way, for a device that does so flushes
/// what it computes with too.
std::vector<bool> find_only_computed_with(const Function& kernel) {
    std::vector<bool> only(kernel.size(), true);
    for (u32 n = static_cast<u32>(kernel.size()); n-- > 0;) { // users come after what they use
        const NodeId user{n};
        const bool chooses = kernel.op(user) == Op::select;
        if (chooses ? !only[n] : !computes(kernel.op(user)))
            for (NodeId operand : kernel.operands(user)) only[operand.value] = false;
        for (u32 r = 0; r < kernel[user].region_count; ++r)
            for (NodeId yielded : kernel.region(user, r).yields) only[yielded.value] = false;
    }
    return only;
}

NodeId absolute(KernelBuilder& k, NodeId x) {
    const Dtype dtype = k.dtype(x);
    if (is_float(dtype)) return k.bitcast(magnitude(k, x), dtype);
    if (!is_signed_integer(dtype) && dtype != Dtype::index) return x;
    return k.select(k.binary(Op::lt, x, k.constant(dtype, 0)), k.unary(Op::neg, x), x);
}

/// NaN and -0 fail both comparisons and stay.
NodeId sign(KernelBuilder& k, NodeId x) {
    const Dtype dtype = k.dtype(x);
    const NodeId zero = k.constant(dtype, 0), one = k.number(dtype, 1);
    const NodeId negative =
        is_unsigned_integer(dtype) ? x : k.select(k.binary(Op::lt, x, zero), k.number(dtype, -1), x);
    return k.select(k.binary(Op::gt, x, zero), one, negative);
}

/// Narrow values are widened without their sign, 64-bit ones counted by halves.
NodeId popcount(KernelBuilder& k, NodeId x) {
    const Dtype dtype = k.dtype(x);
    const u32 bytes = static_cast<u32>(size_of(dtype));
    if (bytes == 4) return {};
    const auto count = [&](NodeId word) { return k.unary(Op::popcount, word); };
    if (bytes == 8) {
        const NodeId bits = k.cast(x, Dtype::u64);
        const NodeId high = k.binary(Op::shift_right, bits, k.constant(Dtype::u64, 32));
        return k.cast(k.add(count(k.cast(bits, Dtype::u32)), count(k.cast(high, Dtype::u32))), dtype);
    }
    const NodeId word =
        k.binary(Op::bit_and, k.cast(x, Dtype::u32), k.constant(Dtype::u32, (u64{1} << bytes * 8) - 1));
    return k.cast(count(word), dtype);
}

} // namespace

Function& expand_bits(Function& kernel, const Target& target) {
    // A device takes the magnitude of an f32 as it reads it.
    const std::vector<bool> only_computed_with =
        target.kind == TargetKind::gpu ? find_only_computed_with(kernel) : std::vector<bool>(kernel.size());
    return rewrite(kernel, [&](Rewriter& r, NodeId old) -> NodeId {
        const Op op = r.from().op(old);
        const bool ours = op == Op::abs || op == Op::sign || op == Op::isnan || op == Op::isinf ||
                          op == Op::isfinite || (op == Op::popcount && target.kind == TargetKind::gpu);
        if (!ours) return {};
        const NodeId x = r.mapped(r.from().operand(old, 0));
        KernelBuilder& k = r.kernel();
        if (op == Op::abs && only_computed_with[old.value] && k.dtype(x) == Dtype::f32) return {};
        if (op == Op::abs) return absolute(k, x);
        if (op == Op::sign) return sign(k, x);
        if (op == Op::isnan) return compare_with_infinity(k, Op::gt, x);
        if (op == Op::isinf) return compare_with_infinity(k, Op::eq, x);
        if (op == Op::isfinite) return compare_with_infinity(k, Op::lt, x);
        return popcount(k, x);
    });
}

} // namespace heddle::passes
