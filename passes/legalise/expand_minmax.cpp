#include "passes/legalise/expand_minmax.h"

#include "passes/rewrite.h"
#include "support/numeric.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace heddle::passes {

using namespace ir;

namespace {

NodeId larger_number(Rewriter& r, NodeId old) {
    KernelBuilder& k = r.kernel();
    const NodeId a = r.mapped(r.from().operand(old, 0)), b = r.mapped(r.from().operand(old, 1));
    const NodeId above = k.binary(Op::gt, a, b);
    return k.select(k.binary(Op::bit_or, above, k.binary(Op::ne, b, b)), a, b);
}

/// A constant whose elements are numbers.
bool is_number(const Function& kernel, NodeId id) {
    return kernel.is_constant(id) && std::ranges::none_of(kernel.payload(id, Key::value), [&](i64 bits) {
               return std::isnan(value_of(kernel.dtype(id), static_cast<u64>(bits)));
           });
}

} // namespace

Function& expand_minmax(Function& kernel, const Target& target) {
    return rewrite(kernel, [&](Rewriter& r, NodeId old) -> NodeId {
        const Op op = r.from().op(old);
        // A GPU has an instruction for it.
        if (op == Op::maximum_number && target.kind == TargetKind::cpu) return larger_number(r, old);
        if (op != Op::minimum && op != Op::maximum) return {};
        KernelBuilder& k = r.kernel();
        NodeId a = r.mapped(r.from().operand(old, 0)), b = r.mapped(r.from().operand(old, 1));
        const Dtype dtype = r.from().dtype(old);
        if (dtype == Dtype::boolean) return k.binary(op == Op::minimum ? Op::bit_and : Op::bit_or, a, b);
        // A number in the first place: a NaN in the second fails the comparison, and stays.
        if (is_number(k.function(), b)) std::swap(a, b);
        NodeId first = k.binary(op == Op::minimum ? Op::lt : Op::gt, a, b);
        if (is_float(dtype) && !is_number(k.function(), a))
            first = k.binary(Op::bit_or, first, k.binary(Op::ne, a, a));
        return k.select(first, a, b);
    });
}

} // namespace heddle::passes
