#include "passes/legalise/expand_loops.h"

#include "passes/rewrite.h"

#include <heddle/error.h>

namespace heddle::passes {

using namespace ir;

namespace {

class LoopExpander {
public:
    LoopExpander(Rewriter& rewriter, NodeId loop)
        : r_(rewriter), k_(rewriter.kernel()), from_(rewriter.from()), loop_(loop),
          region_(from_.region(loop, 0)), low_(r_.mapped(from_.operand(loop, 0))),
          high_(r_.mapped(from_.operand(loop, 1))), step_(r_.mapped(from_.operand(loop, 2))) {
        for (u32 k = 3; k < from_[loop].operand_count; ++k)
            initial_.push_back(r_.mapped(from_.operand(loop, k)));
    }

    NodeId unroll() {
        const i64 low = constant(low_), high = constant(high_), step = constant(step_);
        std::vector<NodeId> carried = initial_;
        for (i64 place = low; place < high; place += step) carried = body(k_.index(place), carried);
        return hand_out(carried);
    }

    NodeId interleave() {
        const u32 copies = static_cast<u32>(from_.integer(loop_, Key::interleave));
        const std::vector<Op> combine = combining_ops();
        const NodeId wide = k_.mul(step_, k_.index(copies));
        const NodeId count = k_.binary(Op::maximum, k_.sub(high_, low_), k_.index(0));
        const NodeId whole = k_.sub(count, k_.binary(Op::rem, count, wide));
        const NodeId middle = k_.add(low_, whole);
        std::vector<NodeId> starts;
        for (u32 copy = 0; copy < copies; ++copy)
            starts.insert(starts.end(), initial_.begin(), initial_.end());
        std::vector<NodeId> states =
            k_.for_loop(low_, middle, wide, starts, [&](NodeId place, std::span<const NodeId> carried) {
                std::vector<NodeId> next;
                for (u32 copy = 0; copy < copies; ++copy) {
                    const std::vector<NodeId> part =
                        body(k_.add(place, k_.mul(step_, k_.index(copy))),
                             carried.subspan(copy * initial_.size(), initial_.size()));
                    next.insert(next.end(), part.begin(), part.end());
                }
                return next;
            });
        for (u32 left = copies; left > 1; left = (left + 1) / 2) {
            const u32 half = (left + 1) / 2;
            for (u32 copy = half; copy < left; ++copy) {
                for (std::size_t k = 0; k < initial_.size(); ++k) {
                    NodeId& into = states[(copy - half) * initial_.size() + k];
                    into = k_.binary(combine[k], into, states[copy * initial_.size() + k]);
                }
            }
        }
        states.resize(initial_.size());
        return hand_out(
            k_.for_loop(middle, high_, step_, states,
                        [&](NodeId place, std::span<const NodeId> carried) { return body(place, carried); }));
    }

private:
    i64 constant(NodeId id) const {
        if (k_.function().op(id) != Op::constant)
            throw InternalError("a loop to unroll has bounds that are no constants");
        return k_.function().payload(id, Key::value)[0];
    }

    std::vector<Op> combining_ops() const {
        std::vector<Op> ops;
        for (i64 word : from_.payload(loop_, Key::combine)) {
            const auto op = op_named(from_.module().words[WordId{static_cast<u32>(word)}]);
            if (!op) throw InternalError("for: unknown op to combine with");
            ops.push_back(*op);
        }
        if (ops.size() != initial_.size())
            throw InternalError("for: interleave needs an op to combine each carried value with");
        return ops;
    }

    std::vector<NodeId> body(NodeId place, std::span<const NodeId> carried) {
        r_.map(region_.parameters[0], place);
        for (std::size_t k = 0; k < carried.size(); ++k) r_.map(region_.parameters[k + 1], carried[k]);
        return r_.copy_body(region_);
    }

    NodeId hand_out(const std::vector<NodeId>& results) {
        if (results.size() == 1) return results[0];
        for (u32 k = 0; k < results.size(); ++k) r_.map_result(loop_, k, results[k]);
        // The loop itself is read by its `result` nodes alone, which have what they need.
        return k_.index(0);
    }

    Rewriter& r_;
    KernelBuilder& k_;
    const Function& from_;
    NodeId loop_;
    const Region& region_;
    NodeId low_, high_, step_;
    std::vector<NodeId> initial_;
};

} // namespace

Function& expand_loops(Function& kernel, const Target&) {
    return rewrite(kernel, [](Rewriter& r, NodeId old) -> NodeId {
        if (r.from().op(old) != Op::for_loop) return {};
        if (r.from().has(old, Key::unroll)) return LoopExpander(r, old).unroll();
        if (r.from().integer(old, Key::interleave, 1) > 1) return LoopExpander(r, old).interleave();
        return {};
    });
}

} // namespace heddle::passes
