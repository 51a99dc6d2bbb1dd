#include "passes/legalise/hide_zeros.h"

#include "passes/rewrite.h"
#include "support/numeric.h"

#include <cmath>
#include <optional>

namespace heddle::passes {

using namespace ir;

namespace {

class ZeroHider {
public:
    explicit ZeroHider(Rewriter& rewriter) : r_(rewriter), k_(rewriter.kernel()), from_(rewriter.from()) {}

    NodeId arithmetic(NodeId old) {
        const bool divides = from_.op(old) == Op::div;
        return with_hidden(old, 0,
                           [&](double value) { return value == 0 || (divides && std::isinf(value)); });
    }

    NodeId loop(NodeId old) {
        return with_hidden(old, 3, [](double value) { return value == 0; });
    }

private:
    /// A constant of f32 or f64, also one in every lane.
    std::optional<double> float_constant(NodeId node) const {
        if (from_.op(node) == Op::splat) node = from_.operand(node, 0);
        if (!from_.is_constant(node) || !is_float(from_.dtype(node))) return std::nullopt;
        return value_of(from_.dtype(node), static_cast<u64>(from_.payload(node, Key::value)[0]));
    }

    /// The node with hidden constants in the place of those operands, from the `first` on, that `folds` holds for.
    template <class Folds> NodeId with_hidden(NodeId old, u32 first, const Folds& folds) {
        std::vector<std::pair<NodeId, NodeId>> shown;
        for (u32 k = first; k < from_[old].operand_count; ++k) {
            const NodeId operand = from_.operand(old, k);
            const std::optional<double> value = float_constant(operand);
            if (!value || !folds(*value)) continue;
            shown.emplace_back(operand, r_.mapped(operand));
        }
        if (shown.empty()) return {};
        for (const auto& [operand, plain] : shown) r_.map(operand, hidden(operand, *float_constant(operand)));
        const NodeId copy = r_.copy(old);
        for (const auto& [operand, plain] : shown) r_.map(operand, plain);
        return copy;
    }

    NodeId hidden(NodeId old, double value) {
        const NodeId n = k_.cast(k_.thread_index(), Dtype::u32);
        const NodeId even = k_.mul(n, k_.add(n, k_.constant(Dtype::u32, 1)));
        NodeId bits = k_.binary(Op::bit_and, even, k_.constant(Dtype::u32, 1));
        if (const u64 other = bits_of(Dtype::f32, value); other != 0)
            bits = k_.binary(Op::bit_or, bits, k_.constant(Dtype::u32, other));
        NodeId number = k_.bitcast(bits, Dtype::f32);
        if (from_.dtype(old) != Dtype::f32) number = k_.cast(number, from_.dtype(old));
        return k_.splat(number, from_.type(old).lanes);
    }

    Rewriter& r_;
    KernelBuilder& k_;
    const Function& from_;
};

bool is_folded(Op op) {
    return op == Op::add || op == Op::sub || op == Op::mul || op == Op::div || op == Op::fma;
}

} // namespace

Function& hide_zeros(Function& kernel, const Target&) {
    return rewrite(kernel, [](Rewriter& r, NodeId old) -> NodeId {
        const Op op = r.from().op(old);
        if (op == Op::for_loop) return ZeroHider(r).loop(old);
        return is_folded(op) && is_float(r.from().dtype(old)) ? ZeroHider(r).arithmetic(old) : NodeId{};
    });
}

} // namespace heddle::passes
