// Movement: reshape, transpose, slice, pad, joining and splitting.

#include "frontend/emit.h"

#include "frontend/location.h"
#include "frontend/trace.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace heddle {

using namespace detail;

Array broadcast_to(const Operand& a, const Shape& shape) {
    return record("broadcast_to", a, [&](Emitter& emitter) {
        return emitter.broadcast(emitter.node(a), emitter.dim_list(shape));
    });
}

namespace {

/// The wanted shape, its -1 replaced by what is left.
std::vector<ir::DimId> resolve_shape(Emitter& emitter, std::span<const ir::DimId> from, const Shape& wanted) {
    std::vector<ir::DimId> result;
    std::optional<std::size_t> open;
    ir::DimId known = emitter.constant(1);
    for (std::size_t k = 0; k < wanted.size(); ++k) {
        const Dim& dim = wanted[static_cast<int>(k)];
        if (dim.is_constant() && dim.value() == -1) {
            if (open) throw ShapeError("only one size can be -1");
            open = k;
            result.push_back(known);
            continue;
        }
        result.push_back(emitter.dim(dim));
        known = emitter.dims().mul(known, result.back());
    }
    const ir::DimId total = emitter.dims().product(from);
    const i64 count = emitter.value_of(total), divisor = emitter.value_of(known);
    if (open) {
        if (divisor <= 0 || count % divisor != 0)
            throw ShapeError(fmt::format("{} elements do not divide into {}", count, wanted.text()));
        const ir::Assumptions assume{{}, emitter.function().facts};
        const ir::DimId rest = emitter.dims().divide(total, known, assume);
        // In a shapeless trace: that it divides holds for this call only.
        emitter.equal(emitter.dims().mul(rest, known), total);
        result[*open] = rest;
    } else if (!emitter.equal(known, total)) {
        throw ShapeError(fmt::format("{} elements do not fill {}", count, wanted.text()));
    }
    return result;
}

} // namespace

Array reshape(const Operand& a, const Shape& shape) {
    return record("reshape", a, [&](Emitter& emitter) {
        const ir::NodeId node = emitter.node(a);
        const std::vector<ir::DimId> from(emitter.shape(node).begin(), emitter.shape(node).end());
        const std::vector<ir::DimId> to = resolve_shape(emitter, from, shape);
        return from == to ? node : emitter.builder().reshape(node, to);
    });
}

Array flatten(const Operand& a) {
    return record("flatten", a, [&](Emitter& emitter) {
        const ir::NodeId node = emitter.node(a);
        const ir::DimId total[] = {emitter.dims().product(emitter.shape(node))};
        return emitter.rank(node) == 1 ? node : emitter.builder().reshape(node, total);
    });
}

Array transpose(const Operand& a, const std::vector<int>& axes) {
    return record("transpose", a, [&](Emitter& emitter) {
        const ir::NodeId node = emitter.node(a);
        const int rank = emitter.rank(node);
        std::vector<i64> permutation;
        for (int axis : axes) permutation.push_back(emitter.axis(axis, rank));
        if (axes.empty())
            for (int k = rank; k-- > 0;) permutation.push_back(k);
        return emitter.builder().transpose(node, permutation);
    });
}

Array swap_axes(const Operand& a, int first, int second) {
    return record("swap_axes", a, [&](Emitter& emitter) {
        const ir::NodeId node = emitter.node(a);
        const int rank = emitter.rank(node);
        std::vector<i64> permutation(static_cast<std::size_t>(rank));
        std::iota(permutation.begin(), permutation.end(), i64{0});
        std::swap(permutation.at(static_cast<std::size_t>(emitter.axis(first, rank))),
                  permutation.at(static_cast<std::size_t>(emitter.axis(second, rank))));
        return emitter.builder().transpose(node, permutation);
    });
}

Array expand_dims(const Operand& a, const Axes& axes) {
    return record("expand_dims", a, [&](Emitter& emitter) {
        const ir::NodeId node = emitter.node(a);
        if (!axes.list()) throw ShapeError("the new axes are missing");
        const int rank = emitter.rank(node) + static_cast<int>(axes.list()->size());
        std::vector<ir::DimId> shape(emitter.shape(node).begin(), emitter.shape(node).end());
        for (i64 axis : emitter.axis_list(axes, rank))
            shape.insert(shape.begin() + axis, emitter.constant(1));
        return emitter.builder().reshape(node, shape);
    });
}

Array squeeze(const Operand& a, const Axes& axes) {
    return record("squeeze", a, [&](Emitter& emitter) {
        ir::NodeId node = emitter.node(a);
        std::vector<ir::DimId> shape(emitter.shape(node).begin(), emitter.shape(node).end());
        const std::vector<i64> gone = emitter.axis_list(axes, emitter.rank(node));
        for (auto k = gone.rbegin(); k != gone.rend(); ++k) {
            const ir::DimId size = shape[static_cast<std::size_t>(*k)];
            if (!axes.list() && !emitter.is_one_or_never(size)) continue;
            if (!emitter.is_one(size))
                throw ShapeError(fmt::format("axis {} has size {}, not 1", *k, emitter.value_of(size)));
            shape.erase(shape.begin() + *k);
            // One axis at a time, where a guard says that it is 1.
            if (!emitter.dims().is_constant(size, 1)) node = emitter.builder().reshape(node, shape);
        }
        return emitter.builder().reshape(node, shape);
    });
}

Array flip(const Operand& a, const Axes& axes) {
    return record("flip", a, [&](Emitter& emitter) {
        const ir::NodeId node = emitter.node(a);
        return emitter.builder().flip(node, emitter.axis_list(axes, emitter.rank(node)));
    });
}

namespace {

/// One axis of a slice in terms of sizes.
struct AxisSlice {
    ir::DimId start, step, count;
};

/// A border: negative numbers count from the end.
ir::DimId border(Emitter& emitter, const Dim& at, ir::DimId size) {
    const ir::DimId id = emitter.dim(at);
    return at.is_constant() && at.value() < 0 ? emitter.dims().add(size, id) : id;
}

AxisSlice axis_slice(Emitter& emitter, const Slice& range, ir::DimId size, int axis) {
    if (range.step == 0) throw ShapeError(fmt::format("the step of axis {} is 0", axis));
    ir::Dims& dims = emitter.dims();
    const ir::DimId zero = emitter.constant(0), one = emitter.constant(1);
    const bool forward = range.step > 0;
    // Backwards, the range is (stop, start], taken from its high end.
    const ir::DimId start = range.start ? border(emitter, *range.start, size)
                            : forward   ? zero
                                        : dims.sub(size, one);
    const ir::DimId stop = range.stop ? border(emitter, *range.stop, size)
                           : forward  ? size
                                      : emitter.constant(-1);
    const ir::DimId low = forward ? start : dims.add(stop, one), high = forward ? stop : dims.add(start, one);
    const std::string problem =
        fmt::format("{}:{} of axis {} is out of range for size {}", emitter.value_of(start),
                    emitter.value_of(stop), axis, emitter.value_of(size));
    emitter.require_not_above(zero, low, problem);
    emitter.require_not_above(high, size, problem);
    emitter.require_not_above(low, high, problem);
    const ir::Assumptions assume{{}, emitter.function().facts};
    const ir::DimId length = dims.sub(high, low);
    const i64 stride = forward ? range.step : -range.step;
    const ir::DimId count = stride == 1 ? length : dims.ceil_divide(length, emitter.constant(stride), assume);
    return {start, emitter.constant(range.step), count};
}

ir::NodeId emit_slice(Emitter& emitter, ir::NodeId node, const std::vector<Slice>& ranges) {
    const std::vector<ir::DimId> shape(emitter.shape(node).begin(), emitter.shape(node).end());
    if (ranges.size() > shape.size())
        throw ShapeError(fmt::format("{} ranges for rank {}", ranges.size(), shape.size()));
    std::vector<ir::DimId> start, step, count;
    for (std::size_t k = 0; k < shape.size(); ++k) {
        const AxisSlice axis =
            axis_slice(emitter, k < ranges.size() ? ranges[k] : Slice{}, shape[k], static_cast<int>(k));
        start.push_back(axis.start);
        step.push_back(axis.step);
        count.push_back(axis.count);
    }
    return emitter.builder().slice(node, start, step, count);
}

} // namespace

Array slice(const Operand& a, const std::vector<Slice>& ranges) {
    return record("slice", a, [&](Emitter& emitter) { return emit_slice(emitter, emitter.node(a), ranges); });
}

Array slice(const Operand& a, int axis, const Slice& range) {
    return record("slice", a, [&](Emitter& emitter) {
        const ir::NodeId node = emitter.node(a);
        std::vector<Slice> ranges(static_cast<std::size_t>(emitter.axis(axis, emitter.rank(node))));
        ranges.push_back(range);
        return emit_slice(emitter, node, ranges);
    });
}

Array index(const Operand& a, int axis, const Dim& at) {
    return record("index", a, [&](Emitter& emitter) {
        const ir::NodeId node = emitter.node(a);
        const i64 where = emitter.axis(axis, emitter.rank(node));
        std::vector<Slice> ranges(static_cast<std::size_t>(where));
        Slice one{at, {}, 1};
        if (!at.is_constant() || at.value() != -1) one.stop = at + 1;
        ranges.push_back(one);
        const ir::NodeId sliced = emit_slice(emitter, node, ranges);
        std::vector<ir::DimId> shape(emitter.shape(sliced).begin(), emitter.shape(sliced).end());
        shape.erase(shape.begin() + where);
        return emitter.builder().reshape(sliced, shape);
    });
}

Array pad(const Operand& a, const std::vector<Padding>& padding, const Operand& value) {
    return record("pad", a, [&](Emitter& emitter) {
        const ir::NodeId node = emitter.node(a);
        const std::size_t rank = static_cast<std::size_t>(emitter.rank(node));
        if (padding.size() > rank)
            throw ShapeError(fmt::format("padding of {} axes for rank {}", padding.size(), rank));
        std::vector<ir::DimId> low, high, interior;
        for (std::size_t k = 0; k < rank; ++k) {
            const Padding one = k < padding.size() ? padding[k] : Padding{};
            if (one.interior < 0)
                throw ShapeError(fmt::format("{} elements between those of axis {}", one.interior, k));
            low.push_back(emitter.dim(one.low));
            high.push_back(emitter.dim(one.high));
            interior.push_back(emitter.constant(one.interior));
        }
        return emitter.builder().pad(node, emitter.node(value, emitter.function().dtype(node)), low, high,
                                     interior);
    });
}

namespace {

std::vector<Operand> operands_of(const std::vector<Array>& parts, Array::Where where) {
    std::vector<Operand> result;
    for (const Array& part : parts) result.emplace_back(part, where);
    return result;
}

std::vector<const Operand*> pointers_to(const std::vector<Operand>& operands) {
    std::vector<const Operand*> result;
    for (const Operand& operand : operands) result.push_back(&operand);
    return result;
}

/// Sizes beside the axis must be equal.
void check_beside(Emitter& emitter, std::span<const ir::NodeId> nodes, i64 axis) {
    for (ir::NodeId node : nodes) {
        const auto first = emitter.shape(nodes[0]), own = emitter.shape(node);
        bool fits = own.size() == first.size();
        for (std::size_t k = 0; fits && k < own.size(); ++k)
            fits = static_cast<i64>(k) == axis || emitter.equal(first[k], own[k]);
        if (!fits)
            throw ShapeError(
                fmt::format("{} and {} differ beside axis {}", emitter.show(first), emitter.show(own), axis));
    }
}

} // namespace

Array concatenate(const std::vector<Array>& parts, int axis, Array::Where where) {
    const std::vector<Operand> operands = operands_of(parts, where);
    const std::vector<const Operand*> pointers = pointers_to(operands);
    return record("concatenate", where, pointers, [&](Emitter& emitter) {
        if (parts.empty()) throw ShapeError("takes at least one array");
        const std::vector<ir::NodeId> nodes = emitter.nodes(pointers, emitter.common_dtype(pointers));
        const i64 at = emitter.axis(axis, emitter.rank(nodes[0]));
        check_beside(emitter, nodes, at);
        return emitter.builder().concatenate(nodes, static_cast<u32>(at));
    });
}

Array stack(const std::vector<Array>& parts, int axis, Array::Where where) {
    const std::vector<Operand> operands = operands_of(parts, where);
    const std::vector<const Operand*> pointers = pointers_to(operands);
    return record("stack", where, pointers, [&](Emitter& emitter) {
        if (parts.empty()) throw ShapeError("takes at least one array");
        std::vector<ir::NodeId> nodes = emitter.nodes(pointers, emitter.common_dtype(pointers));
        const i64 at = emitter.axis(axis, emitter.rank(nodes[0]) + 1);
        check_beside(emitter, nodes, -1);
        for (ir::NodeId& node : nodes) {
            std::vector<ir::DimId> shape(emitter.shape(node).begin(), emitter.shape(node).end());
            shape.insert(shape.begin() + at, emitter.constant(1));
            node = emitter.builder().reshape(node, shape);
        }
        return emitter.builder().concatenate(nodes, static_cast<u32>(at));
    });
}

std::vector<Array> split_at(const Operand& a, const std::vector<Dim>& borders, int axis) {
    const Scope scope("split_at", a.where());
    const Array whole = a.is_array() ? a.array() : cast(a, Dtype::f32);
    std::vector<Array> parts;
    Dim before = 0;
    for (const Dim& border : borders) {
        parts.push_back(slice(whole, axis, {before, border}));
        before = border;
    }
    parts.push_back(slice(whole, axis, {before, {}}));
    return parts;
}

std::vector<Array> split(const Operand& a, int parts, int axis) {
    const Scope scope("split", a.where());
    const Array whole = a.is_array() ? a.array() : cast(a, Dtype::f32);
    const Dim size = whole.shape(axis, a.where());
    if (parts <= 0 || !(size % parts == 0))
        throw ShapeError(fmt::format("split: {} does not divide into {} parts ({})", size.text(), parts,
                                     text(user_place(a.where()))));
    std::vector<Dim> borders;
    for (int k = 1; k < parts; ++k) borders.push_back(size / parts * k);
    return split_at(whole, borders, axis);
}

} // namespace heddle
