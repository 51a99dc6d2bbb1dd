#pragma once
// What an `Array` is a handle to. A value is made concrete (memory), pending (a node of a thread's lazy graph) or as a tracer (a
// node of a trace); a pending one becomes concrete once, a tracer becomes `escaped` when its trace ends before it.

#include "ir/function.h"
#include "runtime/device.h"

#include <heddle/array.h>

#include <atomic>
#include <memory>
#include <string>

namespace heddle::detail {

inline constexpr int max_rank = 8;

/// Sizes as numbers; of a tracer, those of the call that is traced.
struct Extents {
    u32 rank = 0;
    i64 sizes[max_rank] = {};

    i64 elements() const {
        i64 product = 1;
        for (u32 k = 0; k < rank; ++k) product *= sizes[k];
        return product;
    }
    std::span<const i64> span() const { return {sizes, rank}; }
    bool operator==(const Extents& other) const {
        if (rank != other.rank) return false;
        for (u32 k = 0; k < rank; ++k)
            if (sizes[k] != other.sizes[k]) return false;
        return true;
    }
};

enum class State : u8 { concrete, pending, tracer, escaped };

class Recorder;

struct Value {
    std::atomic<u32> references{1};
    std::atomic<State> state{State::concrete};
    Dtype dtype = Dtype::f32;
    bool weak = false; ///< takes the dtype of what it meets, like a number
    std::atomic<u32> pins{0};
    Extents shape;

    // ---- concrete. Written once, before `state` says so.
    runtime::BufferRef buffer;
    std::size_t offset = 0;

    // ---- pending, tracer. `home` never changes; the links are guarded by its mutex.
    std::shared_ptr<Recorder> home;
    ir::NodeId node;
    u32 generation = 0; ///< of the home's graph
    u64 serial = 0;     ///< values of a home are numbered from 1
    bool linked = false;
    Value* previous = nullptr;
    Value* next = nullptr;
    std::shared_ptr<const std::string> story; ///< escaped: what is wrong

    Value() = default;
    Value(const Value&) = delete;
    Value& operator=(const Value&) = delete;
    ~Value() {
        if (buffer != nullptr) buffer->drop_array();
    }
    /// Once.
    void place(runtime::BufferRef in, std::size_t at) {
        buffer = std::move(in);
        offset = at;
        buffer->add_array();
    }

    /// All of a value that nobody else has seen.
    void place(Dtype of, const Extents& extents, runtime::BufferRef in, std::size_t at) {
        dtype = of;
        shape = extents;
        place(std::move(in), at);
    }

    State now() const { return state.load(std::memory_order_acquire); }
    std::size_t bytes() const { return static_cast<std::size_t>(shape.elements()) * size_of(dtype); }
};

/// Counts live values.
Value* new_value();
void retain(Value* value) noexcept;
void release(Value* value) noexcept;
/// Takes a reference unless the last one is gone already.
bool try_retain(Value* value) noexcept;

/// An owning reference.
class ValueRef {
public:
    ValueRef() = default;
    explicit ValueRef(Value* value) : value_(value) {} ///< takes over a reference
    static ValueRef share(Value* value) {
        retain(value);
        return ValueRef(value);
    }
    ValueRef(const ValueRef& other) : value_(other.value_) {
        if (value_ != nullptr) retain(value_);
    }
    ValueRef(ValueRef&& other) noexcept : value_(std::exchange(other.value_, nullptr)) {}
    ValueRef& operator=(ValueRef other) noexcept {
        std::swap(value_, other.value_);
        return *this;
    }
    ~ValueRef() {
        if (value_ != nullptr) release(value_);
    }
    Value* get() const { return value_; }
    Value* operator->() const { return value_; }
    explicit operator bool() const { return value_ != nullptr; }
    Value* take() { return std::exchange(value_, nullptr); }

private:
    Value* value_ = nullptr;
};

Value* new_concrete(Dtype dtype, const Extents& shape, runtime::BufferRef buffer, std::size_t offset = 0);

/// `f32[2, 3]`.
std::string type_text(const Value& value);
std::string type_text(Dtype dtype, std::span<const i64> sizes);

/// The value behind a handle. UsageError for an empty one, TraceError for an escaped tracer or one that does not belong to what
/// this thread is tracing.
Value& checked(const Array& array, const char* what, Array::Where where);

/// Runs what the value waits for; a TraceError for tracers, that says `what` wanted to know it.
void make_concrete(const Array& array, const char* what, Array::Where where);

/// Numbers of a shape that must be constant: a symbolic size records a guard.
Extents constant_extents(const Shape& shape, const char* what, Array::Where where);

} // namespace heddle::detail
