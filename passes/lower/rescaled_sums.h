#pragma once
// Sums of exponentials under their largest exponent, as softmax, log_softmax and logsumexp have them: the phase that sums reads the
// maximum that the phase before it took, of the whole row. A part of a row need not wait for that. Under the part's own maximum its
// exponentials are at most 1 too, and too large by one factor for all of them, which is known once the row's maximum is. So blocks that
// share a row (shared_rows.h) exchange maxima and sums together, and wait once; nor do the invocations of a block wait for each other
// before, for each sums under the maximum of its own elements. A loop over a row that is not held takes both phases in one pass: an
// iteration takes its elements' maximum, brings what has been summed under it if it is a new one, and sums.
//
//     phase 1   m = max x                      parts      m = max x, s = sum exp(x - m), of the part
//     phase 2   S = sum exp(x - m)      ->     exchange   M = max m, S = sum s exp(m - M)
//     phase 3   y = exp(x - m) / S             phase 3    y = exp(x - m) (exp(m - M) / S)
//
// S is at least 1 or NaN, so the factor over it is made once a part, and y is rounded as often as the quotient of the product would be.
// A part of nothing but -inf adds 0, a row of nothing but -inf and one with +inf are NaN, as before: exponents are taken under 0 where
// the part's maximum is -inf, and a part whose maximum is the row's has factor 1 also where both are +inf. logsumexp takes all exponents
// under 0 where the row's maximum is not finite, which is then what its sum comes to.

#include "passes/lower/evaluator.h"
#include "passes/lower/phases.h"

namespace heddle::passes {

/// How an exponential goes by its maximum.
struct Scaling {
    ir::Op exponential; ///< exp or exp2
    bool finite;        ///< of x - m where the maximum m is finite, else of x
};

/// An exponential, or the sum of some, under a maximum.
struct Rescaled {
    ir::NodeId value;
    ir::NodeId maximum;
    Scaling scaling;
};

/// A phase whose reductions parts of a row can do before they know those of the phase before.
struct RescaledPhase {
    std::vector<Rescaled> sums;    ///< its reductions, in their order
    std::vector<Rescaled> carries; ///< of what it carries, that which a factor puts right
    /// Of the values behind it, one of those over one of the sums under the same maximum.
    struct Quotient {
        ir::NodeId value;
        u32 carry;
        ir::NodeId sum;
    };
    std::vector<Quotient> quotients;
};

/// Whether phase `loop` + 1 is such a phase: it stores nothing, sums exponentials of f32 or f64 and nothing else, and what it carries
/// is such an exponential or has nothing to do with the reductions of phase `loop`. Nor does a phase behind it reduce what comes of such
/// an exponential: a block that does the part of another from memory would find other bits than that one carried.
std::optional<RescaledPhase> rescaled_after(const ir::Function& graph, const Group& group,
                                            const Phases& phases, u32 loop);

/// What the exponents of a part are taken under, given its maximum.
ir::NodeId offset_of_part(ir::KernelBuilder& kernel, ir::NodeId maximum);
/// What a part's exponentials and their sum are multiplied by, given its maximum and the row's. To join parts to a larger one that is not
/// the row, give the offset of that one for the row's.
ir::NodeId factor_of_part(ir::KernelBuilder& kernel, Scaling scaling, ir::NodeId part, ir::NodeId row);

} // namespace heddle::passes
