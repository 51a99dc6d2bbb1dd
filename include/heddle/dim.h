#pragma once
// Sizes. Outside a trace, and in a trace for given shapes, a `Dim` is a number. In a shapeless trace it is an expression over the
// unknown sizes of the inputs: arithmetic stays symbolic, a comparison records its outcome as a guard of the specialization
// (other sizes get another one), and turning it into a number records that the size has this value.

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <source_location>
#include <string>
#include <vector>

namespace heddle {

namespace detail {
class Trace;
struct DimAccess;
} // namespace detail

class Dim {
public:
    Dim() = default;
    template <std::integral I> Dim(I value) : value_(static_cast<std::int64_t>(value)) {}

    /// True if no input's size decides it.
    bool is_constant() const { return trace_ == nullptr; }
    /// The number. Of a symbolic size: records a guard that fixes it (with CompileOptions::strict: TraceError).
    std::int64_t value(std::source_location where = std::source_location::current()) const;
    explicit operator std::int64_t() const { return value(); }
    explicit operator int() const { return static_cast<int>(value()); }
    explicit operator std::size_t() const { return static_cast<std::size_t>(value()); }
    /// `12`, or the expression: `?n * 2 + 1`.
    std::string text() const;

    friend Dim operator+(const Dim& a, const Dim& b);
    friend Dim operator-(const Dim& a, const Dim& b);
    friend Dim operator*(const Dim& a, const Dim& b);
    /// Floor division and remainder.
    friend Dim operator/(const Dim& a, const Dim& b);
    friend Dim operator%(const Dim& a, const Dim& b);
    friend bool operator==(const Dim& a, const Dim& b);
    friend bool operator!=(const Dim& a, const Dim& b) { return !(a == b); }
    friend bool operator<(const Dim& a, const Dim& b);
    friend bool operator<=(const Dim& a, const Dim& b);
    friend bool operator>(const Dim& a, const Dim& b) { return b < a; }
    friend bool operator>=(const Dim& a, const Dim& b) { return b <= a; }
    friend Dim min(const Dim& a, const Dim& b);
    friend Dim max(const Dim& a, const Dim& b);
    Dim& operator+=(const Dim& b) { return *this = *this + b; }
    Dim& operator-=(const Dim& b) { return *this = *this - b; }
    Dim& operator*=(const Dim& b) { return *this = *this * b; }

private:
    friend class detail::Trace;
    friend struct detail::DimAccess;
    std::int64_t value_ = 0; ///< of a symbolic size: what it is in the call that is traced
    std::uint32_t id_ = 0;   ///< the trace's name for the expression
    std::shared_ptr<detail::Trace> trace_;
    std::source_location where_; ///< where it was asked for: errors about guards name that line
};

/// The sizes of an array's axes. `{n, 4}` works wherever one is expected.
class Shape {
public:
    Shape() = default;
    Shape(std::initializer_list<Dim> dims) : dims_(dims) {}
    explicit Shape(std::vector<Dim> dims) : dims_(std::move(dims)) {}

    int rank() const { return static_cast<int>(dims_.size()); }
    std::size_t size() const { return dims_.size(); }
    bool empty() const { return dims_.empty(); }
    /// Negative axes count from the end. Throws ShapeError when out of range.
    const Dim& operator[](int axis) const;
    const Dim& back() const { return (*this)[-1]; }
    void push_back(const Dim& dim) { dims_.push_back(dim); }
    void set(int axis, const Dim& dim);
    auto begin() const { return dims_.begin(); }
    auto end() const { return dims_.end(); }
    /// Number of elements.
    Dim elements() const;
    /// `[2, ?n]`.
    std::string text() const;
    friend bool operator==(const Shape& a, const Shape& b);

private:
    std::vector<Dim> dims_;
};

} // namespace heddle
