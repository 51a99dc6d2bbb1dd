#include "passes/lower/part_states.h"

#include <algorithm>

namespace heddle::passes {

using namespace ir;

namespace {

using Content = StateWord::Content;

constexpr u64 mark = u64{1} << 32; ///< above what a word carries alone

} // namespace

PartStates::PartStates(Evaluator& evaluator, std::vector<Exchange> exchanges, const Place& place)
    : evaluator_(evaluator), kernel_(evaluator.kernel()), exchanges_(std::move(exchanges)), place_(place),
      words_(words_of(exchanges_)) {
    const u32 subgroup = evaluator.source().target.subgroup;
    rounds_ = (place.most_parts + subgroup - 1) / subgroup;
}

const Exchange* PartStates::exchange_of(u32 loop) const {
    const auto found = std::ranges::find(exchanges_, loop, &Exchange::loop);
    return found == exchanges_.end() ? nullptr : &*found;
}

// ---- words ------------------------------------------------------------------------------------------------------------

/// Words of one kind lie together, so that lanes that read one each read neighbours.
NodeId PartStates::word_place(u32 word, NodeId part) {
    const NodeId run = kernel_.add(kernel_.mul(place_.row, kernel_.index(words_)), kernel_.index(word));
    return kernel_.add(kernel_.mul(run, place_.parts), part);
}

NodeId PartStates::word_of(std::span<const NodeId> state, StateWord word) {
    const auto number = [&](u64 bits) { return kernel_.constant(Dtype::u64, bits); };
    const auto wide = [&](NodeId value) {
        const Dtype dtype = kernel_.dtype(value);
        if (dtype == Dtype::boolean) return kernel_.cast(value, Dtype::u64);
        const Dtype bits = size_of(dtype) == 4 ? Dtype::u32 : size_of(dtype) == 2 ? Dtype::u16 : Dtype::u8;
        return kernel_.cast(kernel_.bitcast(value, bits), Dtype::u64);
    };
    const NodeId value = state[word.value];
    switch (word.content) {
    case Content::one: return kernel_.binary(Op::bit_or, wide(value), number(mark));
    case Content::two: {
        const NodeId second = state[word.value + 1];
        const NodeId nan = kernel_.constant(Dtype::u32, 0x7FC00000);
        const NodeId bits =
            kernel_.select(kernel_.unary(Op::isnan, second), nan, kernel_.bitcast(second, Dtype::u32));
        const NodeId high = kernel_.cast(kernel_.unary(Op::bit_not, bits), Dtype::u64);
        return kernel_.binary(Op::bit_or, wide(value), kernel_.binary(Op::shift_left, high, number(32)));
    }
    case Content::low_half: {
        const NodeId low = kernel_.binary(Op::bit_and, kernel_.bitcast(value, Dtype::u64), number(mark - 1));
        return kernel_.binary(Op::bit_or, low, number(mark));
    }
    case Content::high_half: {
        const NodeId high = kernel_.binary(Op::shift_right, kernel_.bitcast(value, Dtype::u64), number(32));
        return kernel_.binary(Op::bit_or, high, number(mark));
    }
    }
    return {};
}

std::vector<NodeId> PartStates::values_of(const Exchange& exchange, std::span<const NodeId> words) {
    const auto narrow = [&](NodeId word, Dtype dtype) {
        const NodeId low = kernel_.cast(word, Dtype::u32);
        switch (size_of(dtype)) {
        case 4: return kernel_.bitcast(low, dtype);
        case 2: return kernel_.bitcast(kernel_.cast(low, Dtype::u16), dtype);
        default:
            return dtype == Dtype::boolean ? kernel_.cast(low, dtype)
                                           : kernel_.bitcast(kernel_.cast(low, Dtype::u8), dtype);
        }
    };
    const NodeId half = kernel_.constant(Dtype::u64, 32);
    std::vector<NodeId> values;
    for (std::size_t k = 0; k < words.size(); ++k) {
        const auto [value, content] = exchange.words[k];
        const Dtype dtype = carried_dtype(exchange.dtypes[value]);
        if (content == Content::one || content == Content::two) values.push_back(narrow(words[k], dtype));
        if (content == Content::two) {
            const NodeId high = kernel_.cast(kernel_.binary(Op::shift_right, words[k], half), Dtype::u32);
            values.push_back(kernel_.bitcast(kernel_.unary(Op::bit_not, high), Dtype::f32));
        }
        if (content ==
            Content::high_half) { // the mark of the low half goes, that of the high one is shifted out
            const NodeId low = kernel_.cast(kernel_.cast(words[k - 1], Dtype::u32), Dtype::u64);
            const NodeId high = kernel_.binary(Op::shift_left, words[k], half);
            values.push_back(kernel_.bitcast(kernel_.binary(Op::bit_or, low, high), dtype));
        }
    }
    return values;
}

void PartStates::publish(const Exchange& exchange, std::span<const NodeId> state, NodeId part) {
    u32 number = exchange.first_word;
    for (StateWord word : exchange.words)
        kernel_.publish(word_of(state, word), evaluator_.words(), word_place(number++, part));
}

// ---- states -----------------------------------------------------------------------------------------------------------

std::vector<NodeId> PartStates::joined(const Exchange& exchange, const Arrays& arrays) {
    const u32 subgroup = evaluator_.source().target.subgroup;
    std::vector<std::vector<NodeId>> states;
    for (u32 round = 0; round < rounds_; ++round)
        states.push_back(load_state(kernel_, arrays.each,
                                    kernel_.add(kernel_.lane_index(), kernel_.index(i64{round} * subgroup))));
    return join_states(kernel_, exchange, states, subgroup, true);
}

std::vector<NodeId> PartStates::awaited(const Exchange& exchange, NodeId part) {
    const auto read = [&] {
        std::vector<NodeId> words;
        u32 number = exchange.first_word;
        NodeId there;
        for (std::size_t k = 0; k < exchange.words.size(); ++k) {
            words.push_back(kernel_.await(evaluator_.words(), word_place(number++, part), most_tries));
            const NodeId found = kernel_.binary(Op::ne, words.back(), kernel_.constant(Dtype::u64, 0));
            there = there.valid() ? kernel_.binary(Op::bit_and, there, found) : found;
        }
        std::vector<NodeId> results = values_of(exchange, words);
        results.push_back(kernel_.cast(there, Dtype::u32));
        return results;
    };
    // Beyond the row's parts there is nothing to add.
    return kernel_.if_then(kernel_.binary(Op::lt, part, place_.parts), read, [&] {
        std::vector<NodeId> results = widened(kernel_, exchange, identities(kernel_, exchange));
        results.push_back(kernel_.constant(Dtype::u32, 1));
        return results;
    });
}

// ---- between blocks ---------------------------------------------------------------------------------------------------

void PartStates::when(NodeId condition, const std::function<void()>& body) {
    kernel_.if_then(condition, [&] {
        body();
        return std::vector<NodeId>{};
    });
}

NodeId PartStates::is_first() { return kernel_.binary(Op::eq, kernel_.thread_index(), kernel_.index(0)); }

PartStates::Arrays PartStates::arrays(const Exchange& exchange) {
    const i64 subgroup = evaluator_.source().target.subgroup;
    Arrays arrays;
    for (Dtype dtype : exchange.dtypes) {
        arrays.each.push_back(kernel_.shared(carried_dtype(dtype), 1, rounds_ * subgroup));
        arrays.totals.push_back(kernel_.shared(carried_dtype(dtype), 1, 1));
    }
    arrays.there = kernel_.shared(Dtype::u32, 1, rounds_ * subgroup);
    arrays.complete = kernel_.shared(Dtype::u32, 1, 1);
    return arrays;
}

void PartStates::await_parts(const Exchange& exchange, const Arrays& arrays) {
    const NodeId part = kernel_.thread_index();
    std::vector<NodeId> state = awaited(exchange, part);
    kernel_.store(state.back(), arrays.there, part);
    state.pop_back();
    store_state(kernel_, state, arrays.each, part);
}

void PartStates::join_parts(const Exchange& exchange, const Arrays& arrays) {
    const i64 subgroup = evaluator_.source().target.subgroup;
    NodeId found;
    for (u32 round = 0; round < rounds_; ++round) {
        const NodeId place = kernel_.add(kernel_.lane_index(), kernel_.index(round * subgroup));
        const NodeId here = kernel_.load(arrays.there, place, 1);
        found = found.valid() ? kernel_.binary(Op::bit_and, found, here) : here;
    }
    found = kernel_.subgroup_reduce(found, Op::bit_and);
    const std::vector<NodeId> total = joined(exchange, arrays);
    when(is_first(), [&] {
        store_state(kernel_, total, arrays.totals, kernel_.index(0));
        kernel_.store(found, arrays.complete, kernel_.index(0));
    });
}

std::vector<NodeId> PartStates::complete(const Exchange& exchange, const Arrays& arrays,
                                         const Recompute& recompute) {
    const NodeId zero = kernel_.index(0);
    kernel_.for_loop(zero, place_.parts, kernel_.index(1), {}, [&](NodeId part, std::span<const NodeId>) {
        const NodeId found = kernel_.load(arrays.there, part, 1);
        when(kernel_.binary(Op::eq, found, kernel_.constant(Dtype::u32, 0)), [&] {
            const std::vector<NodeId> state = widened(kernel_, exchange, recompute(part));
            when(is_first(), [&] {
                store_state(kernel_, state, arrays.each, part);
                publish(exchange, state, part);
            });
            kernel_.barrier(BarrierScope::block, true, false);
        });
        return std::vector<NodeId>{};
    });
    return joined(exchange, arrays);
}

std::vector<NodeId> PartStates::whole(const Exchange& exchange, std::span<const NodeId> own,
                                      const Recompute& recompute) {
    const NodeId zero = kernel_.index(0), subgroup = kernel_.subgroup_index();
    const Arrays shared = arrays(exchange);
    when(is_first(), [&] { publish(exchange, widened(kernel_, exchange, own), place_.part); });
    if (rounds_ == 1) { // a lane joins what it has awaited
        when(kernel_.binary(Op::eq, subgroup, zero), [&] {
            await_parts(exchange, shared);
            join_parts(exchange, shared);
        });
    } else {
        when(kernel_.binary(Op::lt, subgroup, kernel_.index(rounds_)),
             [&] { await_parts(exchange, shared); });
        kernel_.barrier(BarrierScope::block, true, false);
        when(kernel_.binary(Op::eq, subgroup, zero), [&] { join_parts(exchange, shared); });
    }
    kernel_.barrier(BarrierScope::block, true, false);
    const NodeId all =
        kernel_.binary(Op::ne, kernel_.load(shared.complete, zero, 1), kernel_.constant(Dtype::u32, 0));
    std::vector<NodeId> total = kernel_.if_then(
        all, [&] { return load_state(kernel_, shared.totals, zero); },
        [&] { return complete(exchange, shared, recompute); });
    for (std::size_t k = 0; k < total.size(); ++k) total[k] = kernel_.cast(total[k], exchange.dtypes[k]);
    return total;
}

} // namespace heddle::passes
