#pragma once
// `MaterializedArray`: a value that is in memory and stays as it is. Only materialize() makes one, by evaluating an array; nothing
// can change or empty it, so that one object, or copies of it, may be used by any number of threads. It is read like an Array and
// passed wherever an Array is read; what ops make of it is an ordinary Array.

#include <heddle/array.h>

#include <span>
#include <string>
#include <vector>

namespace heddle {

class MaterializedArray {
public:
    using Where = std::source_location;

    /// A copy is the same value. There is no move, which would leave something without a value behind.
    MaterializedArray(const MaterializedArray&) noexcept = default;
    MaterializedArray& operator=(const MaterializedArray&) = delete;
    ~MaterializedArray() = default;

    /// A new handle to the value: what it is bound to later does not show here.
    operator Array() const { return array_; }
    /// The value as what ops take.
    const Array& as_array() const { return array_; }
    /// Itself: nothing is evaluated or copied.
    MaterializedArray materialized() const { return *this; }

    // ---- reading, as of an Array
    Dtype dtype() const { return array_.dtype(); }
    int rank() const { return array_.rank(); }
    Shape shape() const { return array_.shape(); }
    Dim shape(int axis, Where where = Where::current()) const { return array_.shape(axis, where); }
    Dim elements() const { return array_.elements(); }
    std::string device() const { return array_.device(); }
    template <Number T> T item(Where where = Where::current()) const { return array_.item<T>(where); }
    template <Element T>
        requires(!std::is_same_v<T, bool>)
    std::vector<T> to_vector(Where where = Where::current()) const {
        return array_.to_vector<T>(where);
    }
    void to_host(void* to, std::size_t bytes, Where where = Where::current()) const {
        array_.to_host(to, bytes, where);
    }
    const void* data(Where where = Where::current()) const { return array_.data(where); }
    explicit operator bool() const { return static_cast<bool>(array_); }
    std::string text(Where where = Where::current()) const { return array_.text(where); }

private:
    friend MaterializedArray materialize(const Array& x, Where where);
    friend std::vector<MaterializedArray> materialize(std::span<const Array> arrays, Where where);
    explicit MaterializedArray(const Array& evaluated) noexcept : array_(evaluated) {}

    const Array array_;
};

/// Runs what `x` waits for and waits until the value is in memory, so that what fails fails here. A concrete array is not copied.
/// TraceError for a tracer, UsageError for an empty array.
MaterializedArray materialize(const Array& x, Array::Where where = Array::Where::current());
inline MaterializedArray materialize(const MaterializedArray& x) { return x; }
/// All of them, run as one graph.
std::vector<MaterializedArray> materialize(std::span<const Array> arrays,
                                           Array::Where where = Array::Where::current());

} // namespace heddle
