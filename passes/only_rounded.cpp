#include "passes/only_rounded.h"

namespace heddle::passes {

using ir::NodeId;
using ir::Op;

namespace {

bool is_16_bit_float(Dtype dtype) { return dtype == Dtype::f16 || dtype == Dtype::bf16; }

class Finder {
public:
    Finder(const ir::Function& kernel, std::span<const math::Interval> intervals)
        : kernel_(kernel), intervals_(intervals), only_(kernel.size(), true) {}

    std::vector<bool> run() {
        for (u32 k = 0; k < kernel_.region_count(); ++k)
            for (NodeId yielded : kernel_.region(ir::RegionId{k}).yields) only_[yielded.value] = false;
        // Users come after what they use, so their own answer is there first.
        for (u32 k = static_cast<u32>(kernel_.size()); k-- > 0;) {
            const NodeId user{k};
            const std::span<const NodeId> operands = kernel_.operands(user);
            for (u32 place = 0; place < operands.size(); ++place)
                if (!passes_errors_on(user, place)) only_[operands[place].value] = false;
        }
        return std::move(only_);
    }

private:
    bool is_not_negative(NodeId id) const { return intervals_[id.value].low >= 0; }

    /// Is a relative error of the operand at `place` one of no larger size in what is rounded in the end?
    bool passes_errors_on(NodeId user, u32 place) const {
        const Op op = kernel_.op(user);
        if (op == Op::cast && is_16_bit_float(kernel_.dtype(user))) return true;
        if (!only_[user.value]) return false;
        switch (op) {
        case Op::neg:
        case Op::splat: return true;
        case Op::mul: // a square doubles it
        case Op::div: return kernel_.operand(user, 0) != kernel_.operand(user, 1);
        case Op::add:
            return is_not_negative(kernel_.operand(user, 0)) && is_not_negative(kernel_.operand(user, 1));
        case Op::select: return place != 0;
        default: return false;
        }
    }

    const ir::Function& kernel_;
    std::span<const math::Interval> intervals_;
    std::vector<bool> only_;
};

} // namespace

std::vector<bool> find_only_rounded(const ir::Function& kernel, std::span<const math::Interval> intervals) {
    return Finder(kernel, intervals).run();
}

} // namespace heddle::passes
