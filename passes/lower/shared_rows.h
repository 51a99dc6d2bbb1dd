#pragma once
// Rows that one block's registers do not hold, shared by several blocks, so that each element is loaded once. Each block holds a part of
// its row, joins it as far as it goes, publishes its states of a phase's reductions, awaits those of the row's other blocks, and joins
// all of them, in a fixed order, before it goes on.
//
// A published state is words of 64 bits: 32 of the state and a mark above them that says that they are there. A word is written
// and read whole, so nothing but the word itself has to be ordered. Words begin as zeros: a step of its own clears them.
//
// Nothing waits forever. A block awaits a word a bounded number of times; what has not come by then it computes itself, from memory, the
// same way and to the same bits as the block that was to publish it, and publishes it. So the results depend neither on which
// blocks run at the same time nor on how fairly, no block can lock another out, and kernels of several streams may overlap at
// will. Only the time depends on it, hence rows are shared where the target says how many blocks run at once (Target::resident_blocks),
// and by no more than a quarter of those.

#include "passes/lower/reducer.h"
#include "passes/lower/schedule.h"

namespace heddle::passes {

/// How often a block looks for a word: about as long as computing it takes.
inline constexpr u32 most_tries = 128;

/// Elements that an invocation holds of a shared row.
inline constexpr u32 shared_elements = 32;

struct SharedRows {
    std::vector<u32> blocks; ///< sizes of a block to choose from, smallest first
    u32 most_parts;          ///< blocks of a row
    ir::DimId longer_than;   ///< what a single block holds is not shared
    ir::DimId words;         ///< of 64 bits, for all rows; 0 where the sizes say that no row is shared
};

/// Whether the rows of the group can be shared and are worth it: those with several phases, which would load twice.
std::optional<SharedRows> shared_rows_of(const KernelSource& source);

/// A kernel with one pointer, which sets that many words to zero.
Kernel lower_clear_gpu(const KernelSource& source, const std::string& name, ir::DimId words);

/// The exchange of states between the blocks of a row.
class PartStates {
public:
    /// `row`, `part`: of this block; `parts`: of each row.
    PartStates(Evaluator& evaluator, const Phases& phases, ir::NodeId row, ir::NodeId part, ir::NodeId parts);

    /// That a part publishes, in all phases.
    u32 words() const { return words_; }

    /// A block's own states of a phase's reductions, the same in each of its invocations; computes them again for part `part`.
    using Recompute = std::function<std::vector<ir::NodeId>(ir::NodeId part)>;
    /// The states of the whole row, the same in each invocation of each of its blocks.
    std::vector<ir::NodeId> exchange(u32 loop, std::span<const ir::NodeId> own, const Recompute& recompute);

private:
    /// The reducers of a phase, and what becomes of their states on the way.
    struct Stage {
        std::vector<Reducer> reducers;
        std::vector<Dtype> dtypes; ///< of the state's values
        u32 first_word = 0;        ///< among the words of a part
    };
    /// f16 and bf16 are summed in f32, and not rounded on the way.
    static Dtype carried_dtype(Dtype dtype);
    std::vector<ir::NodeId> widened(const Stage& stage, std::span<const ir::NodeId> state);
    ir::NodeId place(u32 word, ir::NodeId part);
    void publish(const Stage& stage, std::span<const ir::NodeId> state, ir::NodeId part);
    /// The states of this lane's part and whether they are there, as 1 or 0.
    std::vector<ir::NodeId> awaited(const Stage& stage);
    std::vector<ir::NodeId> neutral(const Stage& stage);
    /// One state a lane, joined; the same in each.
    std::vector<ir::NodeId> joined(const Stage& stage, std::vector<ir::NodeId> state);
    std::vector<ir::NodeId> words_of(ir::NodeId value);
    ir::NodeId value_of(std::span<const ir::NodeId> words, Dtype dtype);
    void when_first(const std::function<void()>& body);

    Evaluator& evaluator_;
    ir::KernelBuilder& kernel_;
    std::vector<Stage> stages_;
    u32 words_ = 0; ///< of a part, in all stages
    ir::NodeId row_, part_, parts_;
};

} // namespace heddle::passes
