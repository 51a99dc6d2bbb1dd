#pragma once
// What every row schedule does at one place of a row, whatever loop it stands in: evaluate the operands of a phase's reductions, join
// them into the state, store full-size outputs, keep what later phases read. The schedules differ in the loops around it, in
// where carried values are kept, and in how the lanes and threads of a row are joined at the end.

#include "passes/lower/reducer.h"
#include "passes/lower/schedule.h"

#include <functional>
#include <map>

namespace heddle::passes {

/// The states of all reductions of a phase, one after another.
using RowState = std::vector<ir::NodeId>;

/// What is known of a step's element beside those that its state holds.
enum class Order : u8 {
    any,
    first, ///< there are none: the state is the identity
    next,  ///< there are some, and it lies behind all of them
};

class RowSteps {
public:
    /// `stream`: full-size outputs are written past the caches.
    RowSteps(Evaluator& evaluator, const Phases& phases, u32 width, bool stream = false)
        : evaluator_(evaluator), source_(evaluator.source()), phases_(phases), width_(width),
          stream_(stream) {}

    /// Element dtype of each value that is carried: made into arrays by the schedule, and given back with `keep`.
    std::vector<ir::NodeId> carried() const;
    void keep(ir::NodeId node, ir::NodeId array) { arrays_[node.value] = array; }
    bool keeps() const { return !arrays_.empty(); }
    /// From here on phases that read `carried` make `value`, that one itself or another, of its product with `factor`.
    void make(ir::NodeId value, ir::NodeId carried, ir::NodeId factor) {
        products_[carried.value].emplace_back(value, factor);
    }

    /// One vector at the evaluator's place. `slot`: where in the arrays its carried values are. Without `stores` full-size outputs are
    /// left as they are.
    RowState step(u32 loop, std::span<const ir::NodeId> state, ir::NodeId slot, bool stores = true,
                  Order order = Order::any);
    /// Does any reduction of the phase do better where the order of its elements is known?
    bool asks_order(u32 loop) const;
    RowState neutral(u32 loop) const;
    RowState join(u32 loop, std::span<const ir::NodeId> a, std::span<const ir::NodeId> b) const;
    /// Joins the lanes of each state to scalars; `across` then joins those of other threads.
    using Across = std::function<std::vector<ir::NodeId>(const Reducer&, std::vector<ir::NodeId>)>;
    RowState joined(u32 loop, std::span<const ir::NodeId> state, const Across& across = {}) const;
    /// The values of the phase's reductions are those states from here on.
    void define(u32 loop, std::span<const ir::NodeId> states);
    void finish(u32 loop, std::span<const ir::NodeId> state, const Across& across = {}) {
        define(loop, joined(loop, state, across));
    }
    /// Kept values and outputs that are complete after `loops` phases.
    void kept(u32 loops, const std::function<void(ir::NodeId node, ir::NodeId value)>& store);

private:
    Evaluator& evaluator_;
    const KernelSource& source_;
    const Phases& phases_;
    u32 width_;
    bool stream_;
    std::map<u32, ir::NodeId> arrays_;
    std::map<u32, std::vector<std::pair<ir::NodeId, ir::NodeId>>> products_; ///< by what is carried
};

} // namespace heddle::passes
