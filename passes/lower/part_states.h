#pragma once
// What the blocks of a shared row (shared_rows.h) tell each other: the states of reductions, as published words.
//
// A word has 64 bits and is not 0 once it is there. It is written and read whole, so nothing but the word itself has to be ordered. It
// holds two values of up to 32 bits where the second is f32, of whose NaN one pattern is enough and another stands for 0; else one with
// a mark above it, or half of one of 64 bits.

#include "passes/lower/exchange.h"

#include <functional>

namespace heddle::passes {

/// How often a block looks for a word: about as long as computing it takes.
inline constexpr u32 most_tries = 128;

class PartStates {
public:
    /// Where a block is among those that share rows.
    struct Place {
        ir::NodeId row, part; ///< of this block
        ir::NodeId parts;     ///< of each row
        u32 most_parts;       ///< at most; no more than invocations of a block
    };
    PartStates(Evaluator& evaluator, std::vector<Exchange> exchanges, const Place& place);

    /// That of the phases from `loop` on; nullptr: phase `loop` reduces nothing.
    const Exchange* exchange_of(u32 loop) const;

    /// A block's own states, the same in each invocation of its first subgroup; computes them again for part `part`.
    using Recompute = std::function<std::vector<ir::NodeId>(ir::NodeId part)>;
    /// The states of the whole row, the same in each invocation of each of its blocks.
    std::vector<ir::NodeId> whole(const Exchange& exchange, std::span<const ir::NodeId> own,
                                  const Recompute& recompute);

private:
    /// Arrays in shared memory: of each part, its state's values and whether they are there; of the row.
    struct Arrays {
        std::vector<ir::NodeId> each, totals;
        ir::NodeId there, complete;
    };
    Arrays arrays(const Exchange& exchange);
    /// Each invocation that has a part of the row: what has come of it.
    void await_parts(const Exchange& exchange, const Arrays& arrays);
    /// The first subgroup: the whole row's states, and whether all parts have come.
    void join_parts(const Exchange& exchange, const Arrays& arrays);
    /// What has not come, one part after another, each by the whole block; then the whole row's states.
    std::vector<ir::NodeId> complete(const Exchange& exchange, const Arrays& arrays,
                                     const Recompute& recompute);
    void when(ir::NodeId condition, const std::function<void()>& body);
    ir::NodeId word_place(u32 word, ir::NodeId part);
    void publish(const Exchange& exchange, std::span<const ir::NodeId> state, ir::NodeId part);
    /// The states of that part and whether they are there, as 1 or 0.
    std::vector<ir::NodeId> awaited(const Exchange& exchange, ir::NodeId part);
    /// All parts' states from shared memory, joined, by a subgroup; the same in each lane.
    std::vector<ir::NodeId> joined(const Exchange& exchange, const Arrays& arrays);
    ir::NodeId word_of(std::span<const ir::NodeId> state, StateWord word);
    std::vector<ir::NodeId> values_of(const Exchange& exchange, std::span<const ir::NodeId> words);
    ir::NodeId is_first();

    Evaluator& evaluator_;
    ir::KernelBuilder& kernel_;
    std::vector<Exchange> exchanges_;
    Place place_;
    u32 words_;  ///< of a part
    u32 rounds_; ///< parts that a lane joins
};

} // namespace heddle::passes
