#include <heddle/array.h>

#include "frontend/context_state.h"
#include "frontend/emit.h"
#include "frontend/lazy.h"
#include "frontend/location.h"
#include "frontend/trace.h"
#include "support/numeric.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <map>

namespace heddle {

using namespace detail;

namespace detail {

Value& checked(const Array& array, const char* what, Array::Where where) {
    Value* value = array.value();
    if (value == nullptr)
        throw UsageError(fmt::format("{}: an empty array has no value ({})", what, text(user_place(where))));
    const State state = value->now();
    if (state == State::escaped)
        throw TraceError(fmt::format("{}; used by {} ({})", *value->story, what, text(user_place(where))));
    if (state == State::tracer && value->home.get() != Trace::current()) {
        const std::string& owner = static_cast<const Trace&>(*value->home).name();
        throw TraceError(fmt::format("{}: a tracer of '{}' is used {} ({})", what, owner,
                                     Trace::current() == nullptr
                                         ? "on a thread that is not tracing it"
                                         : "in the trace of '" + Trace::current()->name() + "'",
                                     text(user_place(where))));
    }
    return *value;
}

void make_concrete(const Array& array, const char* what, Array::Where where) {
    Value& value = checked(array, what, where);
    switch (value.now()) {
    case State::concrete: return;
    case State::pending: {
        Value* const wanted[] = {&value};
        try {
            static_cast<LazyGraph&>(*value.home).evaluate(wanted);
        } catch (const Error&) {
            rethrow_run_error(what, where);
        }
        return;
    }
    case State::tracer: {
        const Trace& trace = static_cast<const Trace&>(*value.home);
        throw TraceError(fmt::format(
            "{}: {} of {} made at {}: its value is not known while the function is traced ({})", trace.name(),
            what, type_text(value), trace.place_of(value.node), text(user_place(where))));
    }
    case State::escaped: return; // checked() has thrown
    }
}

Extents constant_extents(const Shape& shape, const char* what, Array::Where where) {
    if (shape.rank() > max_rank)
        throw ShapeError(fmt::format("{}: rank {} is above the highest, {} ({})", what, shape.rank(),
                                     max_rank, text(where)));
    Extents result;
    for (const Dim& dim : shape) {
        const i64 size = dim.value(where);
        if (size < 0) throw ShapeError(fmt::format("{}: a size is {} ({})", what, size, text(where)));
        result.sizes[result.rank++] = size;
    }
    i64 elements = 0, total = 1;
    for (i64 size : result.span())
        if (__builtin_mul_overflow(total, size, &total)) elements = -1;
    if (elements < 0 || total > (i64{1} << 56))
        throw ShapeError(fmt::format("{}: {} has too many elements ({})", what, shape.text(), text(where)));
    return result;
}

namespace {

/// Small data in a trace is part of the graph; larger data is an input by identity.
constexpr i64 most_constant_elements = 64;

Array traced_constant(Dtype dtype, const Extents& shape, const void* data, Array::Where where) {
    return record("constant", where, {}, [&](Emitter& emitter) {
        std::vector<u64> bits;
        for (i64 k = 0; k < shape.elements(); ++k)
            bits.push_back(load_bits(dtype, static_cast<const std::byte*>(data) +
                                                static_cast<std::size_t>(k) * size_of(dtype)));
        std::vector<ir::DimId> dims;
        for (i64 size : shape.span()) dims.push_back(emitter.constant(size));
        return emitter.builder().constant(dtype, dims, bits);
    });
}

/// Until the value is in memory.
void await(const Value& value, const char* what, Array::Where where) {
    try {
        runtime::wait_before_read(*value.buffer);
    } catch (const DeviceError&) {
        rethrow_run_error(what, where);
    }
}

runtime::BufferRef filled_buffer(runtime::Device& device, const void* data, std::size_t bytes,
                                 const char* what, Array::Where where) {
    try {
        runtime::BufferRef buffer = device.allocate(bytes);
        if (bytes != 0) device.upload(buffer, 0, {static_cast<const std::byte*>(data), bytes});
        return buffer;
    } catch (const DeviceError&) {
        rethrow_run_error(what, where);
    }
}

/// Where an array of given data goes: a trace's are inputs of what it traces.
runtime::DeviceRef device_for_data(Array::Where where) {
    const Trace* trace = Trace::current();
    return trace != nullptr ? trace->options().device : current_state()->device({}, "array", where);
}

/// Sizes and places in arrays have a dtype of their own, which arrays have not.
void check_dtype(Dtype dtype) {
    if (dtype == Dtype::index) throw DtypeError("index is no dtype of arrays");
}

} // namespace

} // namespace detail

void Array::retain(Value* value) noexcept {
    if (value != nullptr) detail::retain(value);
}

void Array::release(Value* value) noexcept {
    if (value != nullptr) detail::release(value);
}

void Array::check_count(std::size_t count, const Shape& shape, Where where) {
    const i64 elements = constant_extents(shape, "array", where).elements();
    if (static_cast<i64>(count) != elements)
        throw ShapeError(fmt::format("array: shape {} holds {} elements, given {} ({})", shape.text(),
                                     elements, count, detail::text(where)));
}

void Array::ragged(std::size_t row, std::size_t expected, std::size_t given, Where where) {
    throw ShapeError(fmt::format("array: row {} of a literal has {} elements, the first has {} ({})", row,
                                 given, expected, detail::text(where)));
}

Array Array::from_memory(Dtype dtype, const Shape& shape, const void* data, Where where) {
    check_dtype(dtype);
    const Extents extents = constant_extents(shape, "array", where);
    Trace* trace = Trace::current();
    if (trace != nullptr && extents.elements() > 0 && extents.elements() <= most_constant_elements)
        return traced_constant(dtype, extents, data, where);
    const runtime::DeviceRef device = device_for_data(where);
    const std::size_t bytes = static_cast<std::size_t>(extents.elements()) * size_of(dtype);
    runtime::BufferRef buffer = filled_buffer(*device, data, bytes, "array", where);
    return adopt_value(new_concrete(dtype, extents, std::move(buffer)));
}

Array Array::adopt(Dtype dtype, const Shape& shape, void* data, std::shared_ptr<void> owner, Where where) {
    check_dtype(dtype);
    const Extents extents = constant_extents(shape, "array", where);
    const std::size_t bytes = static_cast<std::size_t>(extents.elements()) * size_of(dtype);
    const runtime::DeviceRef device = device_for_data(where);
    return adopt_value(
        new_concrete(dtype, extents, device->adopt(static_cast<std::byte*>(data), bytes, std::move(owner))));
}

Dtype Array::dtype(Where where) const { return checked(*this, "dtype", where).dtype; }
int Array::rank(Where where) const { return static_cast<int>(checked(*this, "rank", where).shape.rank); }

Shape Array::shape(Where where) const {
    Value& value = checked(*this, "shape", where);
    Shape result;
    if (value.now() == State::tracer) {
        Trace& trace = static_cast<Trace&>(*value.home);
        for (ir::DimId dim : trace.graph().function.shape(value.node))
            result.push_back(trace.dim(dim, where));
    } else {
        for (i64 size : value.shape.span()) result.push_back(size);
    }
    return result;
}

Dim Array::shape(int axis, Where where) const {
    Value& value = checked(*this, "shape", where);
    const int rank = static_cast<int>(value.shape.rank);
    const int at = axis < 0 ? axis + rank : axis;
    if (at < 0 || at >= rank)
        throw ShapeError(fmt::format("{}shape: axis {} is out of range for {} ({})",
                                     Trace::current() != nullptr ? Trace::current()->name() + ": " : "", axis,
                                     type_text(value), detail::text(where)));
    if (value.now() != State::tracer) return value.shape.sizes[at];
    Trace& trace = static_cast<Trace&>(*value.home);
    return trace.dim(trace.graph().function.shape(value.node)[static_cast<std::size_t>(at)], where);
}

Dim Array::elements(Where where) const { return shape(where).elements(); }

std::string Array::device(Where where) const {
    Value& value = checked(*this, "device", where);
    switch (value.now()) {
    case State::concrete: return value.buffer->device().info().name;
    case State::pending: {
        LazyGraph& lazy = static_cast<LazyGraph&>(*value.home);
        std::lock_guard lock(lazy.mutex());
        return lazy.device() != nullptr ? lazy.device()->info().name : lazy.context()->default_name();
    }
    case State::tracer:
    case State::escaped: break;
    }
    return static_cast<Trace&>(*value.home).options().device->info().name;
}

bool Array::is_tracer() const { return value_ != nullptr && value_->now() == State::tracer; }
bool Array::is_evaluated() const { return value_ != nullptr && value_->now() == State::concrete; }

const Array& Array::eval(Where where) const {
    make_concrete(*this, "eval", where);
    return *this;
}

const Array& Array::wait(Where where) const {
    make_concrete(*this, "wait", where);
    await(*value_, "wait", where);
    return *this;
}

void Array::to_host(void* to, std::size_t bytes, Where where) const {
    make_concrete(*this, "to_host", where);
    if (bytes != value_->bytes())
        throw UsageError(fmt::format("to_host: {} takes {} bytes, given room for {} ({})", type_text(*value_),
                                     value_->bytes(), bytes, detail::text(where)));
    if (bytes == 0) return;
    try {
        value_->buffer->device().download(value_->buffer, value_->offset,
                                          {static_cast<std::byte*>(to), bytes});
    } catch (const DeviceError&) {
        rethrow_run_error("to_host", where);
    }
}

std::size_t Array::host_count(Dtype wanted, Where where) const {
    const Value& value = checked(*this, "to_vector", where);
    if (value.dtype != wanted)
        throw DtypeError(fmt::format("to_vector: the array is {}, not {} ({})", name_of(value.dtype),
                                     name_of(wanted), detail::text(where)));
    make_concrete(*this, "to_vector", where);
    return static_cast<std::size_t>(value.shape.elements());
}

const void* Array::data(Where where) const {
    make_concrete(*this, "data", where);
    const std::byte* host = value_->buffer->host();
    if (host == nullptr)
        throw DeviceError(fmt::format("data: the memory of {} is not the host's; use to_host ({})",
                                      value_->buffer->device().info().name, detail::text(where)));
    await(*value_, "data", where);
    return host + value_->offset;
}

namespace {

u64 only_element(const Array& array, const char* what, Array::Where where) {
    make_concrete(array, what, where);
    const Value& value = *array.value();
    if (value.shape.elements() != 1)
        throw ShapeError(fmt::format("{}: {} has {} elements, one is needed ({})", what, type_text(value),
                                     value.shape.elements(), text(where)));
    std::byte element[8] = {};
    array.to_host(element, size_of(value.dtype), where);
    return load_bits(value.dtype, element);
}

} // namespace

double Array::float_item(Where where) const {
    return value_of(dtype(where), only_element(*this, "item", where));
}

std::int64_t Array::integer_item(Where where) const {
    const u64 bits = only_element(*this, "item", where);
    if (is_float(value_->dtype))
        return integer_of(Dtype::i64, bits_of(Dtype::i64, value_of(value_->dtype, bits)));
    return integer_of(value_->dtype, bits);
}

bool Array::integer_truth() const {
    const u64 bits = only_element(*this, "bool", Where{});
    return is_float(value_->dtype) ? value_of(value_->dtype, bits) != 0
                                   : integer_of(value_->dtype, bits) != 0;
}

Array Array::to(std::string_view name, Where where) const {
    make_concrete(*this, "to", where);
    const runtime::DeviceRef device = current_state()->device(name, "to", where);
    if (device.get() == &value_->buffer->device()) return *this;
    std::vector<std::byte> staging(value_->bytes());
    to_host(staging.data(), staging.size(), where);
    runtime::BufferRef buffer = filled_buffer(*device, staging.data(), staging.size(), "to", where);
    return adopt_value(new_concrete(value_->dtype, value_->shape, std::move(buffer)));
}

void Array::pin(Where where) const {
    Value& value = checked(*this, "pin", where);
    detail::retain(&value);
    value.pins.fetch_add(1, std::memory_order_relaxed);
}

void Array::unpin(Where where) const {
    Value& value = checked(*this, "unpin", where);
    u32 pins = value.pins.load(std::memory_order_relaxed);
    do {
        if (pins == 0)
            throw UsageError(
                fmt::format("unpin: {} is not pinned ({})", type_text(value), detail::text(where)));
    } while (!value.pins.compare_exchange_weak(pins, pins - 1, std::memory_order_relaxed));
    detail::release(&value);
}

int Array::pins() const { return value_ == nullptr ? 0 : static_cast<int>(value_->pins.load()); }

Array& Array::operator+=(const Operand& b) { return *this = add(Operand(*this, b.where()), b); }
Array& Array::operator-=(const Operand& b) { return *this = sub(Operand(*this, b.where()), b); }
Array& Array::operator*=(const Operand& b) { return *this = mul(Operand(*this, b.where()), b); }
Array& Array::operator/=(const Operand& b) { return *this = div(Operand(*this, b.where()), b); }

namespace {

/// One run for the values of each lazy graph.
void eval_all(std::span<const Array* const> arrays, Array::Where where) {
    std::map<Recorder*, std::vector<Value*>> pending;
    for (const Array* array : arrays) {
        Value& value = checked(*array, "eval", where);
        if (value.now() == State::pending)
            pending[value.home.get()].push_back(&value);
        else
            make_concrete(*array, "eval", where);
    }
    try {
        for (const auto& [home, values] : pending) static_cast<LazyGraph*>(home)->evaluate(values);
    } catch (const Error&) {
        rethrow_run_error("eval", where);
    }
}

} // namespace

void eval(std::initializer_list<std::reference_wrapper<const Array>> arrays, std::source_location where) {
    std::vector<const Array*> list;
    for (const Array& array : arrays) list.push_back(&array);
    eval_all(list, where);
}

void eval(std::span<const Array> arrays, std::source_location where) {
    std::vector<const Array*> list;
    for (const Array& array : arrays) list.push_back(&array);
    eval_all(list, where);
}

} // namespace heddle
