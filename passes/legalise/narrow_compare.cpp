#include "passes/legalise/narrow_compare.h"

#include "passes/rewrite.h"

#include <optional>

namespace heddle::passes {

using namespace ir;

namespace {

bool is_comparison(Op op) {
    return op == Op::lt || op == Op::le || op == Op::gt || op == Op::ge || op == Op::eq || op == Op::ne;
}

/// What an i64, or an index of 64 bits, was widened from; invalid if it was not, or not from a signed integer.
NodeId source_of(const Function& from, NodeId node) {
    if (from.op(node) != Op::cast) return {};
    const bool index_is_wide = kernel_info(from).index_bits == 64;
    if (from.dtype(node) != Dtype::i64 && !(from.dtype(node) == Dtype::index && index_is_wide)) return {};
    const NodeId source = from.operand(node, 0);
    const Dtype dtype = from.dtype(source);
    return dtype == Dtype::i32 || (dtype == Dtype::index && !index_is_wide) ? source : NodeId{};
}

/// A constant that 32 bits hold.
std::optional<i64> small_constant(const Function& from, NodeId node) {
    if (!from.is_constant(node)) return std::nullopt;
    const i64 value = from.payload(node, Key::value)[0];
    if (value != static_cast<i32>(value)) return std::nullopt;
    return value;
}

NodeId narrow(Rewriter& r, NodeId old) {
    const Function& from = r.from();
    const NodeId left = source_of(from, from.operand(old, 0)), right = source_of(from, from.operand(old, 1));
    if (!left.valid() && !right.valid()) return {};
    const Dtype dtype = from.dtype(left.valid() ? left : right);
    const auto side = [&](NodeId source, NodeId operand) -> NodeId {
        if (source.valid()) return from.dtype(source) == dtype ? r.mapped(source) : NodeId{};
        const std::optional<i64> value = small_constant(from, operand);
        if (!value) return {};
        const u64 mask = dtype == Dtype::i32 ? 0xFFFFFFFFu : ~u64{0};
        return r.kernel().constant(dtype, static_cast<u64>(*value) & mask);
    };
    const NodeId a = side(left, from.operand(old, 0)), b = side(right, from.operand(old, 1));
    return a.valid() && b.valid() ? r.kernel().binary(from.op(old), a, b) : NodeId{};
}

} // namespace

Function& narrow_compare(Function& kernel, const Target&) {
    return rewrite(kernel, [](Rewriter& r, NodeId old) {
        return is_comparison(r.from().op(old)) ? narrow(r, old) : NodeId{};
    });
}

} // namespace heddle::passes
