#include "passes/lower/exchange.h"

#include <algorithm>

namespace heddle::passes {

using namespace ir;

namespace {

using Content = StateWord::Content;

bool is_narrow(Dtype dtype) { return dtype == Dtype::f16 || dtype == Dtype::bf16; }

/// A region is written for one dtype: states of 16-bit floats would be rounded between its steps.
bool publishes_whole(const Function& graph, NodeId reduction) {
    const Reducer reducer(graph, reduction);
    return reducer.joining_op() || std::ranges::none_of(reducer.operands(), [&](NodeId operand) {
               return is_narrow(graph.dtype(operand));
           });
}

std::vector<StateWord> words_for(std::span<const Dtype> dtypes) {
    std::vector<StateWord> words;
    for (u32 k = 0; k < dtypes.size(); ++k) {
        if (size_of(dtypes[k]) == 8) {
            words.push_back({k, Content::low_half});
            words.push_back({k, Content::high_half});
        } else if (k + 1 < dtypes.size() && carried_dtype(dtypes[k + 1]) == Dtype::f32) {
            words.push_back({k++, Content::two});
        } else {
            words.push_back({k, Content::one});
        }
    }
    return words;
}

void add_member(Exchange& exchange, const Function& graph, NodeId reduction) {
    const Reducer reducer(graph, reduction);
    exchange.members.push_back({reducer, static_cast<u32>(exchange.dtypes.size()), {}});
    for (u32 k = 0; k < reducer.size(); ++k) exchange.dtypes.push_back(reducer.dtype(k));
}

/// The phase behind goes along.
void add_rescaled(Exchange& exchange, const Function& graph, const RescaledPhase& phase) {
    const auto place_of = [&](NodeId reduction) {
        return std::ranges::find(exchange.members, reduction, [](const auto& m) { return m.reducer.node(); })
            ->first;
    };
    for (const Rescaled& sum : phase.sums) {
        const u32 under = place_of(sum.maximum);
        add_member(exchange, graph, sum.value);
        exchange.members.back().under = under;
        exchange.members.back().scaling = sum.scaling;
    }
    const auto add_product = [&](NodeId value, const Rescaled& carry, std::optional<u32> over) {
        exchange.products.push_back({value, carry.value, place_of(carry.maximum), over, carry.scaling});
    };
    for (const Rescaled& carry : phase.carries) add_product(carry.value, carry, {});
    for (const auto& [value, carry, sum] : phase.quotients)
        add_product(value, phase.carries[carry], place_of(sum));
    exchange.loops = 2;
}

} // namespace

Dtype carried_dtype(Dtype dtype) { return is_narrow(dtype) ? Dtype::f32 : dtype; }

std::optional<std::vector<Exchange>> exchanges_of(const Function& graph, const Group& group,
                                                  const Phases& phases) {
    std::vector<Exchange> exchanges;
    u32 words = 0;
    for (u32 loop = 0; loop < phases.loops.size();) {
        Exchange exchange{.loop = loop, .first_word = words};
        for (NodeId reduction : phases.loops[loop].reductions) {
            if (!publishes_whole(graph, reduction)) return std::nullopt;
            add_member(exchange, graph, reduction);
        }
        if (const auto next = rescaled_after(graph, group, phases, loop))
            add_rescaled(exchange, graph, *next);
        exchange.words = words_for(exchange.dtypes);
        words += static_cast<u32>(exchange.words.size());
        loop += exchange.loops;
        if (!exchange.members.empty()) exchanges.push_back(std::move(exchange));
    }
    return exchanges;
}

u32 words_of(std::span<const Exchange> exchanges) {
    u32 words = 0;
    for (const Exchange& exchange : exchanges) words += static_cast<u32>(exchange.words.size());
    return words;
}

std::vector<NodeId> widened(KernelBuilder& kernel, const Exchange& exchange, std::span<const NodeId> state) {
    std::vector<NodeId> wide;
    for (std::size_t k = 0; k < state.size(); ++k)
        wide.push_back(kernel.cast(state[k], carried_dtype(exchange.dtypes[k])));
    return wide;
}

std::vector<NodeId> identities(KernelBuilder& kernel, const Exchange& exchange, u32 width) {
    std::vector<NodeId> state;
    for (const Exchange::Member& member : exchange.members) {
        const std::vector<NodeId> part = member.reducer.identity(kernel, width);
        state.insert(state.end(), part.begin(), part.end());
    }
    return state;
}

std::vector<NodeId> join_states(KernelBuilder& kernel, const Exchange& exchange,
                                std::span<const std::vector<NodeId>> rounds, u32 subgroup, bool is_row) {
    std::vector<NodeId> total;
    for (const auto& [reducer, first, under, scaling] : exchange.members) {
        std::vector<NodeId> mine;
        for (const std::vector<NodeId>& state : rounds) {
            std::vector<NodeId> next(state.begin() + first, state.begin() + first + reducer.size());
            if (under) {
                const NodeId maximum = is_row ? total[*under] : offset_of_part(kernel, total[*under]);
                next[0] = kernel.mul(next[0], factor_of_part(kernel, scaling, state[*under], maximum));
            }
            mine = mine.empty() ? next : reducer.join(kernel, mine, next);
        }
        for (u32 mask = 1; mask < subgroup; mask *= 2) {
            std::vector<NodeId> other;
            for (NodeId value : mine) other.push_back(kernel.subgroup_shuffle_xor(value, mask));
            mine = reducer.join(kernel, mine, other);
        }
        total.insert(total.end(), mine.begin(), mine.end());
    }
    return total;
}

std::vector<NodeId> load_state(KernelBuilder& kernel, std::span<const NodeId> arrays, NodeId at) {
    std::vector<NodeId> state;
    for (NodeId array : arrays) state.push_back(kernel.load(array, at, 1));
    return state;
}

void store_state(KernelBuilder& kernel, std::span<const NodeId> state, std::span<const NodeId> arrays,
                 NodeId at) {
    for (std::size_t k = 0; k < state.size(); ++k) kernel.store(state[k], arrays[k], at);
}

// ---- the invocations of a block ----------------------------------------------------------------------------------------

std::vector<NodeId> BlockStates::of_first_subgroup(const Exchange& exchange, std::span<const NodeId> own,
                                                   bool is_row) {
    const u32 count = block_ / subgroup_;
    std::vector<NodeId> state = widened(kernel_, exchange, own);
    state = join_states(kernel_, exchange, std::span(&state, 1), subgroup_, is_row && count <= 1);
    if (count <= 1) return state;
    std::vector<NodeId>& arrays = of_subgroups_[exchange.loop];
    if (arrays.empty())
        for (Dtype dtype : exchange.dtypes) arrays.push_back(kernel_.shared(carried_dtype(dtype), 1, count));
    const NodeId lane = kernel_.lane_index(), number = kernel_.subgroup_index(), zero = kernel_.index(0);
    kernel_.if_then(kernel_.binary(Op::eq, lane, zero), [&] {
        store_state(kernel_, state, arrays, number);
        return std::vector<NodeId>{};
    });
    kernel_.barrier(BarrierScope::block, true, false);
    const auto join = [&] {
        std::vector<std::vector<NodeId>> states;
        for (u32 first = 0; first < count; first += subgroup_) {
            const NodeId place = kernel_.add(lane, kernel_.index(first));
            const auto read = [&] { return load_state(kernel_, arrays, place); };
            const auto none = [&] { return widened(kernel_, exchange, identities(kernel_, exchange)); };
            const bool fills = first + subgroup_ <= count;
            states.push_back(
                fills ? read()
                      : kernel_.if_then(kernel_.binary(Op::lt, place, kernel_.index(count)), read, none));
        }
        return join_states(kernel_, exchange, states, subgroup_, is_row);
    };
    return kernel_.if_then(kernel_.binary(Op::eq, number, zero), join, [&] { return state; });
}

std::vector<NodeId> BlockStates::of_row(const Exchange& exchange, std::span<const NodeId> own) {
    std::vector<NodeId> row = of_first_subgroup(exchange, own, true);
    if (block_ > subgroup_) {
        std::vector<NodeId> totals;
        for (Dtype dtype : exchange.dtypes) totals.push_back(kernel_.shared(carried_dtype(dtype), 1, 1));
        kernel_.if_then(kernel_.binary(Op::eq, kernel_.thread_index(), kernel_.index(0)), [&] {
            store_state(kernel_, row, totals, kernel_.index(0));
            return std::vector<NodeId>{};
        });
        kernel_.barrier(BarrierScope::block, true, false);
        row = load_state(kernel_, totals, kernel_.index(0));
    }
    for (std::size_t k = 0; k < row.size(); ++k) row[k] = kernel_.cast(row[k], exchange.dtypes[k]);
    return row;
}

} // namespace heddle::passes
