#include "passes/legalise/widen_rebase.h"

#include "passes/rewrite.h"

namespace heddle::passes {

using namespace ir;

namespace {

bool is_arithmetic(Op op) {
    return op == Op::add || op == Op::sub || op == Op::mul || op == Op::div || op == Op::rem ||
           op == Op::minimum || op == Op::maximum;
}

} // namespace

// Products of sums are shared by hash-consing, so a tree is walked once a use at most.
NodeId wide_index(Rewriter& r, NodeId old) {
    const Function& from = r.from();
    KernelBuilder& k = r.kernel();
    if (from.is_constant(old))
        return k.constant(Dtype::i64, static_cast<u64>(from.payload(old, Key::value)[0]));
    if (!is_arithmetic(from.op(old))) return k.cast(r.mapped(old), Dtype::i64);
    const NodeId left = wide_index(r, from.operand(old, 0));
    return k.binary(from.op(old), left, wide_index(r, from.operand(old, 1)));
}

Function& widen_rebase(Function& kernel, const Target& target) {
    if (kernel_info(kernel).index_bits == 64 || !target.has_i64) return kernel;
    return rewrite(kernel, [](Rewriter& r, NodeId old) -> NodeId {
        const Function& from = r.from();
        if (from.op(old) != Op::rebase) return {};
        const NodeId offset = from.operand(old, 1);
        if (!is_arithmetic(from.op(offset))) return {};
        return r.kernel().rebase(r.mapped(from.operand(old, 0)), wide_index(r, offset));
    });
}

} // namespace heddle::passes
