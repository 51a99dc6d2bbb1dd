#pragma once
// `Array`: a handle to an immutable value. The value is concrete (memory on a device), pending (an expression that runs when it is
// read, together with what it depends on, fused) or, while this thread traces a compiled function, a tracer. `a += b` makes `a`
// another value; whoever holds the old one keeps it. Handles to one value may be used on different threads; one
// handle, like a std::vector, may not.

#include <heddle/dim.h>
#include <heddle/element.h>
#include <heddle/operand.h>

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace heddle {

class MaterializedArray;

class Array {
public:
    using Where = std::source_location;

    /// An empty handle: it has no value, and using it is an error.
    Array() = default;
    ~Array() { release(value_); }
    Array(const Array& other) : value_(other.value_) { retain(value_); }
    Array(Array&& other) noexcept : value_(std::exchange(other.value_, nullptr)) {}
    Array& operator=(const Array& other) { return *this = Array(other); }
    Array& operator=(Array&& other) noexcept {
        std::swap(value_, other.value_);
        return *this;
    }

    // ---- from the host
    /// A rank-0 array of the number's own dtype (float gives f32, double f64, int i32).
    template <Number T> explicit Array(T number, Where where = Where::current())
        : Array(from_memory(dtype_of<T>, {}, &number, where)) {}
    /// Rank 1: `Array{1.f, 2.f}`.
    template <Element T> Array(std::initializer_list<T> elements, Where where = Where::current())
        : Array(from_list<T>(elements, where)) {}
    /// Rank 2: `Array{{1.f, 2.f}, {3.f, 4.f}}`. Rows of different lengths are a ShapeError.
    template <Element T>
    Array(std::initializer_list<std::initializer_list<T>> rows, Where where = Where::current())
        : Array(from_rows<T>(rows, where)) {}
    /// A copy of host data in row-major order; ShapeError unless there are as many elements as the shape holds.
    template <Element T>
    static Array from(std::span<const T> data, const Shape& shape, Where where = Where::current()) {
        check_count(data.size(), shape, where);
        return from_memory(dtype_of<T>, shape, data.data(), where);
    }
    template <Element T>
        requires(!std::is_same_v<T, bool>)
    static Array from(const std::vector<T>& data, const Shape& shape, Where where = Where::current()) {
        return from(std::span<const T>(data), shape, where);
    }
    template <Element T>
        requires(!std::is_same_v<T, bool>)
    static Array from(const std::vector<T>& data, Where where = Where::current()) {
        return from(std::span<const T>(data), Shape{static_cast<std::int64_t>(data.size())}, where);
    }
    /// Copies `shape.elements()` elements of `dtype` from `data`.
    static Array from_memory(Dtype dtype, const Shape& shape, const void* data,
                             Where where = Where::current());
    /// Uses the caller's memory without copying where the device can; `owner` keeps it alive, and nobody may write to it.
    static Array adopt(Dtype dtype, const Shape& shape, void* data, std::shared_ptr<void> owner,
                       Where where = Where::current());

    // ---- what it is
    bool has_value() const { return value_ != nullptr; }
    Dtype dtype(Where where = Where::current()) const;
    int rank(Where where = Where::current()) const;
    Shape shape(Where where = Where::current()) const;
    /// The size of an axis; negative axes count from the end. Symbolic in a shapeless trace.
    Dim shape(int axis, Where where = Where::current()) const;
    Dim elements(Where where = Where::current()) const;
    /// Name of the device that holds the value; of a tracer, of the device it is traced for.
    std::string device(Where where = Where::current()) const;
    bool is_tracer() const;
    /// True once the value is in memory, or on its way there.
    bool is_evaluated() const;

    // ---- running and reading. In a trace each of these is a TraceError, for a tracer.
    /// Runs what is pending; does not wait for the device.
    const Array& eval(Where where = Where::current()) const;
    /// Waits until the value is in memory.
    const Array& wait(Where where = Where::current()) const;
    /// The value as one that may go to other threads: materialize(*this), in <heddle/materialized.h>.
    MaterializedArray materialized(Where where = Where::current()) const;
    /// The only element, converted to T.
    template <Number T> T item(Where where = Where::current()) const {
        if constexpr (std::is_floating_point_v<T>)
            return static_cast<T>(float_item(where));
        else
            return static_cast<T>(integer_item(where));
    }
    /// All elements in row-major order; DtypeError unless T is the array's dtype.
    template <Element T>
        requires(!std::is_same_v<T, bool>)
    std::vector<T> to_vector(Where where = Where::current()) const {
        std::vector<T> result(host_count(dtype_of<T>, where));
        to_host(result.data(), result.size() * sizeof(T), where);
        return result;
    }
    /// Copies the elements; `bytes` must be what they take.
    void to_host(void* to, std::size_t bytes, Where where = Where::current()) const;
    /// The value's memory where the host sees the device's, after waiting; DeviceError where it does not.
    const void* data(Where where = Where::current()) const;
    /// True if the only element is not 0.
    explicit operator bool() const { return integer_truth(); }
    /// As NumPy prints it.
    std::string text(Where where = Where::current()) const;

    /// The same value on another device ("cpu", "vulkan"...).
    Array to(std::string_view device, Where where = Where::current()) const;

    /// A pinned value is never donated, and its memory stays where it is until it is unpinned as often as it was pinned. A tracer
    /// that is still pinned when its trace ends is a TraceError; so is unpinning what is not pinned (UsageError).
    void pin(Where where = Where::current()) const;
    void unpin(Where where = Where::current()) const;
    int pins() const;

    // ---- rebinding arithmetic
    Array& operator+=(const Operand& b);
    Array& operator-=(const Operand& b);
    Array& operator*=(const Operand& b);
    Array& operator/=(const Operand& b);

    /// For the library's own use.
    detail::Value* value() const { return value_; }
    static Array adopt_value(detail::Value* value) {
        Array result;
        result.value_ = value;
        return result;
    }
    detail::Value* release_value() { return std::exchange(value_, nullptr); }

private:
    static void retain(detail::Value* value) noexcept;
    static void release(detail::Value* value) noexcept;
    static void check_count(std::size_t count, const Shape& shape, Where where);
    [[noreturn]] static void ragged(std::size_t row, std::size_t expected, std::size_t given, Where where);
    std::size_t host_count(Dtype wanted, Where where) const;
    double float_item(Where where) const;
    std::int64_t integer_item(Where where) const;
    bool integer_truth() const;

    template <class T> static Array from_list(std::initializer_list<T> elements, Where where) {
        return from_memory(dtype_of<T>, Shape{static_cast<std::int64_t>(elements.size())}, elements.begin(),
                           where);
    }
    template <class T>
    static Array from_rows(std::initializer_list<std::initializer_list<T>> rows, Where where) {
        const std::size_t columns = rows.size() == 0 ? 0 : rows.begin()->size();
        // Not a std::vector, whose bools have no addresses.
        auto data = std::make_unique<T[]>(rows.size() * columns + 1);
        std::size_t at = 0, number = 0;
        for (const auto& row : rows) {
            if (row.size() != columns) ragged(number, columns, row.size(), where);
            for (const T& element : row) data[at++] = element;
            ++number;
        }
        return from_memory(dtype_of<T>, Shape{rows.size(), columns}, data.get(), where);
    }

    detail::Value* value_ = nullptr;
};

std::ostream& operator<<(std::ostream& out, const Array& array);

/// Runs everything that the arrays wait for, as one graph.
void eval(std::initializer_list<std::reference_wrapper<const Array>> arrays,
          std::source_location where = std::source_location::current());
void eval(std::span<const Array> arrays, std::source_location where = std::source_location::current());

} // namespace heddle
