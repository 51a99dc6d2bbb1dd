#include "passes/lower/evaluator.h"

#include "passes/graph/gather_views.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace heddle::passes {

using namespace ir;

namespace {
constexpr std::size_t most_kept_loads = 64; ///< those that are read again take registers
}

Evaluator::Evaluator(const KernelSource& source, Function& kernel)
    : source_(&source), kernel_(kernel), axis_values_(source.domain.extents.size()), scopes_(1) {
    Module& module = kernel.module();
    const Dims& symbols = source.graph.module().dims;
    for (u32 k = 0; k < symbols.symbol_count(); ++k) module.dims.symbol(symbols.symbol_name(k));
    u32 number = 0;
    for (const LoadedValue& load : source.domain.loads)
        inputs_[load.value.value] =
            kernel_.pointer(fmt::format("x{}", number++), source.graph.dtype(load.value));
    number = 0;
    for (NodeId node : source.group.outputs)
        outputs_[node.value] = kernel_.pointer(fmt::format("y{}", number++), source.graph.dtype(node));
    if (source.publishes) words_ = kernel_.pointer("words", Dtype::u64);
}

// ---- index arithmetic -------------------------------------------------------------------------------------------------

NodeId Evaluator::size_parameter(DimId expression) {
    if (const auto constant = dims().as_constant(expression)) return kernel_.index(*constant);
    auto& known = sizes_[expression.value];
    if (!known.valid()) {
        const DimId imported = kernel_.function().module().dims.import(dims(), expression);
        known = kernel_.size(fmt::format("s{}", sizes_.size() - 1), imported);
    }
    return known;
}

NodeId Evaluator::index(DimId expression) {
    return index_value(expression, depends_on_vector_axis(expression));
}
NodeId Evaluator::scalar_index(DimId expression) { return index_value(expression, false); }

NodeId Evaluator::atom_value(AtomId id, bool vectors) {
    const Atom atom = dims().atom(id);
    switch (atom.kind) {
    case AtomKind::symbol: throw InternalError("a symbol among axis terms");
    case AtomKind::axis: {
        const NodeId base = axis_values_[atom.index];
        if (!vectors || atom.index != vector_axis_ || width_ == 1) return base;
        return kernel_.add(base, kernel_.lanes(width_));
    }
    case AtomKind::divide:
        return kernel_.binary(Op::div, index_value(atom.left, vectors), index_value(atom.right, vectors));
    case AtomKind::modulo:
        return kernel_.binary(Op::rem, index_value(atom.left, vectors), index_value(atom.right, vectors));
    case AtomKind::minimum:
        return kernel_.binary(Op::minimum, index_value(atom.left, vectors), index_value(atom.right, vectors));
    case AtomKind::maximum:
        return kernel_.binary(Op::maximum, index_value(atom.left, vectors), index_value(atom.right, vectors));
    }
    return {};
}

NodeId Evaluator::index_value(DimId expression, bool vectors) {
    Dims& table = dims();
    note_exact(expression);
    if (!table.mentions_any_axis(expression)) return size_parameter(expression);
    // Terms with the same axis factors share one coefficient, a size known at launch.
    std::map<std::vector<AtomId>, DimId> coefficients;
    const std::span<const Term> span = table.terms(expression);
    const std::vector<Term> terms(span.begin(), span.end());
    for (const Term& term : terms) {
        std::vector<AtomId> axis_atoms;
        DimId coefficient = table.constant(term.coefficient);
        for (AtomId id : term.atoms) {
            const Atom atom = table.atom(id);
            const bool moves = atom.kind == AtomKind::axis ||
                               (atom.left.valid() &&
                                (table.mentions_any_axis(atom.left) || table.mentions_any_axis(atom.right)));
            if (moves) {
                axis_atoms.push_back(id);
            } else {
                coefficient = table.mul(coefficient, table.atom_expression(id));
            }
        }
        auto& sum = coefficients[axis_atoms];
        sum = sum.valid() ? table.add(sum, coefficient) : coefficient;
    }
    NodeId total;
    for (const auto& [axis_atoms, coefficient] : coefficients) {
        NodeId part = size_parameter(coefficient);
        for (AtomId id : axis_atoms) part = kernel_.mul(atom_value(id, vectors), part);
        const auto constant = table.as_constant(coefficient);
        if (total.valid() && constant && *constant < 0 && axis_atoms.empty())
            total = kernel_.sub(total, kernel_.index(-*constant));
        else
            total = total.valid() ? kernel_.add(total, part) : part;
    }
    return total;
}

void Evaluator::begin_stage(const KernelSource& stage) {
    source_ = &stage;
    axis_values_.assign(stage.domain.extents.size(), {});
    scopes_.assign(1, {});
    exact_.clear();
    exact_known_.clear();
}

// ---- values -----------------------------------------------------------------------------------------------------------

Evaluator::MemoKey Evaluator::memo_key(NodeId node, std::span<const DimId> index) {
    return {node.value, indices_.number(index), predicate_.value};
}

NodeId Evaluator::remembered(const MemoKey& key) const {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope)
        if (auto found = scope->find(key); found != scope->end()) return found->second;
    return {};
}

NodeId Evaluator::value(NodeId node, std::span<const DimId> index) {
    const MemoKey key = memo_key(node, index);
    if (NodeId known = remembered(key); known.valid()) return known;
    const NodeId made = compute(node, index);
    scopes_.back()[key] = made;
    return made;
}

void Evaluator::set_shift(u32 axis, i64 places) {
    shift_.clear();
    if (places == 0) return;
    for (u32 k = 0; k < axis_values_.size(); ++k) shift_.push_back(dims().axis(k));
    shift_[axis] = dims().add(shift_[axis], dims().constant(places));
}

std::vector<DimId> Evaluator::here(NodeId node) {
    std::vector<DimId> index = own_index(source_->graph, source_->group, source_->domain, node);
    if (!shift_.empty())
        for (DimId& place : index) place = dims().substitute(place, shift_, {}, assumptions());
    return index;
}

void Evaluator::define(NodeId node, NodeId made) { scopes_.back()[memo_key(node, here(node))] = made; }

Evaluator::Place::Place(Evaluator& evaluator, NodeId node)
    : kernel_(evaluator.kernel_.function()), outer_(kernel_.location) {
    const Function& graph = evaluator.source_->graph;
    if (!evaluator.source_->target.check_access || !graph[node].location.valid()) return;
    Location location = graph.module().locations[graph[node].location.value];
    location.scope = {};
    kernel_.location = kernel_.module().location(std::move(location));
}

NodeId Evaluator::compute(NodeId node, std::span<const DimId> index) {
    const Function& graph = source_->graph;
    const Place place(*this, node);
    if (is_loaded(graph, source_->fusion, source_->group, node)) return load(node, index);
    switch (graph.op(node)) {
    case Op::parameter: {
        auto& known = numbers_[node.value];
        const u32 number = static_cast<u32>(graph.integer(node, Key::number));
        if (!known.valid())
            known = kernel_.number_parameter(fmt::format("n{}", number), graph.dtype(node), number);
        return known;
    }
    case Op::constant:
        return kernel_.constant(graph.dtype(node), static_cast<u64>(graph.payload(node, Key::value)[0]));
    case Op::iota: return position(node, index[graph.integer(node, Key::axis)]);
    case Op::dim: return position(node, DimId{static_cast<u32>(graph.integer(node, Key::extent))});
    case Op::view: return view(node, index);
    case Op::gather: return gather(node, index);
    default: break;
    }
    if (is_elementwise(graph.op(node))) return elementwise(node, index);
    throw InternalError(fmt::format("{} is read where it is not computed", info(graph.op(node)).text));
}

NodeId Evaluator::position(NodeId node, DimId expression) {
    const NodeId place = index(expression);
    return kernel_.cast(place, source_->graph.dtype(node));
}

NodeId Evaluator::elementwise(NodeId node, std::span<const DimId> index) {
    const Function& graph = source_->graph;
    std::vector<NodeId> operands;
    for (NodeId operand : graph.operands(node))
        operands.push_back(value(operand, graph.shape(operand).empty() ? std::span<const DimId>{} : index));
    switch (graph.op(node)) {
    case Op::cast: return kernel_.cast(operands[0], graph.dtype(node));
    case Op::bitcast: return kernel_.bitcast(operands[0], graph.dtype(node));
    default: break;
    }
    if (graph.has(node, Key::at_most))
        return kernel_.exp_below(operands[0], graph.integer(node, Key::at_most));
    if (operands.size() == 1) return kernel_.unary(graph.op(node), operands[0]);
    if (operands.size() == 2) return kernel_.binary(graph.op(node), operands[0], operands[1]);
    return kernel_.ternary(graph.op(node), operands[0], operands[1], operands[2]);
}

NodeId Evaluator::both(NodeId a, NodeId b) {
    if (!a.valid()) return b;
    return b.valid() ? kernel_.binary(Op::bit_and, a, b) : a;
}

NodeId Evaluator::access_mask() { return both(inside_, predicate_); }

NodeId Evaluator::view(NodeId node, std::span<const DimId> index) {
    const Function& graph = source_->graph;
    const IndexMap& map = graph.module()[MapId{static_cast<u32>(graph.integer(node, Key::map))}];
    std::vector<Bound> bounds;
    for (const Bound& bound : map.valid)
        bounds.push_back({dims().substitute(bound.value, index, {}, assumptions()),
                          dims().substitute(bound.extent, index, {}, assumptions())});
    const NodeId valid = within(bounds);
    std::vector<DimId> inner;
    for (DimId result : map.results) inner.push_back(dims().substitute(result, index, {}, assumptions()));
    const NodeId outer = predicate_;
    predicate_ = both(predicate_, valid);
    const NodeId source = value(graph.operand(node, 0), inner);
    predicate_ = outer;
    return valid.valid() ? kernel_.select(valid, source, kernel_.constant(graph.dtype(node), map.fill))
                         : source;
}

NodeId Evaluator::within(std::span<const Bound> bounds) {
    NodeId valid;
    for (const Bound& bound : bounds) {
        if (!dims().prove_not_negative(bound.value, assumptions()))
            valid = both(valid, kernel_.binary(Op::ge, index(bound.value), kernel_.index(0)));
        if (!dims().prove_less(bound.value, bound.extent, assumptions()))
            valid = both(valid, kernel_.binary(Op::lt, index(bound.value), index(bound.extent)));
    }
    return valid;
}

void Evaluator::align_vectors(std::vector<Fact> known) {
    known.insert(known.end(), source_->graph.facts.begin(), source_->graph.facts.end());
    multiples_ = std::move(known);
}

/// Bytes at which a vector access at the offset lies; 0: those of an element.
u32 Evaluator::alignment(NodeId pointer, DimId offset) {
    const u32 size = static_cast<u32>(size_of(kernel_.dtype(pointer)));
    const u32 bytes = std::min(16u, width_ * size);
    if (!multiples_ || bytes <= size) return 0;
    const DimId rest = dims().sub(offset, dims().axis(vector_axis_));
    if (!dims().prove_divisible(rest, bytes / size, {source_->domain.extents, *multiples_})) return 0;
    auto& aligned = kernel_.function().aligned;
    const auto known = std::ranges::find(aligned, pointer, [](const auto& entry) { return entry.first; });
    if (known == aligned.end()) aligned.emplace_back(pointer, bytes);
    return bytes;
}

/// Elements between the offset and the last place before it where a vector is aligned; nothing where no proof tells.
std::optional<u32> Evaluator::shift_behind_vector(DimId offset) {
    if (!multiples_) return std::nullopt;
    const DimId rest = dims().sub(offset, dims().axis(vector_axis_));
    for (u32 shift = 0; shift < width_; ++shift)
        if (in_whole_vectors(dims().sub(rest, dims().constant(shift)))) return shift;
    return std::nullopt;
}

/// An aligned vector or one element, loaded once.
NodeId Evaluator::piece(NodeId pointer, DimId offset, u32 width) {
    const MemoKey key{pointer.value, indices_.number(std::span(&offset, 1)), piece_of_width + width};
    if (const NodeId known = remembered(key); known.valid()) return known;
    const u32 align = width > 1 ? alignment(pointer, offset) : 0;
    return scopes_.back()[key] = kernel_.load(pointer, scalar_index(offset), width, {.align = align});
}

/// A vector that is not aligned: the end of the aligned one before it, which holds its first element and so lies in the buffer, and the
/// beginning of the next, which may end behind the buffer unless that is whole vectors.
NodeId Evaluator::load_between(NodeId pointer, DimId offset, u32 shift, DimId size) {
    const DimId low = dims().simplify(dims().sub(offset, dims().constant(shift)), assumptions()),
                high = dims().simplify(dims().add(low, dims().constant(width_)), assumptions());
    const NodeId first = piece(pointer, low, width_);
    if (in_whole_vectors(size)) {
        std::vector<i64> lanes(width_);
        std::iota(lanes.begin(), lanes.end(), i64{shift});
        return kernel_.shuffle(first, piece(pointer, high, width_), lanes);
    }
    std::vector<NodeId> elements;
    for (u32 lane = shift; lane < width_; ++lane) elements.push_back(kernel_.extract(first, lane));
    for (u32 k = 0; k < shift; ++k) {
        const DimId place = dims().simplify(dims().add(high, dims().constant(k)), assumptions());
        elements.push_back(piece(pointer, place, 1));
    }
    return kernel_.pack(elements);
}

void Evaluator::define_load(NodeId node, std::span<const DimId> index, NodeId made) {
    scopes_.back()[load_key(node, index)] = made;
}

NodeId Evaluator::load(const Access& access) {
    const Place place(*this, access.value);
    predicate_ = within(access.bounds);
    const NodeId loaded = load(access.value, access.index);
    predicate_ = {};
    return loaded;
}

NodeId Evaluator::load(NodeId node, std::span<const DimId> index) {
    if (const NodeId known = remembered(load_key(node, index)); known.valid()) return known;
    if (const auto staged = staged_.find(node.value); staged != staged_.end()) {
        const DimId offset = staged_offset(node, staged->second, index);
        return kernel_.cast(load_at(staged->second.array, offset, {}), source_->graph.dtype(node));
    }
    const std::span<const DimId> shape = source_->graph.shape(node);
    return load_at(inputs_.at(node.value), flat_offset(source_->graph.module(), shape, index),
                   dims().product(shape));
}

DimId Evaluator::staged_offset(NodeId node, const Staged& staged, std::span<const DimId> index) {
    const std::span<const DimId> shape = source_->graph.shape(node);
    DimId offset = dims().constant(0), stride = dims().constant(1);
    for (std::size_t k = shape.size(); k-- > 0;) {
        if (!staged.in_block[k]) continue;
        offset = dims().add(offset, dims().mul(index[k], stride));
        stride = dims().mul(stride, shape[k]);
    }
    return offset;
}

/// Nothing writes what a chain loads: its outputs never take over its inputs.
NodeId Evaluator::load_once(NodeId pointer, NodeId place) {
    if (kernel_.function().op(pointer) != Op::parameter) return kernel_.load(pointer, place, 1);
    if (const auto known = loaded_.find({pointer.value, place.value}); known != loaded_.end())
        return known->second;
    const NodeId loaded = kernel_.load(pointer, place, 1);
    if (keeps_loads_ && loaded_.size() < most_kept_loads) loaded_[{pointer.value, place.value}] = loaded;
    return loaded;
}

NodeId Evaluator::load_at(NodeId pointer, DimId offset, DimId size) {
    offset = dims().simplify(offset, assumptions());
    const NodeId mask = access_mask();
    const bool vector_mask = mask.valid() && kernel_.width(mask) > 1;
    if (width_ == 1)
        return mask.valid() ? kernel_.load(pointer, index(offset), 1, {.mask = mask})
                            : load_once(pointer, index(offset));
    const auto stride = dims().axis_coefficient(offset, vector_axis_);
    const bool contiguous = stride && dims().is_constant(*stride, 1);
    if (const auto shift = contiguous && !mask.valid() ? shift_behind_vector(offset) : std::nullopt)
        return *shift == 0 ? piece(pointer, offset, width_) : load_between(pointer, offset, *shift, size);
    if (contiguous)
        return kernel_.load(pointer, scalar_index(offset), width_,
                            {.mask = mask, .align = alignment(pointer, offset)});
    if (stride && dims().is_constant(*stride, 0)) {
        // One element for all lanes. Where only some lanes may read, the domain's own lanes do not matter (the first lane
        // of a vector is always inside), but bounds do: they decide lane by lane.
        const NodeId bounds = predicate_;
        if (!bounds.valid() || kernel_.width(bounds) == 1) {
            const NodeId scalar_mask = vector_mask ? bounds : mask;
            return kernel_.load(pointer, scalar_index(offset), 1, {.mask = scalar_mask});
        }
    }
    const NodeId places = kernel_.splat(index(offset), width_);
    return kernel_.load(pointer, places, width_, {.mask = mask});
}

/// The nearest place of an axis, as an index. A value that an index may not hold is brought into range as what it is.
NodeId Evaluator::clamped(NodeId place, DimId extent) {
    const Dtype given = kernel_.dtype(place);
    const bool is_wide = size_of(given) == 8 || given == Dtype::u32;
    const Dtype dtype = given == Dtype::index || !is_wide ? Dtype::index : given;
    const NodeId last = size_parameter(dims().sub(extent, dims().constant(1)));
    place = kernel_.binary(Op::minimum, kernel_.cast(place, dtype), kernel_.cast(last, dtype));
    if (!is_unsigned_integer(dtype)) place = kernel_.binary(Op::maximum, place, kernel_.constant(dtype, 0));
    return kernel_.cast(place, Dtype::index);
}

NodeId Evaluator::gather_place(NodeId operand, std::span<const DimId> index, DimId extent) {
    const Function& graph = source_->graph;
    if (graph.op(operand) == Op::iota) {
        // The place along an axis of the same size is within it, and an index as it is.
        const std::size_t axis = static_cast<std::size_t>(graph.integer(operand, Key::axis));
        if (graph.shape(operand)[axis] == extent) return this->index(index[axis]);
    }
    return clamped(value(operand, graph.shape(operand).empty() ? std::span<const DimId>{} : index), extent);
}

NodeId Evaluator::gather(NodeId node, std::span<const DimId> index) {
    const Function& graph = source_->graph;
    const NodeId table = graph.operand(node, 0);
    const std::span<const DimId> shape = graph.shape(table);
    NodeId offset = kernel_.index(0);
    note_exact(dims().product(shape));
    for (u32 k = 0; k < shape.size(); ++k) {
        const NodeId place = gather_place(graph.operand(node, k + 1), index, shape[k]);
        offset = kernel_.add(kernel_.mul(offset, size_parameter(shape[k])), place);
    }
    NodeId bounds = predicate_;
    for (DimId size : sizes_that_may_be_0(graph, node))
        bounds = both(bounds, kernel_.binary(Op::gt, this->size(size), kernel_.index(0)));
    const NodeId mask = both(inside_, bounds);
    const bool vectors = kernel_.width(offset) > 1 || (bounds.valid() && kernel_.width(bounds) > 1);
    // A staged table is one that a block has whole.
    if (const auto staged = staged_.find(table.value); staged != staged_.end())
        return kernel_.cast(kernel_.load(staged->second.array, offset, 1, {.mask = mask}), graph.dtype(node));
    if (!vectors)
        return kernel_.load(inputs_.at(table.value), offset, 1,
                            {.mask = mask.valid() && kernel_.width(mask) > 1 ? bounds : mask});
    return kernel_.load(inputs_.at(table.value), kernel_.splat(offset, width_), width_, {.mask = mask});
}

void Evaluator::store(NodeId node, NodeId value, bool stream) {
    const Place scope(*this, node);
    const std::vector<DimId> index = here(node);
    if (const auto staged = staged_.find(node.value); staged != staged_.end()) {
        const NodeId array = staged->second.array;
        store_at(kernel_.cast(value, kernel_.dtype(array)), array, staged_offset(node, staged->second, index),
                 false);
    }
    if (const auto output = outputs_.find(node.value); output != outputs_.end())
        store_at(value, output->second,
                 flat_offset(source_->graph.module(), source_->graph.shape(node), index), stream);
}

void Evaluator::store_at(NodeId value, NodeId to, DimId offset, bool stream) {
    offset = dims().simplify(offset, assumptions());
    if (!depends_on_vector_axis(offset)) {
        // A kept value, or the whole is one element: the same for every lane.
        if (kernel_.width(value) > 1) throw InternalError("a vector stored to one element");
        const bool masked = inside_.valid() && kernel_.width(inside_) == 1;
        kernel_.store(value, to, index(offset), {.mask = masked ? inside_ : NodeId{}});
        return;
    }
    const NodeId wide = kernel_.splat(value, width_);
    const auto stride = dims().axis_coefficient(offset, vector_axis_);
    if (stride && dims().is_constant(*stride, 1)) {
        kernel_.store(wide, to, scalar_index(offset),
                      {.mask = inside_, .align = alignment(to, offset), .stream = stream});
    } else {
        kernel_.store(wide, to, index(offset), {.mask = inside_});
    }
}

} // namespace heddle::passes
