#include "frontend/value.h"

#include "frontend/location.h"
#include "frontend/recorder.h"
#include "support/thread_count.h"

#include <heddle/context.h>
#include <heddle/error.h>

#include <fmt/format.h>

namespace heddle {

namespace detail {

namespace {
constinit ThreadCount live_values;
}

Value* new_value() {
    Value* const value = new Value;
    live_values.add(1);
    return value;
}

void retain(Value* value) noexcept { value->references.fetch_add(1, std::memory_order_relaxed); }

bool try_retain(Value* value) noexcept {
    u32 count = value->references.load(std::memory_order_relaxed);
    while (count != 0)
        if (value->references.compare_exchange_weak(count, count + 1, std::memory_order_relaxed)) return true;
    return false;
}

void release(Value* value) noexcept {
    if (value->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    if (value->home != nullptr) {
        std::unique_ptr<Graph> garbage;
        {
            std::lock_guard lock(value->home->mutex());
            value->home->unlink(*value);
            garbage = value->home->after_unlink();
        }
    }
    delete value;
    live_values.add(-1);
}

Value* new_concrete(Dtype dtype, const Extents& shape, runtime::BufferRef buffer, std::size_t offset) {
    Value* value = new_value();
    value->place(dtype, shape, std::move(buffer), offset);
    return value;
}

std::string type_text(Dtype dtype, std::span<const i64> sizes) {
    return fmt::format("{}[{}]", name_of(dtype), fmt::join(sizes, ", "));
}

std::string type_text(const Value& value) { return type_text(value.dtype, value.shape.span()); }

} // namespace detail

std::uint64_t live_arrays() { return static_cast<std::uint64_t>(detail::live_values.sum()); }

} // namespace heddle
