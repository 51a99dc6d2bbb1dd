#include "passes/only_rounded.h"

#include "passes/value_flow.h"

#include <optional>

namespace heddle::passes {

using ir::NodeId;
using ir::Op;

namespace {

bool is_16_bit_float(Dtype dtype) { return dtype == Dtype::f16 || dtype == Dtype::bf16; }

std::optional<Op> joins_with(const ir::Function& kernel, NodeId reduction) {
    return ir::op_named(
        kernel.module().words[ir::WordId{static_cast<u32>(kernel.integer(reduction, ir::Key::op))}]);
}

class Finder {
public:
    Finder(const ir::Function& kernel, std::span<const math::Interval> intervals)
        : kernel_(kernel), intervals_(intervals), flow_(kernel), only_(kernel.size(), true) {}

    std::vector<bool> run() {
        for (u32 k = 0; k < kernel_.size(); ++k)
            if (const Op op = kernel_.op(NodeId{k}); op != Op::for_loop && op != Op::if_then)
                for (u32 r = 0; r < kernel_[NodeId{k}].region_count; ++r)
                    for (NodeId yielded : kernel_.region(NodeId{k}, r).yields) only_[yielded.value] = false;
        do {
            changed_ = false;
            // Users come after what they use, but for what goes round a loop or through an array.
            for (u32 k = static_cast<u32>(kernel_.size()); k-- > 0;) {
                const NodeId user{k};
                const std::span<const NodeId> operands = kernel_.operands(user);
                for (u32 place = 0; place < operands.size(); ++place)
                    if (!flow_.moves(user, place) && !passes_errors_on(user, place)) refuse(operands[place]);
            }
            for (const Flow& flow : flow_.all())
                if (!only_[flow.to.value]) refuse(flow.from);
        } while (changed_);
        return std::move(only_);
    }

private:
    void refuse(NodeId id) {
        changed_ |= only_[id.value];
        only_[id.value] = false;
    }
    bool is_not_negative(NodeId id) const { return intervals_[id.value].low >= 0; }

    /// Is a relative error of the operand at `place` one of no larger size in what is rounded in the end?
    bool passes_errors_on(NodeId user, u32 place) const {
        const Op op = kernel_.op(user);
        if (op == Op::cast && is_16_bit_float(kernel_.dtype(user))) return true;
        if (!only_[user.value]) return false;
        switch (op) {
        case Op::neg:
        case Op::splat:
        case Op::pack:
        case Op::extract:
        case Op::insert:
        case Op::shuffle:
        case Op::subgroup_shuffle_xor:
        case Op::subgroup_broadcast: return true;
        case Op::mul: // a square doubles it
        case Op::div: return kernel_.operand(user, 0) != kernel_.operand(user, 1);
        case Op::add:
            return is_not_negative(kernel_.operand(user, 0)) && is_not_negative(kernel_.operand(user, 1));
        case Op::vector_reduce:
            return joins_with(kernel_, user) == Op::add && is_not_negative(kernel_.operand(user, 0));
        case Op::select: return place != 0;
        default: return false;
        }
    }

    const ir::Function& kernel_;
    std::span<const math::Interval> intervals_;
    ValueFlow flow_;
    std::vector<bool> only_;
    bool changed_ = false;
};

} // namespace

std::vector<bool> find_only_rounded(const ir::Function& kernel, std::span<const math::Interval> intervals) {
    return Finder(kernel, intervals).run();
}

} // namespace heddle::passes
