#include "passes/legalise/expand_reduce.h"

#include "passes/rewrite.h"

#include <heddle/error.h>

#include <bit>

namespace heddle::passes {

using namespace ir;

namespace {

class Expansion {
public:
    Expansion(Rewriter& rewriter, NodeId old, const KernelInfo& info, bool again)
        : kernel_(rewriter.kernel()), info_(info), again_(again),
          value_(rewriter.mapped(rewriter.from().operand(old, 0))) {
        const WordId word{static_cast<u32>(rewriter.from().integer(old, Key::op))};
        const auto op = op_named(rewriter.to().module().words[word]);
        if (!op || !info_of(*op).has(associative))
            throw InternalError("a reduction by something that is no associative op");
        op_ = *op;
    }

    NodeId subgroup() { return butterfly(value_, info_.subgroup); }

    NodeId block(NodeId scratch) {
        if (info_.subgroup <= 1) return tree(scratch);
        const NodeId sum = subgroup();
        const u32 count = info_.block / info_.subgroup;
        if (count == 1) return sum;
        when(Op::eq, kernel_.lane_index(), 0, [&] { kernel_.store(sum, scratch, kernel_.subgroup_index()); });
        synchronise();
        const NodeId total = join(scratch, count);
        release();
        return total;
    }

private:
    static const OpInfo& info_of(Op op) { return ir::info(op); }
    NodeId combine(NodeId a, NodeId b) { return kernel_.binary(op_, a, b); }
    NodeId load(NodeId scratch, NodeId index) { return kernel_.load(scratch, index, kernel_.width(value_)); }
    void synchronise() { kernel_.barrier(BarrierScope::block, true, false); }
    void release() {
        if (again_) synchronise();
    }

    void when(Op compare, NodeId a, i64 b, const std::function<void()>& body) {
        kernel_.if_then(kernel_.binary(compare, a, kernel_.index(b)), [&] {
            body();
            return std::vector<NodeId>{};
        });
    }

    /// Lanes that differ in a bit of their number swap values, for each bit below `lanes`.
    NodeId butterfly(NodeId value, u32 lanes) {
        for (u32 mask = lanes / 2; mask >= 1; mask /= 2)
            value = combine(value, kernel_.subgroup_shuffle_xor(value, mask));
        return value;
    }

    /// All `count` sums of the scratch, the same in every lane.
    NodeId join(NodeId scratch, u32 count) {
        const NodeId lane = kernel_.lane_index();
        if (!std::has_single_bit(count)) {
            NodeId sum = load(scratch, kernel_.index(0));
            for (u32 k = 1; k < count; ++k) sum = combine(sum, load(scratch, kernel_.index(k)));
            return sum;
        }
        if (count <= info_.subgroup) {
            const NodeId place =
                count == info_.subgroup ? lane : kernel_.binary(Op::rem, lane, kernel_.index(count));
            return butterfly(load(scratch, place), count);
        }
        NodeId sum = load(scratch, lane);
        for (u32 k = info_.subgroup; k < count; k += info_.subgroup)
            sum = combine(sum, load(scratch, kernel_.add(lane, kernel_.index(k))));
        return butterfly(sum, info_.subgroup);
    }

    NodeId tree(NodeId scratch) {
        const NodeId thread = kernel_.thread_index();
        kernel_.store(value_, scratch, thread);
        synchronise();
        for (u32 live = info_.block; live > 1;) {
            const u32 half = (live + 1) / 2;
            when(Op::lt, thread, live - half, [&] {
                const NodeId other = load(scratch, kernel_.add(thread, kernel_.index(half)));
                kernel_.store(combine(load(scratch, thread), other), scratch, thread);
            });
            synchronise();
            live = half;
        }
        const NodeId total = load(scratch, kernel_.index(0));
        release();
        return total;
    }

    KernelBuilder& kernel_;
    const KernelInfo& info_;
    bool again_; ///< the scratch is written again later
    NodeId value_;
    Op op_ = Op::add;
};

/// Of each value, how many ops have it as an operand; those inside of regions count twice, for they may run again.
std::vector<u32> count_uses(const Function& kernel) {
    std::vector<u32> uses(kernel.size());
    for (u32 r = 0; r < kernel.region_count(); ++r)
        for (NodeId node : kernel.region(RegionId{r}).body)
            for (NodeId operand : kernel.operands(node)) uses[operand.value] += r == 0 ? 1 : 2;
    return uses;
}

} // namespace

Function& expand_reduce(Function& kernel, const Target&) {
    const KernelInfo info = kernel_info(kernel);
    const std::vector<u32> uses = count_uses(kernel);
    return rewrite(kernel, [&](Rewriter& r, NodeId old) -> NodeId {
        const Op op = r.from().op(old);
        if (op == Op::subgroup_reduce) return Expansion(r, old, info, false).subgroup();
        if (op != Op::block_reduce) return {};
        const NodeId scratch = r.from().operand(old, 1);
        return Expansion(r, old, info, uses[scratch.value] > 1).block(r.mapped(scratch));
    });
}

} // namespace heddle::passes
