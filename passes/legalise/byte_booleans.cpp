#include "passes/legalise/byte_booleans.h"

#include "passes/rewrite.h"

namespace heddle::passes {

using namespace ir;

namespace {

bool is_boolean_pointer(const Function& kernel, NodeId memory) {
    return kernel.type(memory).kind == TypeKind::pointer && kernel.dtype(memory) == Dtype::boolean;
}

NodeId load(Rewriter& r, NodeId old) {
    const Function& from = r.from();
    KernelBuilder& k = r.kernel();
    std::vector<NodeId> operands = r.mapped(from.operands(old));
    operands[0] = k.bitcast(operands[0], Dtype::u8);
    if (operands.size() > 3) operands[3] = k.cast(operands[3], Dtype::u8);
    const TypeId type = from.module().types.vector(Dtype::u8, from.type(old).lanes);
    return k.cast(r.to().make(Op::load, type, operands, from[old].attributes, from[old].location),
                  Dtype::boolean);
}

NodeId store(Rewriter& r, NodeId old) {
    const Function& from = r.from();
    KernelBuilder& k = r.kernel();
    std::vector<NodeId> operands = r.mapped(from.operands(old));
    operands[0] = k.cast(operands[0], Dtype::u8);
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
