#pragma once
// A row or column group, ordered: which reductions can run in one pass over the reduced axes, what each pass computes, and which
// full-size values a later pass should find in scratch memory rather than load or compute again.
// Softmax: pass 1 {max}, pass 2 {sum}, pass 3 {store}; carried: x from 1 to 2, exp(x - max) from 2 to 3.

#include "passes/lower/domain.h"

namespace heddle::passes {

struct Phase {
    std::vector<ir::NodeId> reductions;
    std::vector<ir::NodeId> stores;  ///< full-size outputs
    std::vector<ir::NodeId> carries; ///< full-size values that a later phase reads
    std::vector<ir::NodeId> reads;   ///< those that earlier phases carry to this one
};

struct Phases {
    std::vector<Phase> loops;
    std::vector<ir::NodeId> kept_stores; ///< outputs of kept shape, after the loop that completes them
    std::vector<u32> kept_after;         ///< likewise: number of that loop
    /// Arithmetic on kept values that can be had after that many loops: made once a row, outside the loops.
    std::vector<std::vector<ir::NodeId>> kept_values;
};

Phases phases_of(const ir::Function& function, const Fusion& fusion, const Group& group);

/// Arrays for all carried values. One that no phase reads any more leaves its array to another of its dtype, which may be written in the
/// phase that reads it for the last time, for there each place is read before it is written.
struct CarriedArrays {
    std::vector<Dtype> dtypes;                  ///< of each array
    std::vector<std::pair<ir::NodeId, u32>> of; ///< each carried value and its array
};
CarriedArrays carried_arrays(const ir::Function& function, const Phases& phases);

/// True if the node's value differs along the reduced axes.
bool is_full(const ir::Function& function, const Group& group, ir::NodeId node);

} // namespace heddle::passes
