#include "passes/legalise/expand_vector_reduce.h"

#include "passes/rewrite.h"

#include <heddle/error.h>

namespace heddle::passes {

using namespace ir;

Function& expand_vector_reduce(Function& kernel, const Target&) {
    return rewrite(kernel, [](Rewriter& r, NodeId old) -> NodeId {
        const Function& from = r.from();
        if (from.op(old) != Op::vector_reduce) return {};
        const auto op = op_named(from.module().words[WordId{static_cast<u32>(from.integer(old, Key::op))}]);
        if (!op) throw InternalError("vector_reduce: unknown op");
        KernelBuilder& k = r.kernel();
        NodeId value = r.mapped(from.operand(old, 0));
        for (u32 half = k.width(value) / 2; half > 1; half /= 2) {
            std::vector<i64> low(half), high(half);
            for (u32 lane = 0; lane < half; ++lane) low[lane] = lane, high[lane] = lane + half;
            value = k.binary(*op, k.shuffle(value, value, low), k.shuffle(value, value, high));
        }
        return k.width(value) == 1 ? value : k.binary(*op, k.extract(value, 0), k.extract(value, 1));
    });
}

} // namespace heddle::passes
