#pragma once
// For passes after which a value is several values, or one of another type: what stands for each old node, also across loops and
// conditions, whose carried values and results change with it.
//
//     Parts parts(rewriter);
//     parts.set(old, {low, high});           // in the hook; returns what to hand to the rewriter
//     parts.of(rewriter.from().operand(old, 0))

#include "passes/rewrite.h"

#include <unordered_map>

namespace heddle::passes {

class Parts {
public:
    explicit Parts(Rewriter& rewriter) : rewriter_(&rewriter) {}

    /// The parts of an old value; the single mapped value if none were set.
    std::vector<ir::NodeId> of(ir::NodeId old) const;
    ir::NodeId set(ir::NodeId old, std::vector<ir::NodeId> parts);
    /// The k-th result of an op with several.
    void set_result(ir::NodeId old, u32 k, std::vector<ir::NodeId> parts);
    /// Builds a loop or condition anew with what its values have become. Gives what to hand to the rewriter.
    ir::NodeId control(ir::NodeId old);

private:
    ir::NodeId loop(ir::NodeId old);
    ir::NodeId condition(ir::NodeId old);
    std::vector<ir::NodeId> yields(const ir::Region& region);
    ir::NodeId hand_out(ir::NodeId old, std::span<const ir::NodeId> results,
                        std::span<const std::size_t> counts);

    Rewriter* rewriter_;
    std::unordered_map<u32, std::vector<ir::NodeId>> parts_;
    std::unordered_map<u64, std::vector<ir::NodeId>> results_; ///< by owner << 32 | number
};

} // namespace heddle::passes
