#pragma once
// States of reductions that are joined together: those of a phase, or of two phases where the second sums exponentials under maxima of the
// first that are not yet the row's (rescaled_sums.h). How they are joined between the lanes of a subgroup and the subgroups of a block;
// between blocks see part_states.h.

#include "passes/lower/reducer.h"
#include "passes/lower/rescaled_sums.h"

#include <map>

namespace heddle::passes {

/// What a published word (part_states.h) holds of the values of a state, from `value` on.
struct StateWord {
    enum class Content : u8 { one, two, low_half, high_half };
    u32 value;
    Content content;
};

/// The states that parts of a row exchange at once: those of a phase, or of two where the second goes by the part's own maxima.
struct Exchange {
    struct Member {
        Reducer reducer;
        u32 first;                ///< of its values, among those of all states
        std::optional<u32> under; ///< place of the maximum under which it sums exponentials
        Scaling scaling{};
    };
    /// An exponential that the second phase carries, or that over a sum, as its product with a factor.
    struct Product {
        ir::NodeId value, carried;
        u32 under;
        std::optional<u32> over; ///< place of the sum
        Scaling scaling;
    };
    u32 loop = 0, loops = 1; ///< phases: the first, and how many
    std::vector<Member> members;
    std::vector<Product> products;
    std::vector<Dtype> dtypes; ///< of all states' values, one after another
    std::vector<StateWord> words;
    u32 first_word = 0; ///< among the words of a part
};

/// Of all phases that reduce anything, in order; none where a state cannot be published.
std::optional<std::vector<Exchange>> exchanges_of(const ir::Function& graph, const Group& group,
                                                  const Phases& phases);

/// That a part publishes, in all exchanges.
u32 words_of(std::span<const Exchange> exchanges);

/// The identities of all members' states.
std::vector<ir::NodeId> identities(ir::KernelBuilder& kernel, const Exchange& exchange, u32 width = 1);
/// Narrow floats as f32.
std::vector<ir::NodeId> widened(ir::KernelBuilder& kernel, const Exchange& exchange,
                                std::span<const ir::NodeId> state);

/// The states of several parts, each lane of a subgroup giving one of them a round, joined; the same in each lane. `is_row`: they are all parts
/// of the row; else what they make is a larger part.
std::vector<ir::NodeId> join_states(ir::KernelBuilder& kernel, const Exchange& exchange,
                                    std::span<const std::vector<ir::NodeId>> rounds, u32 subgroup,
                                    bool is_row);

/// f16 and bf16 are summed in f32, and not rounded on the way.
Dtype carried_dtype(Dtype dtype);

/// A state's values at one place of as many arrays.
std::vector<ir::NodeId> load_state(ir::KernelBuilder& kernel, std::span<const ir::NodeId> arrays,
                                   ir::NodeId at);
void store_state(ir::KernelBuilder& kernel, std::span<const ir::NodeId> state,
                 std::span<const ir::NodeId> arrays, ir::NodeId at);

/// Joins the states of a block's invocations.
class BlockStates {
public:
    BlockStates(ir::KernelBuilder& kernel, u32 block, u32 subgroup)
        : kernel_(kernel), block_(block), subgroup_(subgroup) {}

    /// The block's states, in its first subgroup. Those of a second phase are under the invocation's own maxima. The block has to meet at a
    /// barrier before it joins others. `is_row`: the block has the whole row.
    std::vector<ir::NodeId> of_first_subgroup(const Exchange& exchange, std::span<const ir::NodeId> own,
                                              bool is_row);
    /// The states of a row that the block has as a whole, in each invocation.
    std::vector<ir::NodeId> of_row(const Exchange& exchange, std::span<const ir::NodeId> own);

private:
    ir::KernelBuilder& kernel_;
    u32 block_, subgroup_;
    std::map<u32, std::vector<ir::NodeId>> of_subgroups_; ///< by phase, in shared memory
};

} // namespace heddle::passes
