#include "passes/legalise/signed_selects.h"

#include "passes/rewrite.h"
#include "support/numeric.h"

#include <cmath>
#include <optional>

namespace heddle::passes {

using namespace ir;

namespace {

/// A constant, also one in every lane.
std::optional<double> constant_of(const Function& from, NodeId node) {
    if (from.op(node) == Op::splat) node = from.operand(node, 0);
    if (!from.is_constant(node)) return std::nullopt;
    return value_of(from.dtype(node), static_cast<u64>(from.payload(node, Key::value)[0]));
}

NodeId through_integer(Rewriter& r, NodeId old) {
    const Function& from = r.from();
    const auto yes = constant_of(from, from.operand(old, 1)), no = constant_of(from, from.operand(old, 2));
    if (!yes || !no) return {};
    const double one = *yes == 0 ? *no : *yes, zero = *yes == 0 ? *yes : *no;
    // Both of one sign are converted rightly.
    if (zero != 0 || std::fabs(one) != 1 || std::signbit(one) == std::signbit(zero)) return {};
    KernelBuilder& k = r.kernel();
    const NodeId minus_one = k.number(Dtype::i32, -1), none = k.number(Dtype::i32, 0);
    const NodeId condition = r.mapped(from.operand(old, 0));
    const NodeId whole =
        *yes == 0 ? k.select(condition, none, minus_one) : k.select(condition, minus_one, none);
    const NodeId value = k.cast(whole, from.dtype(old)); // -1 or 0
    return one < 0 ? value : k.unary(Op::neg, value);
}

} // namespace

Function& signed_selects(Function& kernel, const Target&) {
    return rewrite(kernel, [](Rewriter& r, NodeId old) {
        const bool is_choice = r.from().op(old) == Op::select && is_float(r.from().dtype(old));
        return is_choice ? through_integer(r, old) : NodeId{};
    });
}

} // namespace heddle::passes
