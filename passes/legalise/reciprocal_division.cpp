#include "passes/legalise/reciprocal_division.h"

#include "passes/rewrite.h"
#include "support/numeric.h"

#include <cmath>

namespace heddle::passes {

using namespace ir;

namespace {

struct Uses {
    std::vector<u32> region;   ///< in which each node is defined
    std::vector<u32> divisors; ///< how many floats it divides
};

Uses find_uses(const Function& kernel) {
    Uses uses{std::vector<u32>(kernel.size()), std::vector<u32>(kernel.size())};
    for (u32 k = 0; k < kernel.region_count(); ++k) {
        const Region& region = kernel.region(RegionId{k});
        for (NodeId node : region.parameters) uses.region[node.value] = k;
        for (NodeId node : region.body) uses.region[node.value] = k;
    }
    for (u32 k = 0; k < kernel.size(); ++k)
        if (kernel.op(NodeId{k}) == Op::div && is_float(kernel.dtype(NodeId{k})))
            ++uses.divisors[kernel.operand(NodeId{k}, 1).value];
    return uses;
}

bool is_one(const Function& kernel, NodeId node) {
    return kernel.is_constant(node) &&
           value_of(kernel.dtype(node), static_cast<u64>(kernel.payload(node, Key::value)[0])) == 1;
}

} // namespace

Function& reciprocal_division(Function& kernel, const Target&) {
    const Uses uses = find_uses(kernel);
    return rewrite(kernel, [&](Rewriter& r, NodeId old) -> NodeId {
        const Function& from = r.from();
        if (from.op(old) != Op::div || !is_float(from.dtype(old))) return {};
        const NodeId dividend = from.operand(old, 0), divisor = from.operand(old, 1);
        const Dtype dtype = from.dtype(old);
        KernelBuilder& k = r.kernel();
        if (from.is_constant(divisor)) {
            const double value = value_of(dtype, static_cast<u64>(from.payload(divisor, Key::value)[0]));
            if (!(std::abs(value) > 0x1p-120 && std::abs(value) < 0x1p120)) return {};
            return k.mul(r.mapped(dividend), k.number(dtype, 1 / value));
        }
        const bool outside = uses.region[divisor.value] != uses.region[old.value];
        if (is_one(from, dividend) || (!outside && uses.divisors[divisor.value] < 2)) return {};
        return k.mul(r.mapped(dividend), k.div(k.number(dtype, 1), r.mapped(divisor)));
    });
}

} // namespace heddle::passes
