#include "frontend/trace.h"

#include "frontend/context_state.h"
#include "frontend/location.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <algorithm>

namespace heddle::detail {

constinit thread_local Trace* Trace::innermost_ = nullptr;

Trace::Entry::Entry(Trace& trace) : outer_(innermost_) { innermost_ = &trace; }
Trace::Entry::~Entry() { innermost_ = outer_; }

Trace::Trace(std::shared_ptr<ContextState> context, const TraceOptions& options)
    : Recorder(std::move(context)), options_(options) {
    graph_ = std::make_unique<Graph>(options.name);
}

ir::AttributesId Trace::input_attributes(u32 position) {
    ir::AttributeList list;
    list.integer(ir::Key::captured, position);
    return graph_->module.attributes.intern(list);
}

Extents Trace::extents(std::span<const ir::DimId> shape) {
    Extents result;
    result.rank = static_cast<u32>(shape.size());
    for (u32 k = 0; k < result.rank; ++k) result.sizes[k] = value_of(shape[k]);
    return result;
}

constexpr i64 small_size = 64;
/// Below this a reduced axis is not worth going by chunks (passes/graph/split_reductions.h).
constexpr i64 long_size = 65536;

Array Trace::add_array(Dtype dtype, const Extents& shape) {
    std::vector<ir::DimId> dims;
    for (u32 axis = 0; axis < shape.rank; ++axis) {
        // Which sizes are 1 is in the signature: broadcasting depends on it. A trace for given sizes keeps small ones, which
        // schedules may unroll by; larger ones are symbols here too, so that other shapes find the same kernels, of which only is known
        // whether they are long.
        if (shape.sizes[axis] == 1 || (!options_.shapeless && shape.sizes[axis] <= small_size)) {
            dims.push_back(graph_->module.dims.constant(shape.sizes[axis]));
            continue;
        }
        dims.push_back(graph_->module.dims.fresh_symbol());
        if (!options_.shapeless && shape.sizes[axis] < long_size)
            graph_->function.facts.push_back(
                {dims.back(), ir::Relation::less_equal, graph_->module.dims.constant(long_size - 1)});
        symbols_.push_back({array_inputs_, axis});
        hints_.push_back(shape.sizes[axis]);
    }
    ++array_inputs_;
    const ir::NodeId node = graph_->function.add_parameter(graph_->module.types.tensor(dtype, dims));
    std::lock_guard lock(mutex_);
    return Array::adopt_value(make_value(node, State::tracer, false));
}

Array Trace::add_number(Dtype dtype) {
    ir::AttributeList list;
    list.integer(ir::Key::number, number_inputs_++);
    const ir::NodeId node = graph_->function.add_parameter(graph_->module.types.tensor(dtype, {}),
                                                           graph_->module.attributes.intern(list));
    std::lock_guard lock(mutex_);
    return Array::adopt_value(make_value(node, State::tracer, true));
}

Array Trace::constant(Dtype dtype, u64 bits) {
    const ir::NodeId node = graph_->builder.constant(dtype, bits);
    std::lock_guard lock(mutex_);
    return Array::adopt_value(make_value(node, State::tracer, true));
}

ir::DimId Trace::id_of(const Dim& dim) {
    if (dim.trace_ == nullptr) return graph_->module.dims.constant(dim.value_);
    if (dim.trace_.get() != this)
        throw TraceError(fmt::format("{}: a size of the trace of '{}' is used in another trace",
                                     options_.name, dim.trace_->name()));
    return ir::DimId{dim.id_};
}

Dim Trace::dim(ir::DimId id, Array::Where where) {
    if (const auto constant = graph_->module.dims.as_constant(id)) return Dim(*constant);
    Dim result;
    result.value_ = value_of(id);
    result.id_ = id.value;
    result.where_ = where;
    result.trace_ = std::static_pointer_cast<Trace>(shared_from_this());
    return result;
}

i64 Trace::value_of(ir::DimId id) {
    if (const auto constant = graph_->module.dims.as_constant(id)) return *constant;
    return graph_->module.dims.evaluate(id, hints_);
}

void Trace::record(ir::Fact fact, bool by_user, Array::Where where) {
    ir::Dims& dims = graph_->module.dims;
    const bool fixes = fact.relation == ir::Relation::equal &&
                       (dims.as_constant(fact.left).has_value() || dims.as_constant(fact.right).has_value());
    if (options_.strict && (by_user || fixes))
        throw TraceError(fmt::format("{}: the trace depends on a size ({}), which 'strict' forbids ({})",
                                     options_.name, dims.text(fact), text(user_place(where))));
    std::vector<ir::Fact>& facts = graph_->function.facts;
    if (std::ranges::find(facts, fact) == facts.end()) facts.push_back(fact);
}

bool Trace::equal(ir::DimId a, ir::DimId b, Array::Where where) {
    if (a == b || graph_->function.same_size(a, b)) return true;
    if (value_of(a) != value_of(b)) return false;
    record({a, ir::Relation::equal, b}, false, where);
    return true;
}

void Trace::need(const ir::Fact& fact, Array::Where where) {
    ir::Dims& dims = graph_->module.dims;
    if (dims.as_constant(fact.left) && dims.as_constant(fact.right)) return;
    const ir::Assumptions assume{{}, graph_->function.facts};
    if (fact.relation == ir::Relation::less_equal &&
        dims.prove_not_negative(dims.sub(fact.right, fact.left), assume))
        return;
    record(fact, false, where);
}

bool Trace::compare(const Dim& a, ir::Relation relation, const Dim& b) {
    using ir::Relation;
    const Array::Where where = a.is_constant() ? b.where_ : a.where_;
    const ir::DimId left = id_of(a), right = id_of(b);
    if (left == right) return relation == Relation::equal || relation == Relation::less_equal;
    const i64 x = value_of(left), y = value_of(right);
    switch (relation) {
    case Relation::equal:
    case Relation::not_equal:
        record({left, x == y ? Relation::equal : Relation::not_equal, right}, true, where);
        return (x == y) == (relation == Relation::equal);
    case Relation::less:
        record(x < y ? ir::Fact{left, Relation::less, right} : ir::Fact{right, Relation::less_equal, left},
               true, where);
        return x < y;
    case Relation::less_equal:
        record(x <= y ? ir::Fact{left, Relation::less_equal, right} : ir::Fact{right, Relation::less, left},
               true, where);
        return x <= y;
    }
    return false;
}

i64 Trace::concretise(const Dim& dim, Array::Where where) {
    const ir::DimId id = id_of(dim);
    const i64 value = value_of(id);
    const ir::DimId constant = graph_->module.dims.constant(value);
    if (constant != id) record({id, ir::Relation::equal, constant}, true, where);
    return value;
}

std::string Trace::place_of(ir::NodeId node) const {
    const ir::LocationId id = graph_->function[node].location;
    if (!id.valid()) return fmt::format("the call at {} (an argument)", text(options_.called));
    const ir::Location& location = graph_->module.locations[id.value];
    return fmt::format("{}:{}", file_name(location.file.c_str()), location.line);
}

void Trace::expire(Value& value, const std::string& problem) {
    unlink(value);
    value.story = std::make_shared<const std::string>(problem);
    value.state.store(State::escaped, std::memory_order_release);
}

ir::NodeId Trace::result_node(const Array& result) {
    Value& value = checked(result, "the result", {});
    if (value.now() == State::tracer) return value.node;
    // A concrete array that the callable hands back: an input that is also a result.
    make_concrete(result, "the result", {});
    std::lock_guard lock(mutex_);
    return input(value);
}

std::unique_ptr<Graph> Trace::close(std::vector<Array>& results) {
    std::vector<ir::NodeId> nodes;
    for (const Array& result : results) {
        if (!result.has_value())
            throw UsageError(
                fmt::format("{}: a result is an empty array ({})", options_.name, text(options_.called)));
        nodes.push_back(result_node(result));
    }
    results.clear();
    graph_->function.set_results(std::move(nodes));
    std::string problem;
    std::vector<Value*> pinned;
    std::unique_ptr<Graph> graph;
    {
        std::lock_guard lock(mutex_);
        while (first_ != nullptr) {
            Value& value = *first_;
            const bool is_pinned = value.pins.load() != 0;
            const std::string story = fmt::format(
                "{}: a tracer of {} made at {} {}", options_.name, type_text(value), place_of(value.node),
                is_pinned ? "is still pinned when its trace ends" : "is kept beyond its trace");
            if (problem.empty() || is_pinned) problem = story;
            expire(value, story);
            for (u32 pins = value.pins.exchange(0); pins > 0; --pins) pinned.push_back(&value);
        }
        graph = std::move(graph_);
    }
    for (Value* value : pinned) release(value);
    if (!problem.empty()) throw TraceError(problem);
    return graph;
}

void Trace::abandon() noexcept {
    std::vector<Array> nothing;
    try {
        if (graph_ != nullptr) close(nothing);
    } catch (...) {
        // The error that ended the trace is the one the caller gets.
    }
    std::lock_guard lock(mutex_);
    graph_.reset();
}

} // namespace heddle::detail
