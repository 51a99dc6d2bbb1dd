#pragma once
// Turns graph values into kernel code. `value(node, index)` gives the kernel value of a graph node at an index that is written over the
// kernel's axes (d0, d1, ...): loaded if it is in memory, computed from its operands otherwise. One axis may be the vector
// axis: then whatever depends on it is a vector of `width` lanes, and whatever does not stays scalar. Each (value, index,
// predicate) is made once in a scope.

#include "ir/kernel_builder.h"
#include "passes/lower/domain.h"
#include "passes/lower/index_table.h"

#include <map>
#include <optional>
#include <unordered_map>
#include <unordered_set>

namespace heddle::passes {

/// What a kernel is made from and into.
struct KernelSource {
    const ir::Function& graph;
    const Fusion& fusion;
    const Group& group;
    const Domain& domain;
    const ir::Target& target;
    /// Positions of pointer parameters, in pairs: the second may be the same memory as the first.
    std::vector<i64> inplace{};
    /// Behind the outputs each variant takes a pointer to words that its blocks may publish (shared_rows.h).
    bool publishes = false;
};

class Evaluator {
public:
    Evaluator(const KernelSource& source, ir::Function& kernel);

    ir::KernelBuilder& kernel() { return kernel_; }
    ir::Dims& dims() { return source_->graph.module().dims; } ///< of the graph: all indices are written in it
    const KernelSource& source() const { return *source_; }

    // ---- chains
    /// From now on all is about this stage of the chain that the evaluator was made for: its axes, not yet set, and its values.
    void begin_stage(const KernelSource& stage);
    /// The value lies in shared memory from now on: stores go there (too), loads come from there. `in_block` says along which axes of its shape
    /// a block has more than one place; the array has their elements.
    void stage(ir::NodeId node, ir::NodeId array, std::vector<bool> in_block) {
        staged_[node.value] = {array, std::move(in_block)};
    }

    /// Whether elements of arguments that are loaded now are in hand wherever they are read again, in this stage or a later one: not where
    /// they are loaded in a loop or a condition.
    void keep_loads(bool keeps) { keeps_loads_ = keeps; }

    // ---- where we are
    void set_axis(u32 axis, ir::NodeId value) { axis_values_[axis] = value; }
    ir::NodeId axis(u32 axis) const { return axis_values_[axis]; }
    /// From now on `axis` covers `width` places from its value on; width 1: no vector axis.
    void set_vector_axis(u32 axis, u32 width) { vector_axis_ = axis, width_ = width; }
    u32 width() const { return width_; }
    /// From now on places of the vector axis are multiples of its width. Accesses along it are then aligned as far as the facts of the
    /// sizes and `known` prove, up to 16 bytes, and the kernel asks that of its pointers.
    void align_vectors(std::vector<ir::Fact> known);
    /// The values at hand are from now on those `places` further along `axis`; 0: where the axes say.
    void set_shift(u32 axis, i64 places);
    /// Lanes (or this invocation) that are inside the domain; invalid: all.
    void set_inside(ir::NodeId mask) { inside_ = mask; }
    ir::NodeId inside() const { return inside_; }

    /// Values made between enter and leave are forgotten at leave: the body of a loop or a condition.
    void enter() { scopes_.emplace_back(); }
    void leave() { scopes_.pop_back(); }

    // ---- values
    /// What is made while it lives has the node's place in the user's source, for the messages of check-access.
    class Place {
    public:
        Place(Evaluator& evaluator, ir::NodeId node);
        ~Place() { kernel_.location = outer_; }
        Place(const Place&) = delete;
        Place& operator=(const Place&) = delete;

    private:
        ir::Function& kernel_;
        ir::LocationId outer_;
    };
    ir::NodeId value(ir::NodeId node, std::span<const ir::DimId> index);
    ir::NodeId value(ir::NodeId node) { return value(node, here(node)); }
    /// Makes `made` stand for the node at its own index from now on: reductions, carried values.
    void define(ir::NodeId node, ir::NodeId made);
    /// What is loaded there, where the bounds hold and zero elsewhere.
    ir::NodeId load(const Access& access);
    /// Makes `made` stand for what is loaded at that index from now on, whatever the bounds.
    void define_load(ir::NodeId node, std::span<const ir::DimId> index, ir::NodeId made);
    /// The words of a source that publishes.
    ir::NodeId words() const { return words_; }
    /// Stores a value of the group at its own index.
    void store(ir::NodeId node, ir::NodeId value, bool stream = false);

    // ---- index arithmetic
    /// A size, as a parameter (or constant) of the kernel.
    ir::NodeId size(ir::DimId expression) {
        note_exact(expression);
        return size_parameter(expression);
    }
    /// An expression over axes and sizes; a vector if it depends on the vector axis.
    ir::NodeId index(ir::DimId expression);
    /// The same with the vector axis at its first place only.
    ir::NodeId scalar_index(ir::DimId expression);
    bool depends_on_vector_axis(ir::DimId expression) {
        return width_ > 1 && dims().mentions_axis(expression, vector_axis_);
    }
    /// Expressions over axes and sizes whose own value some instruction needs: offsets, bounds, operands of quotients, remainders and
    /// comparisons. All other index arithmetic may wrap, for sums and products come out right modulo the width of an index.
    const std::vector<ir::DimId>& exact() const { return exact_; }
    void note_exact(ir::DimId expression) {
        if (exact_known_.insert(expression).second) exact_.push_back(expression);
    }
    ir::Assumptions assumptions() const { return {source_->domain.extents, source_->graph.facts}; }

private:
    /// A value at an index (by number) under a predicate.
    struct MemoKey {
        u32 node, index, predicate;
        bool operator==(const MemoKey&) const = default;
    };
    struct MemoHash {
        std::size_t operator()(const MemoKey& key) const {
            return hash_mix(u64{key.node} << 32 | key.index, key.predicate);
        }
    };
    static constexpr u32 any_bounds = ~u32{1}, piece_of_width = ~u32{255}; ///< in place of a predicate
    using Memo = std::unordered_map<MemoKey, ir::NodeId, MemoHash>;

    /// A value in shared memory.
    struct Staged {
        ir::NodeId array;
        std::vector<bool> in_block;
    };

    ir::NodeId compute(ir::NodeId node, std::span<const ir::DimId> index);
    ir::NodeId load(ir::NodeId node, std::span<const ir::DimId> index);
    /// Of a buffer of `size` elements.
    ir::NodeId load_at(ir::NodeId pointer, ir::DimId offset, ir::DimId size);
    /// True where all bounds hold; invalid: everywhere.
    ir::NodeId within(std::span<const ir::Bound> bounds);
    u32 alignment(ir::NodeId pointer, ir::DimId offset);
    bool in_whole_vectors(ir::DimId elements) {
        return dims().prove_divisible(elements, width_, {source_->domain.extents, *multiples_});
    }
    std::optional<u32> shift_behind_vector(ir::DimId offset);
    ir::NodeId piece(ir::NodeId pointer, ir::DimId offset, u32 width);
    ir::NodeId load_between(ir::NodeId pointer, ir::DimId offset, u32 shift, ir::DimId size);
    /// The node's own index at the shift.
    std::vector<ir::DimId> here(ir::NodeId node);
    ir::NodeId view(ir::NodeId node, std::span<const ir::DimId> index);
    ir::DimId staged_offset(ir::NodeId node, const Staged& staged, std::span<const ir::DimId> index);
    ir::NodeId load_once(ir::NodeId pointer, ir::NodeId place);
    void store_at(ir::NodeId value, ir::NodeId pointer, ir::DimId offset, bool stream);
    ir::NodeId gather(ir::NodeId node, std::span<const ir::DimId> index);
    ir::NodeId clamped(ir::NodeId place, ir::DimId extent);
    /// Where a gather reads along one axis of its table.
    ir::NodeId gather_place(ir::NodeId operand, std::span<const ir::DimId> index, ir::DimId extent);
    ir::NodeId elementwise(ir::NodeId node, std::span<const ir::DimId> index);
    ir::NodeId position(ir::NodeId node, ir::DimId expression);
    ir::NodeId access_mask();
    ir::NodeId both(ir::NodeId a, ir::NodeId b);
    ir::NodeId atom_value(ir::AtomId atom, bool vectors);
    ir::NodeId index_value(ir::DimId expression, bool vectors);
    ir::NodeId size_parameter(ir::DimId expression);
    ir::NodeId remembered(const MemoKey& key) const;
    MemoKey load_key(ir::NodeId node, std::span<const ir::DimId> index) {
        return {node.value, indices_.number(index), any_bounds};
    }
    MemoKey memo_key(ir::NodeId node, std::span<const ir::DimId> index);

    const KernelSource* source_;
    ir::KernelBuilder kernel_;
    std::vector<ir::NodeId> axis_values_;
    bool keeps_loads_ = false;
    u32 vector_axis_ = 0;
    u32 width_ = 1;
    std::optional<std::vector<ir::Fact>>
        multiples_;                ///< for proofs of alignment; none: accesses are aligned as elements
    std::vector<ir::DimId> shift_; ///< what stands for each axis; empty: itself
    ir::NodeId inside_;            ///< lanes inside the domain
    ir::NodeId predicate_;         ///< bounds of the views around the value in hand
    std::map<u32, ir::NodeId> inputs_, outputs_; ///< pointers; a constant that is a result has one of each
    ir::NodeId words_;
    std::map<u32, Staged> staged_;
    std::map<std::pair<u32, u32>, ir::NodeId> loaded_; ///< kept elements of arguments, by pointer and place
    std::map<u32, ir::NodeId> sizes_;
    std::vector<ir::DimId> exact_;
    std::unordered_set<ir::DimId> exact_known_;
    std::map<u32, ir::NodeId> numbers_;
    IndexTable indices_;
    std::vector<Memo> scopes_;
};

} // namespace heddle::passes
