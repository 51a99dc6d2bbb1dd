#include "passes/legalise/byte_booleans.h"

#include "passes/rewrite.h"

namespace heddle::passes {

using namespace ir;

namespace {

bool is_boolean_pointer(const Function& kernel, NodeId memory) {
    return kernel.type(memory).kind == TypeKind::pointer && kernel.dtype(memory) == Dtype::boolean;
}

/// By way of 32 bits: devices that store bytes but do not compute with them can convert.
NodeId byte(KernelBuilder& k, NodeId boolean) { return k.cast(k.cast(boolean, Dtype::u32), Dtype::u8); }

NodeId load(Rewriter& r, NodeId old) {
    const Function& from = r.from();
    KernelBuilder& k = r.kernel();
    std::vector<NodeId> operands = r.mapped(from.operands(old));
    operands[0] = k.bitcast(operands[0], Dtype::u8);
    if (operands.size() > 3) operands[3] = byte(k, operands[3]);
    const TypeId type = from.module().types.vector(Dtype::u8, from.type(old).lanes);
    const NodeId loaded = r.to().make(Op::load, type, operands, from[old].attributes, from[old].location);
    return k.cast(k.cast(loaded, Dtype::u32), Dtype::boolean);
}

NodeId store(Rewriter& r, NodeId old) {
    const Function& from = r.from();
    KernelBuilder& k = r.kernel();
    std::vector<NodeId> operands = r.mapped(from.operands(old));
    operands[0] = byte(k, operands[0]);
    operands[1] = k.bitcast(operands[1], Dtype::u8);
    return r.to().make(Op::store, from[old].type, operands, from[old].attributes, from[old].location);
}

} // namespace

Function& byte_booleans(Function& kernel, const Target&) {
    return rewrite(kernel, [](Rewriter& r, NodeId old) -> NodeId {
        const Op op = r.from().op(old);
        if (op == Op::load && is_boolean_pointer(r.from(), r.from().operand(old, 0))) return load(r, old);
        if (op == Op::store && is_boolean_pointer(r.from(), r.from().operand(old, 1))) return store(r, old);
        return {};
    });
}

} // namespace heddle::passes
