#include "passes/graph/simplify.h"

#include "ir/builder.h"
#include "ir/scalar.h"
#include "passes/rewrite.h"

#include <algorithm>
#include <cmath>

namespace heddle::passes {
namespace {

using namespace ir;

/// f(-x) is -f(x), to the last bit.
bool is_odd(Op op) {
    switch (op) {
    case Op::sin:
    case Op::tan:
    case Op::asin:
    case Op::atan:
    case Op::sinh:
    case Op::tanh:
    case Op::asinh:
    case Op::atanh:
    case Op::erf:
    case Op::erfinv:
    case Op::reciprocal:
    case Op::round:
    case Op::trunc: return true;
    default: return false;
    }
}

bool is_even(Op op) { return op == Op::abs || op == Op::cos || op == Op::cosh; }

/// Every value of integer dtype `from` (or bool) is one of integer dtype `to`.
bool holds_all(Dtype to, Dtype from) {
    if (!is_integer(to)) return false;
    if (from == Dtype::boolean) return true;
    if (!is_integer(from) || (is_signed_integer(from) && !is_signed_integer(to))) return false;
    return size_of(from) < size_of(to);
}

/// An array without elements whose computation may go: not an argument, nor made by a kernel of the user's, nor one that costs nothing.
bool is_needless(const Function& from, NodeId old) {
    const Op op = from.op(old);
    if (from.type(old).kind != TypeKind::tensor || op == Op::parameter || op == Op::constant ||
        op == Op::iota || op == Op::custom ||
        (op == Op::result && from.op(from.operand(old, 0)) == Op::custom) ||
        (op == Op::broadcast && from.is_constant(from.operand(old, 0))))
        return false;
    const Dims& dims = from.module().dims;
    return std::ranges::any_of(from.shape(old), [&](DimId size) { return dims.is_constant(size, 0); });
}

class Simplifier {
public:
    explicit Simplifier(Rewriter& rewriter)
        : rewriter_(rewriter), to_(rewriter.to()), builder_(rewriter.to()) {}

    NodeId replace(NodeId old) {
        const Function& from = rewriter_.from();
        builder_.location = from[old].location;
        if (is_needless(from, old)) return nothing(old);
        if (!is_elementwise(from.op(old))) return {};
        op_ = from.op(old);
        operands_ = rewriter_.mapped(from.operands(old));
        dtype_ = from.dtype(old);
        if (NodeId folded = fold(); folded.valid()) return folded;
        if (NodeId moved = move_negation(); moved.valid()) return moved;
        if (NodeId direct = convert_once(); direct.valid()) return direct;
        const NodeId same = keep_one();
        // What takes its place must have its shape: `x * 1` where 1 has the shape and x is rank 0 stays.
        return same.valid() && to_.shape(same).size() == from.shape(old).size() ? same : NodeId{};
    }

private:
    /// What has no elements is any value in that shape.
    NodeId nothing(NodeId old) {
        const Function& from = rewriter_.from();
        const std::vector<DimId> shape(from.shape(old).begin(), from.shape(old).end());
        return builder_.broadcast(builder_.constant(from.dtype(old), u64{0}), shape, {});
    }

    /// By way of a wider integer, which changes nothing. It is cheaper, and Mesa's software driver takes i64 that were i32 for
    /// unsigned where it compares the float that is made of them with 0.
    NodeId convert_once() {
        if (op_ != Op::cast || to_.op(operands_[0]) != Op::cast) return {};
        const NodeId source = to_.operand(operands_[0], 0);
        return holds_all(to_.dtype(operands_[0]), to_.dtype(source)) ? builder_.cast(source, dtype_)
                                                                     : NodeId{};
    }

    std::optional<Scalar> constant(u32 k) const {
        const NodeId id = operands_[k];
        if (to_.op(id) != Op::constant || !to_.shape(id).empty()) return std::nullopt;
        return scalar_of(to_.dtype(id), static_cast<u64>(to_.payload(id, Key::value)[0]));
    }
    bool is(u32 k, double value) const {
        const auto known = constant(k);
        if (!known) return false;
        if (is_float(to_.dtype(operands_[k])))
            return known->real == value && std::signbit(known->real) == std::signbit(value);
        return static_cast<double>(known->whole) == value;
    }

    /// All operands are constants.
    NodeId fold() {
        Scalar values[3];
        for (u32 k = 0; k < operands_.size(); ++k) {
            const auto known = constant(k);
            if (!known) return {};
            values[k] = *known;
        }
        const Dtype from = to_.dtype(operands_[op_ == Op::select ? 1 : 0]);
        if (op_ == Op::cast)
            return builder_.constant(dtype_, bits_of(dtype_, convert(from, dtype_, values[0])));
        if (op_ == Op::bitcast) return builder_.constant(dtype_, bits_of(from, values[0]));
        // f16 and bf16 arithmetic keeps f32 precision until it is stored, so folding it would round too early.
        if (from == Dtype::f16 || from == Dtype::bf16) return {};
        const auto value = evaluate(op_, from, values[0], values[1], values[2]);
        return value ? builder_.constant(dtype_, bits_of(dtype_, *value)) : NodeId{};
    }

    /// An operand that is the result already.
    NodeId keep_one() const {
        const bool real = is_float(dtype_);
        switch (op_) {
        case Op::add:
            return is(1, real ? -0.0 : 0) ? operands_[0] : is(0, real ? -0.0 : 0) ? operands_[1] : NodeId{};
        case Op::sub: return is(1, 0) ? operands_[0] : NodeId{};
        case Op::mul: return is(1, 1) ? operands_[0] : is(0, 1) ? operands_[1] : NodeId{};
        case Op::div: return is(1, 1) ? operands_[0] : NodeId{};
        case Op::neg:
        case Op::bit_not: return to_.op(operands_[0]) == op_ ? to_.operand(operands_[0], 0) : NodeId{};
        case Op::abs: return to_.op(operands_[0]) == Op::abs ? operands_[0] : NodeId{};
        case Op::cast: return to_.dtype(operands_[0]) == dtype_ ? operands_[0] : NodeId{};
        case Op::select:
            if (operands_[1] == operands_[2]) return operands_[1];
            if (const auto known = constant(0)) return known->whole != 0 ? operands_[1] : operands_[2];
            return {};
        default: return {};
        }
    }

    /// What operand k is the negative of; invalid where it is none.
    NodeId negated(u32 k) const {
        const NodeId id = operands_[k];
        return to_.op(id) == Op::neg ? to_.operand(id, 0) : NodeId{};
    }

    /// Signs go outwards, where sums take them up, so that f(x) and f(-x) are computed once. All of this is exact.
    NodeId move_negation() {
        const NodeId first = negated(0), second = operands_.size() > 1 ? negated(1) : NodeId{};
        if (!first.valid() && !second.valid()) return {};
        if (is_even(op_)) return builder_.unary(op_, first);
        if (is_odd(op_)) return negative(builder_.unary(op_, first));
        if (op_ == Op::mul || (op_ == Op::div && is_float(dtype_))) {
            const NodeId magnitude = builder_.binary(op_, first.valid() ? first : operands_[0],
                                                     second.valid() ? second : operands_[1]);
            return first.valid() && second.valid() ? magnitude : negative(magnitude);
        }
        if (op_ == Op::add && second.valid()) return builder_.binary(Op::sub, operands_[0], second);
        if (op_ == Op::add) return builder_.binary(Op::sub, operands_[1], first);
        if (op_ == Op::sub && second.valid()) return builder_.binary(Op::add, operands_[0], second);
        return {};
    }
    NodeId negative(NodeId x) { return builder_.unary(Op::neg, x); }

    Rewriter& rewriter_;
    Function& to_;
    Builder builder_;
    Op op_ = Op::add;
    std::vector<NodeId> operands_;
    Dtype dtype_ = Dtype::f32;
};

} // namespace

Function& simplify(Function& function) {
    return rewrite(function,
                   [](Rewriter& rewriter, NodeId old) { return Simplifier(rewriter).replace(old); });
}

} // namespace heddle::passes
