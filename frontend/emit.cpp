#include "frontend/emit.h"

#include "frontend/context_state.h"
#include "frontend/lazy.h"
#include "frontend/location.h"
#include "frontend/trace.h"
#include "support/numeric.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <algorithm>

namespace heddle::detail {

Emitter::Emitter(const char* op, Where where, std::span<const Operand* const> operands)
    : op_(op), where_(user_place(where)) {
    choose_home(operands);
    lock_ = std::unique_lock(home_->mutex(), std::defer_lock);
    if (lazy_ != nullptr) {
        lock_.lock();
        lazy_->prepare();
    }
    graph_ = &home_->graph();
    set_location();
}

// An op that failed may have brought inputs into a graph with nothing pending: they go with it.
Emitter::~Emitter() {
    std::unique_ptr<Graph> garbage;
    if (lazy_ != nullptr && lock_.owns_lock()) garbage = lazy_->after_unlink();
    if (lock_.owns_lock()) lock_.unlock();
}

void Emitter::choose_home(std::span<const Operand* const> operands) {
    bool any_weak = false, all_weak = true;
    for (const Operand* operand : operands) {
        if (!operand->is_array()) {
            any_weak |= operand->kind() == Operand::Kind::dim;
            continue;
        }
        const Value& value = checked(operand->array(), op_, where_);
        any_weak |= value.weak;
        all_weak &= value.weak;
    }
    weak_ = any_weak && all_weak;
    trace_ = Trace::current();
    if (trace_ == nullptr) {
        choose_lazy(operands);
        return;
    }
    home_ = trace_;
    for (const Operand* operand : operands) {
        if (!operand->is_array()) continue;
        const Value& value = *operand->array().value();
        if (value.now() == State::pending) make_concrete(operand->array(), op_, where_);
        if (value.now() == State::concrete && &value.buffer->device() != trace_->options().device.get())
            throw UsageError(
                fmt::format("an array on device {} is used in a function traced for {}; move it with to()",
                            value.buffer->device().info().name, trace_->options().device->info().name));
    }
}

namespace {

[[noreturn]] void refuse_devices(const runtime::Device& a, const runtime::Device& b) {
    throw UsageError(
        fmt::format("arrays on {} and {} meet; move one with to()", a.info().name, b.info().name));
}

} // namespace

/// Pending values of other threads are run; all operands are on one device, and so is the lazy graph they go to.
void Emitter::choose_lazy(std::span<const Operand* const> operands) {
    lazy_ = LazyGraph::of_thread();
    home_ = lazy_.get();
    if (lazy_->is_full()) lazy_->flush();
    runtime::DeviceRef device;
    for (const Operand* operand : operands) {
        if (!operand->is_array()) continue;
        Value& value = *operand->array().value();
        if (value.now() == State::pending && value.home.get() != home_)
            make_concrete(operand->array(), op_, where_);
        if (value.now() == State::pending) continue;
        runtime::DeviceRef own = value.buffer->device().shared_from_this();
        if (device != nullptr && device != own) refuse_devices(*device, *own);
        device = std::move(own);
    }
    if (device == nullptr || device.get() == lazy_->device()) return;
    const bool uses_pending = std::ranges::any_of(operands, [](const Operand* operand) {
        return operand->is_array() && operand->array().value()->now() == State::pending;
    });
    if (lazy_->device() != nullptr) {
        if (uses_pending) refuse_devices(*lazy_->device(), *device);
        lazy_->flush();
    }
    std::lock_guard lock(lazy_->mutex());
    lazy_->set_device(std::move(device));
}

runtime::DeviceRef Emitter::device() {
    if (trace_ != nullptr) return trace_->options().device;
    if (lazy_->device() == nullptr) lazy_->set_device(lazy_->context()->device());
    return lazy_->device()->shared_from_this();
}

void Emitter::set_location() {
    ir::Module& module = graph_->module;
    ir::Location place{where_.file_name(), where_.line(), where_.column(), where_.function_name(), {}};
    const std::string_view composite = composite_name();
    graph_->builder.location = module.location(std::move(place));
    if (composite.empty()) return;
    ir::Location inner{where_.file_name(), where_.line(), where_.column(), std::string(composite),
                       graph_->builder.location};
    graph_->builder.location = module.location(std::move(inner));
}

OperandType Emitter::type_of(const Operand& operand) const {
    switch (operand.kind()) {
    case Operand::Kind::array: {
        const Value& value = *operand.array().value();
        return {value.weak, value.dtype, kind_of(value.dtype)};
    }
    case Operand::Kind::boolean: return {true, Dtype::boolean, NumberKind::boolean};
    case Operand::Kind::integer:
    case Operand::Kind::unsigned_integer:
    case Operand::Kind::dim: return {true, Dtype::i32, NumberKind::integer};
    case Operand::Kind::floating: return {true, Dtype::f32, NumberKind::floating};
    }
    return {};
}

Dtype Emitter::common_dtype(std::span<const Operand* const> operands) const {
    std::optional<Dtype> dtype;
    NumberKind number = NumberKind::boolean;
    for (const Operand* operand : operands) {
        const OperandType type = type_of(*operand);
        if (type.is_number)
            number = std::max(number, type.kind);
        else
            dtype = dtype ? promote(*dtype, type.dtype) : type.dtype;
    }
    return dtype ? promote(*dtype, number) : default_dtype(number);
}

ir::NodeId Emitter::array_node(Value& value) {
    if (value.now() != State::concrete) {
        if (value.home.get() == home_) return value.node;
        throw InternalError("a pending value of another graph reached an op");
    }
    if (trace_ != nullptr) {
        std::lock_guard lock(home_->mutex());
        return home_->input(value);
    }
    return home_->input(value);
}

u64 Emitter::number_bits(const Operand& operand, Dtype dtype) const {
    if (operand.kind() == Operand::Kind::floating) return bits_of(dtype, operand.floating());
    const i64 value = operand.integer();
    if (operand.kind() == Operand::Kind::unsigned_integer && value < 0 && dtype != Dtype::u64) {
        if (is_float(dtype)) return bits_of(dtype, static_cast<double>(static_cast<u64>(value)));
        throw DtypeError(fmt::format("{} does not fit {}", static_cast<u64>(value), name_of(dtype)));
    }
    const u64 bits = bits_of(dtype, value);
    const bool wraps =
        is_integer(dtype) &&
        (integer_of(dtype, bits) != value ||
         (is_unsigned_integer(dtype) && value < 0 && operand.kind() != Operand::Kind::unsigned_integer));
    if (wraps) throw DtypeError(fmt::format("{} does not fit {}", value, name_of(dtype)));
    return bits;
}

ir::NodeId Emitter::number_node(const Operand& operand, Dtype dtype) {
    if (operand.kind() == Operand::Kind::dim) return builder().dim(dtype, dim(operand.dim()));
    const u64 bits = number_bits(operand, dtype);
    if (trace_ != nullptr || operand.is_literal()) return builder().constant(dtype, bits);
    return lazy_->number(dtype, bits);
}

ir::NodeId Emitter::node(const Operand& operand, Dtype dtype) {
    if (operand.is_array()) return builder().cast(array_node(*operand.array().value()), dtype);
    return number_node(operand, dtype);
}

ir::NodeId Emitter::node(const Operand& operand) { return node(operand, type_of(operand).dtype); }

std::vector<ir::NodeId> Emitter::nodes(std::span<const Operand* const> operands, Dtype dtype) {
    std::vector<ir::NodeId> result;
    for (const Operand* operand : operands) result.push_back(node(*operand, dtype));
    return result;
}

ir::DimId Emitter::dim(const Dim& dim) {
    if (trace_ != nullptr) return trace_->id_of(dim);
    return constant(dim.value(where_));
}

std::vector<ir::DimId> Emitter::dim_list(const Shape& shape) {
    std::vector<ir::DimId> result;
    for (const Dim& dim : shape) result.push_back(this->dim(dim));
    return result;
}

i64 Emitter::value_of(ir::DimId id) {
    return trace_ != nullptr ? trace_->value_of(id) : dims().as_constant(id).value();
}

bool Emitter::equal(ir::DimId a, ir::DimId b) {
    if (a == b) return true;
    return trace_ != nullptr && trace_->equal(a, b, where_);
}

bool Emitter::is_one(ir::DimId size) { return value_of(size) == 1 && equal(size, constant(1)); }

bool Emitter::is_one_or_never(ir::DimId size) {
    if (is_one(size)) return true;
    // An input's size that is 1 is a constant of the trace.
    const std::span<const ir::Term> terms = dims().terms(size);
    const bool of_input = terms.size() == 1 && terms[0].coefficient == 1 && terms[0].atoms.size() == 1 &&
                          dims().atom(terms[0].atoms[0]).kind == ir::AtomKind::symbol;
    if (trace_ != nullptr && !of_input) trace_->need({size, ir::Relation::not_equal, constant(1)}, where_);
    return false;
}

bool Emitter::stretches(ir::DimId size, ir::DimId other) { return value_of(other) != 1 && is_one(size); }

void Emitter::require_not_above(ir::DimId a, ir::DimId b, const std::string& message) {
    if (value_of(a) > value_of(b)) throw ShapeError(message);
    if (trace_ != nullptr) trace_->need({a, ir::Relation::less_equal, b}, where_);
}

i64 Emitter::axis(int axis, int rank) const {
    const int at = axis < 0 ? axis + rank : axis;
    if (at < 0 || at >= rank)
        throw ShapeError(fmt::format("axis {} is out of range for rank {}", axis, rank));
    return at;
}

std::vector<i64> Emitter::axis_list(const Axes& axes, int rank) const {
    std::vector<i64> result;
    if (!axes.list()) {
        for (int k = 0; k < rank; ++k) result.push_back(k);
        return result;
    }
    for (int k : *axes.list()) result.push_back(axis(k, rank));
    std::ranges::sort(result);
    const auto twice = std::ranges::adjacent_find(result);
    if (twice != result.end()) throw ShapeError(fmt::format("axis {} is given twice", *twice));
    return result;
}

std::vector<ir::DimId> Emitter::common_shape(std::span<const ir::NodeId> nodes) {
    std::vector<ir::DimId> result;
    for (ir::NodeId node : nodes) {
        const std::span<const ir::DimId> own = shape(node);
        if (own.size() > result.size())
            result.insert(result.begin(), own.size() - result.size(), constant(1));
        const std::size_t first = result.size() - own.size();
        for (std::size_t k = 0; k < own.size(); ++k) {
            ir::DimId& size = result[first + k];
            if (dims().is_constant(own[k], 1) || stretches(own[k], size)) continue;
            if (dims().is_constant(size, 1) || stretches(size, own[k]))
                size = own[k];
            else if (!equal(size, own[k]))
                throw ShapeError(
                    fmt::format("sizes {} and {} do not broadcast", value_of(size), value_of(own[k])));
        }
    }
    return result;
}

ir::NodeId Emitter::broadcast(ir::NodeId node, std::span<const ir::DimId> wanted) {
    std::vector<ir::DimId> own(shape(node).begin(), shape(node).end());
    if (std::ranges::equal(own, wanted)) return node;
    if (own.size() > wanted.size())
        throw ShapeError(fmt::format("{} does not broadcast to {}", show(own), show(wanted)));
    std::vector<i64> axes;
    const std::size_t first = wanted.size() - own.size();
    bool wider = first != 0;
    for (std::size_t k = 0; k < own.size(); ++k) {
        const ir::DimId size = wanted[first + k];
        axes.push_back(static_cast<i64>(first + k));
        if (!dims().is_constant(own[k], 1) && stretches(own[k], size)) {
            own[k] = constant(1);
            node = builder().reshape(node, own); // one axis at a time: a guard each says that it is as large
        }
        if (dims().is_constant(own[k], 1))
            wider |= !dims().is_constant(size, 1);
        else if (!equal(own[k], size))
            throw ShapeError(fmt::format("{} does not broadcast to {}", show(own), show(wanted)));
    }
    return wider ? builder().broadcast(node, wanted, axes) : node;
}

void Emitter::align(std::span<ir::NodeId> nodes) {
    const std::vector<ir::DimId> shape = common_shape(nodes);
    for (ir::NodeId& node : nodes)
        if (rank(node) != 0) node = broadcast(node, shape);
}

Array Emitter::array(ir::NodeId node) {
    if (rank(node) > max_rank)
        throw ShapeError(fmt::format("rank {} is above the highest, {}", rank(node), max_rank));
    const std::span<const ir::DimId> sizes = shape(node);
    for (std::size_t axis = 0; axis < sizes.size(); ++axis) {
        if (const i64 size = value_of(sizes[axis]); size < 0)
            throw ShapeError(fmt::format("axis {} of the result has the negative size {}", axis, size));
        if (trace_ != nullptr) trace_->need({constant(0), ir::Relation::less_equal, sizes[axis]}, where_);
    }
    std::unique_lock<std::mutex> lock;
    if (trace_ != nullptr) lock = std::unique_lock(home_->mutex());
    return Array::adopt_value(home_->make_value(node, trace_ != nullptr ? State::tracer : State::pending,
                                                weak_ && rank(node) == 0));
}

std::string Emitter::show(std::span<const ir::DimId> shape) {
    std::string result = "[";
    for (ir::DimId dim : shape) {
        if (result.size() > 1) result += ", ";
        result += dims().text(dim);
    }
    return result + "]";
}

} // namespace heddle::detail
