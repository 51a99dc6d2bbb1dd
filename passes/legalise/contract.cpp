#include "passes/legalise/contract.h"

#include "passes/rewrite.h"

#include <unordered_map>

namespace heddle::passes {

using namespace ir;

namespace {

/// Which operand of an addition or subtraction is the product that it takes in.
struct Plan {
    std::unordered_map<u32, u32> product_at; ///< by the sum's id: 0 or 1
    std::vector<bool> taken;                 ///< products that no longer stand alone
};

Plan find_products(const Function& kernel) {
    Plan plan;
    plan.taken.resize(kernel.size());
    const std::vector<u32> uses = use_counts(kernel);
    for (u32 k = 0; k < kernel.size(); ++k) {
        const NodeId sum{k};
        const Op op = kernel.op(sum);
        if ((op != Op::add && op != Op::sub) || !is_float(kernel.dtype(sum))) continue;
        for (u32 at : {0u, 1u}) {
            const NodeId product = kernel.operand(sum, at);
            if (kernel.op(product) != Op::mul || uses[product.value] != 1 ||
                kernel.type(product).lanes != kernel.type(sum).lanes)
                continue;
            plan.product_at.emplace(k, at);
            plan.taken[product.value] = true;
            break;
        }
    }
    return plan;
}

NodeId fuse(Rewriter& r, NodeId sum, u32 at) {
    const Function& from = r.from();
    KernelBuilder& k = r.kernel();
    const NodeId product = from.operand(sum, at);
    NodeId a = r.mapped(from.operand(product, 0)), other = r.mapped(from.operand(sum, 1 - at));
    const NodeId b = r.mapped(from.operand(product, 1));
    if (from.op(sum) == Op::sub) (at == 0 ? other : a) = k.unary(Op::neg, at == 0 ? other : a);
    return k.ternary(Op::fma, a, b, other);
}

} // namespace

Function& contract(Function& kernel, const Target& target) {
    if (!target.fused_fma) return kernel;
    const Plan plan = find_products(kernel);
    return rewrite(kernel, [&](Rewriter& r, NodeId old) -> NodeId {
        // Nobody reads a product that was taken: whatever stands for it is not made.
        if (plan.taken[old.value]) return r.mapped(r.from().operand(old, 0));
        const auto found = plan.product_at.find(old.value);
        return found == plan.product_at.end() ? NodeId{} : fuse(r, old, found->second);
    });
}

} // namespace heddle::passes
