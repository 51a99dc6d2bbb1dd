#include "passes/lower/shared_rows.h"

#include <algorithm>
#include <bit>

namespace heddle::passes {

using namespace ir;

namespace {

constexpr u64 mark = u64{1} << 32; ///< above what a word carries

bool is_narrow(Dtype dtype) { return dtype == Dtype::f16 || dtype == Dtype::bf16; }

u32 words_for(Dtype dtype) { return size_of(dtype) == 8 ? 2 : 1; }

bool can_share(const Target& target) {
    return target.resident_blocks >= 8 && target.subgroup >= 2 && target.subgroup_shuffle && target.has_i64 &&
           target.has_i64_atomics && target.device_scope && target.buffer_addresses;
}

/// A region is written for one dtype: states of 16-bit floats would be rounded between its steps.
bool publishes_whole(const Function& graph, NodeId reduction) {
    const Reducer reducer(graph, reduction);
    return reducer.joining_op() || std::ranges::none_of(reducer.operands(), [&](NodeId operand) {
               return is_narrow(graph.dtype(operand));
           });
}

/// Words that a part publishes in all phases; none: its states cannot be published.
std::optional<u32> words_of_part(const Function& graph, const Phases& phases) {
    u32 words = 0;
    for (const Phase& phase : phases.loops)
        for (NodeId reduction : phase.reductions) {
            if (!publishes_whole(graph, reduction)) return std::nullopt;
            for (NodeId operand : Reducer(graph, reduction).operands())
                words += words_for(graph.dtype(operand));
        }
    return words;
}

} // namespace

std::optional<SharedRows> shared_rows_of(const KernelSource& source) {
    const Target& target = source.target;
    if (target.kind != TargetKind::gpu || source.group.kind != GroupKind::row || !can_share(target))
        return std::nullopt;
    const Phases phases = phases_of(source.graph, source.fusion, source.group);
    const auto words = words_of_part(source.graph, phases);
    if (phases.loops.size() < 2 || !words) return std::nullopt;

    SharedRows rows;
    rows.most_parts = std::min(target.subgroup, target.resident_blocks / 4);
    for (u32 block : {8 * target.subgroup, 16 * target.subgroup})
        if (block <= target.max_block) rows.blocks.push_back(block);
    if (rows.blocks.empty()) return std::nullopt;
    Dims& dims = source.graph.module().dims;
    DimId length = dims.constant(1), count = dims.constant(1);
    for (u32 axis = 0; axis < source.domain.extents.size(); ++axis) {
        DimId& product = source.domain.reduced[axis] ? length : count;
        product = dims.mul(product, source.domain.extents[axis]);
    }
    const i64 held = i64{largest_held_block(target)} * held_elements;
    const i64 most = i64{rows.blocks.back()} * shared_elements * rows.most_parts;
    const Assumptions assume{{}, source.graph.facts};
    const auto shortest = dims.lower_bound(length, assume), longest = dims.upper_bound(length, assume);
    if ((longest && *longest <= held) || (shortest && *shortest > most)) return std::nullopt;
    rows.longer_than = dims.constant(held);
    const DimId one = dims.constant(1);
    const DimId part = dims.constant(i64{rows.blocks.front()} * shared_elements);
    const DimId parts =
        dims.minimum(dims.ceil_divide(length, part), dims.constant(2 * rows.most_parts), assume);
    const DimId is_long = dims.minimum(dims.divide(length, dims.constant(held + 1), assume), one, assume);
    rows.words = dims.mul(dims.mul(count, dims.constant(*words)), dims.mul(parts, is_long));
    return rows;
}

Kernel lower_clear_gpu(const KernelSource& source, const std::string& name, DimId words) {
    Kernel kernel{std::make_unique<Module>(), nullptr};
    Dims& dims = kernel.module->dims;
    const Dims& from = source.graph.module().dims;
    for (u32 k = 0; k < from.symbol_count(); ++k) dims.symbol(from.symbol_name(k));
    kernel.function = &kernel.module->add_kernel(name);
    KernelBuilder builder(*kernel.function);
    const NodeId pointer = builder.pointer("words", Dtype::u64);
    const DimId count = dims.import(from, words);
    const auto known = dims.as_constant(count);
    const NodeId extent = known ? builder.index(*known) : builder.size("count", count);
    const i64 block = std::min(8 * source.target.subgroup, source.target.max_block);
    const NodeId place =
        builder.add(builder.mul(builder.grid_index(0), builder.index(block)), builder.thread_index());
    builder.if_then(builder.binary(Op::lt, place, extent), [&] {
        builder.store(builder.constant(Dtype::u64, 0), pointer, place);
        return std::vector<NodeId>{};
    });
    set_kernel_info(*kernel.function, {.target = TargetKind::gpu,
                                       .block = static_cast<u32>(block),
                                       .subgroup = source.target.subgroup,
                                       .index_bits = 64,
                                       .grid = {dims.ceil_divide(count, dims.constant(block))}});
    return kernel;
}

// ---- between blocks ---------------------------------------------------------------------------------------------------

PartStates::PartStates(Evaluator& evaluator, const Phases& phases, NodeId row, NodeId part, NodeId parts)
    : evaluator_(evaluator), kernel_(evaluator.kernel()), row_(row), part_(part), parts_(parts) {
    const Function& graph = evaluator.source().graph;
    for (const Phase& phase : phases.loops) {
        Stage& stage = stages_.emplace_back();
        stage.first_word = words_;
        for (NodeId reduction : phase.reductions) {
            stage.reducers.emplace_back(graph, reduction);
            for (NodeId operand : stage.reducers.back().operands()) {
                stage.dtypes.push_back(graph.dtype(operand));
                words_ += words_for(graph.dtype(operand));
            }
        }
    }
}

Dtype PartStates::carried_dtype(Dtype dtype) { return is_narrow(dtype) ? Dtype::f32 : dtype; }

std::vector<NodeId> PartStates::widened(const Stage& stage, std::span<const NodeId> state) {
    std::vector<NodeId> wide;
    for (std::size_t k = 0; k < state.size(); ++k)
        wide.push_back(kernel_.cast(state[k], carried_dtype(stage.dtypes[k])));
    return wide;
}

/// Words of one kind lie together, so that lanes that read one each read neighbours.
NodeId PartStates::place(u32 word, NodeId part) {
    const NodeId run = kernel_.add(kernel_.mul(row_, kernel_.index(words_)), kernel_.index(word));
    return kernel_.add(kernel_.mul(run, parts_), part);
}

std::vector<NodeId> PartStates::words_of(NodeId value) {
    const Dtype dtype = kernel_.dtype(value);
    const auto number = [&](u64 bits) { return kernel_.constant(Dtype::u64, bits); };
    std::vector<NodeId> words;
    switch (size_of(dtype)) {
    case 8: {
        const NodeId all = kernel_.bitcast(value, Dtype::u64);
        words = {kernel_.binary(Op::bit_and, all, number(mark - 1)),
                 kernel_.binary(Op::shift_right, all, number(32))};
        break;
    }
    case 4: words = {kernel_.cast(kernel_.bitcast(value, Dtype::u32), Dtype::u64)}; break;
    case 2: words = {kernel_.cast(kernel_.bitcast(value, Dtype::u16), Dtype::u64)}; break;
    default:
        words = {
            kernel_.cast(dtype == Dtype::boolean ? value : kernel_.bitcast(value, Dtype::u8), Dtype::u64)};
    }
    for (NodeId& word : words) word = kernel_.binary(Op::bit_or, word, number(mark));
    return words;
}

NodeId PartStates::value_of(std::span<const NodeId> words, Dtype dtype) {
    const NodeId low = kernel_.cast(words[0], Dtype::u32);
    switch (size_of(dtype)) {
    case 8: {
        const NodeId high =
            kernel_.binary(Op::shift_left, words[1], kernel_.constant(Dtype::u64, 32)); // the mark goes
        return kernel_.bitcast(kernel_.binary(Op::bit_or, kernel_.cast(low, Dtype::u64), high), dtype);
    }
    case 4: return kernel_.bitcast(low, dtype);
    case 2: return kernel_.bitcast(kernel_.cast(low, Dtype::u16), dtype);
    default:
        return dtype == Dtype::boolean ? kernel_.cast(low, dtype)
                                       : kernel_.bitcast(kernel_.cast(low, Dtype::u8), dtype);
    }
}

void PartStates::when_first(const std::function<void()>& body) {
    kernel_.if_then(kernel_.binary(Op::eq, kernel_.thread_index(), kernel_.index(0)), [&] {
        body();
        return std::vector<NodeId>{};
    });
}

void PartStates::publish(const Stage& stage, std::span<const NodeId> state, NodeId part) {
    u32 number = stage.first_word;
    for (NodeId value : state)
        for (NodeId word : words_of(value)) kernel_.publish(word, evaluator_.words(), place(number++, part));
}

std::vector<NodeId> PartStates::neutral(const Stage& stage) {
    std::vector<NodeId> state;
    for (const Reducer& reducer : stage.reducers) {
        const std::vector<NodeId> part = reducer.identity(kernel_, 1);
        state.insert(state.end(), part.begin(), part.end());
    }
    return widened(stage, state);
}

std::vector<NodeId> PartStates::joined(const Stage& stage, std::vector<NodeId> state) {
    for (u32 mask = 1; mask < evaluator_.source().target.subgroup; mask *= 2) {
        std::vector<NodeId> other, next;
        for (NodeId value : state) other.push_back(kernel_.subgroup_shuffle_xor(value, mask));
        for (const Reducer& reducer : stage.reducers) {
            const auto mine = [&](const std::vector<NodeId>& all) {
                return std::span(all).subspan(next.size(), reducer.size());
            };
            const std::vector<NodeId> part = reducer.join(kernel_, mine(state), mine(other));
            next.insert(next.end(), part.begin(), part.end());
        }
        state = std::move(next);
    }
    return state;
}

std::vector<NodeId> PartStates::awaited(const Stage& stage) {
    const NodeId lane = kernel_.lane_index();
    const auto read = [&] {
        std::vector<NodeId> results, words;
        u32 number = stage.first_word;
        NodeId there;
        for (Dtype dtype : stage.dtypes) {
            const Dtype carried = carried_dtype(dtype);
            words.clear();
            for (u32 k = 0; k < words_for(carried); ++k) {
                words.push_back(kernel_.await(evaluator_.words(), place(number++, lane), most_tries));
                const NodeId found = kernel_.binary(Op::ne, words.back(), kernel_.constant(Dtype::u64, 0));
                there = there.valid() ? kernel_.binary(Op::bit_and, there, found) : found;
            }
            results.push_back(value_of(words, carried));
        }
        results.push_back(kernel_.cast(there, Dtype::u32));
        return results;
    };
    // Lanes beyond the row's parts have nothing to add.
    return kernel_.if_then(kernel_.binary(Op::lt, lane, parts_), read, [&] {
        std::vector<NodeId> results = neutral(stage);
        results.push_back(kernel_.constant(Dtype::u32, 1));
        return results;
    });
}

std::vector<NodeId> PartStates::exchange(u32 loop, std::span<const NodeId> own, const Recompute& recompute) {
    const Stage& stage = stages_[loop];
    const u32 subgroup = evaluator_.source().target.subgroup;
    const NodeId zero = kernel_.index(0);
    std::vector<NodeId> each, totals; // shared: the state of each part, and of the row
    for (Dtype dtype : stage.dtypes) {
        each.push_back(kernel_.shared(carried_dtype(dtype), 1, subgroup));
        totals.push_back(kernel_.shared(carried_dtype(dtype), 1, 1));
    }
    const NodeId there = kernel_.shared(Dtype::u32, 1, subgroup), complete = kernel_.shared(Dtype::u32, 1, 1);
    const auto load = [&](const std::vector<NodeId>& arrays, NodeId at) {
        std::vector<NodeId> state;
        for (NodeId array : arrays) state.push_back(kernel_.load(array, at, 1));
        return state;
    };
    const auto store = [&](std::span<const NodeId> state, const std::vector<NodeId>& arrays, NodeId at) {
        for (std::size_t k = 0; k < state.size(); ++k) kernel_.store(state[k], arrays[k], at);
    };

    when_first([&] { publish(stage, widened(stage, own), part_); });
    kernel_.if_then(kernel_.binary(Op::eq, kernel_.subgroup_index(), zero), [&] {
        const NodeId lane = kernel_.lane_index();
        std::vector<NodeId> state = awaited(stage);
        const NodeId found = state.back();
        state.pop_back();
        store(state, each, lane);
        kernel_.store(found, there, lane);
        const NodeId all = kernel_.subgroup_reduce(found, Op::bit_and);
        const std::vector<NodeId> total = joined(stage, state);
        when_first([&] {
            store(total, totals, zero);
            kernel_.store(all, complete, zero);
        });
        return std::vector<NodeId>{};
    });
    kernel_.barrier(BarrierScope::block, true, false);

    // One part after another, each by the whole block.
    const auto complete_it = [&] {
        kernel_.for_loop(zero, parts_, kernel_.index(1), {}, [&](NodeId part, std::span<const NodeId>) {
            const NodeId found = kernel_.load(there, part, 1);
            kernel_.if_then(kernel_.binary(Op::eq, found, kernel_.constant(Dtype::u32, 0)), [&] {
                const std::vector<NodeId> state = widened(stage, recompute(part));
                when_first([&] {
                    store(state, each, part);
                    publish(stage, state, part);
                });
                kernel_.barrier(BarrierScope::block, true, false);
                return std::vector<NodeId>{};
            });
            return std::vector<NodeId>{};
        });
        return joined(stage, load(each, kernel_.lane_index()));
    };
    const NodeId all =
        kernel_.binary(Op::ne, kernel_.load(complete, zero, 1), kernel_.constant(Dtype::u32, 0));
    std::vector<NodeId> total = kernel_.if_then(all, [&] { return load(totals, zero); }, complete_it);
    for (std::size_t k = 0; k < total.size(); ++k) total[k] = kernel_.cast(total[k], stage.dtypes[k]);
    return total;
}

} // namespace heddle::passes
