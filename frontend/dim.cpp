#include "frontend/trace.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <algorithm>

namespace heddle {

using detail::Trace;

namespace {

i64 floor_quotient(i64 a, i64 b) {
    if (b == 0) throw ShapeError("a size is divided by 0");
    const i64 quotient = a / b;
    return quotient - ((a % b != 0) && ((a < 0) != (b < 0)) ? 1 : 0);
}

} // namespace

namespace detail {

/// The open trace that one of the sizes belongs to; null when both are numbers.
struct DimAccess {
    static Trace* trace(const Dim& a, const Dim& b) {
        Trace* trace = a.is_constant() ? owner(b) : owner(a);
        if (trace != nullptr && !trace->is_open())
            throw TraceError(
                fmt::format("a size of the trace of '{}' is used after the trace", trace->name()));
        return trace;
    }
    static Trace* owner(const Dim& dim);
    static std::source_location place(const Dim& a, const Dim& b) {
        return a.is_constant() ? b.where_ : a.where_;
    }
};

} // namespace detail

using detail::DimAccess;

#define HEDDLE_DIM_ARITHMETIC(symbol, method, constant)                                                      \
    Dim operator symbol(const Dim& a, const Dim& b) {                                                        \
        Trace* trace = DimAccess::trace(a, b);                                                               \
        if (trace == nullptr) return Dim(constant);                                                          \
        return trace->dim(trace->graph().module.dims.method(trace->id_of(a), trace->id_of(b)),               \
                          DimAccess::place(a, b));                                                           \
    }
HEDDLE_DIM_ARITHMETIC(+, add, a.value_ + b.value_)
HEDDLE_DIM_ARITHMETIC(-, sub, a.value_ - b.value_)
HEDDLE_DIM_ARITHMETIC(*, mul, a.value_* b.value_)
HEDDLE_DIM_ARITHMETIC(/, divide, floor_quotient(a.value_, b.value_))
HEDDLE_DIM_ARITHMETIC(%, modulo, a.value_ - b.value_ * floor_quotient(a.value_, b.value_))
#undef HEDDLE_DIM_ARITHMETIC

Dim min(const Dim& a, const Dim& b) {
    Trace* trace = DimAccess::trace(a, b);
    if (trace == nullptr) return Dim(std::min(a.value_, b.value_));
    return trace->dim(trace->graph().module.dims.minimum(trace->id_of(a), trace->id_of(b)),
                      DimAccess::place(a, b));
}

Dim max(const Dim& a, const Dim& b) {
    Trace* trace = DimAccess::trace(a, b);
    if (trace == nullptr) return Dim(std::max(a.value_, b.value_));
    return trace->dim(trace->graph().module.dims.maximum(trace->id_of(a), trace->id_of(b)),
                      DimAccess::place(a, b));
}

bool operator==(const Dim& a, const Dim& b) {
    Trace* trace = DimAccess::trace(a, b);
    if (trace == nullptr) return a.value_ == b.value_;
    return trace->compare(a, ir::Relation::equal, b);
}

bool operator<(const Dim& a, const Dim& b) {
    Trace* trace = DimAccess::trace(a, b);
    if (trace == nullptr) return a.value_ < b.value_;
    return trace->compare(a, ir::Relation::less, b);
}

bool operator<=(const Dim& a, const Dim& b) {
    Trace* trace = DimAccess::trace(a, b);
    if (trace == nullptr) return a.value_ <= b.value_;
    return trace->compare(a, ir::Relation::less_equal, b);
}

std::int64_t Dim::value(std::source_location where) const {
    if (trace_ == nullptr) return value_;
    DimAccess::trace(*this, *this);
    return trace_->concretise(*this, where);
}

std::string Dim::text() const {
    if (trace_ == nullptr || !trace_->is_open()) return std::to_string(value_);
    return trace_->graph().module.dims.text(ir::DimId{id_});
}

Trace* DimAccess::owner(const Dim& dim) { return dim.trace_.get(); }

const Dim& Shape::operator[](int axis) const {
    const int at = axis < 0 ? axis + rank() : axis;
    if (at < 0 || at >= rank())
        throw ShapeError(fmt::format("axis {} is out of range for rank {}", axis, rank()));
    return dims_[static_cast<std::size_t>(at)];
}

void Shape::set(int axis, const Dim& dim) {
    const int at = axis < 0 ? axis + rank() : axis;
    if (at < 0 || at >= rank())
        throw ShapeError(fmt::format("axis {} is out of range for rank {}", axis, rank()));
    dims_[static_cast<std::size_t>(at)] = dim;
}

Dim Shape::elements() const {
    Dim product = 1;
    for (const Dim& dim : dims_) product *= dim;
    return product;
}

std::string Shape::text() const {
    std::string result = "[";
    for (const Dim& dim : dims_) {
        if (result.size() > 1) result += ", ";
        result += dim.text();
    }
    return result + "]";
}

bool operator==(const Shape& a, const Shape& b) {
    if (a.rank() != b.rank()) return false;
    for (std::size_t k = 0; k < a.size(); ++k)
        if (!(a.dims_[k] == b.dims_[k])) return false;
    return true;
}

} // namespace heddle
