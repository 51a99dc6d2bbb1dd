// Access at run-time indices, over `gather`: each axis of the operand gets an integer index of the result's shape.

#include "frontend/emit.h"
#include "support/numeric.h"

#include <heddle/error.h>

#include <fmt/format.h>

namespace heddle {

using namespace detail;

namespace {

std::vector<ir::DimId> shape_of(Emitter& emitter, ir::NodeId node) {
    return {emitter.shape(node).begin(), emitter.shape(node).end()};
}

/// Integers as they are, bool as an error.
ir::NodeId index_node(Emitter& emitter, const Operand& indices) {
    const ir::NodeId node = emitter.node(indices);
    if (!is_integer(emitter.function().dtype(node)))
        throw DtypeError(
            fmt::format("indices are integers, given {}", name_of(emitter.function().dtype(node))));
    return node;
}

/// True if the dtype is known to hold a size, and so every place along it.
bool holds(Emitter& emitter, Dtype dtype, ir::DimId size) {
    const auto most = emitter.dims().upper_bound(size, {{}, emitter.function().facts});
    return most && *most <= integer_of(dtype, highest_bits(dtype));
}

/// For places along an axis.
Dtype place_dtype(Emitter& emitter, ir::DimId size) {
    return holds(emitter, Dtype::i32, size) ? Dtype::i32 : Dtype::i64;
}

/// Negative indices count from the end.
ir::NodeId from_end(Emitter& emitter, ir::NodeId index, ir::DimId size) {
    ir::Builder& b = emitter.builder();
    Dtype dtype = emitter.function().dtype(index);
    if (!is_signed_integer(dtype)) return index;
    if (dtype != Dtype::i64 && !holds(emitter, dtype, size)) {
        dtype = place_dtype(emitter, size);
        index = b.cast(index, dtype);
    }
    const ir::NodeId negative = b.binary(ir::Op::lt, index, b.number(dtype, i64{0}));
    return b.ternary(ir::Op::select, negative, b.binary(ir::Op::add, index, b.dim(dtype, size)), index);
}

/// A block's start along one axis: rank 0, in [0, most].
ir::NodeId clipped_start(Emitter& emitter, ir::NodeId start, ir::DimId size, ir::DimId most) {
    ir::Builder& b = emitter.builder();
    const Dtype given = emitter.function().dtype(start);
    const bool is_wide = size_of(given) == 8 || given == Dtype::u32;
    const Dtype dtype = is_wide ? Dtype::i64 : place_dtype(emitter, size);
    if (given == Dtype::u64) // above the largest i64, which is past every end
        start = b.binary(ir::Op::minimum, start, b.constant(Dtype::u64, ~u64{0} >> 1));
    start = b.binary(ir::Op::maximum, b.cast(start, dtype), b.number(dtype, i64{0}));
    start = b.binary(ir::Op::minimum, start, b.dim(dtype, most));
    return b.cast(start, place_dtype(emitter, size));
}

/// Block starts of the dtype of their axes' places, clipped so that the blocks fit.
std::vector<ir::NodeId> clipped_starts(Emitter& emitter, const std::vector<Operand>& starts,
                                       std::span<const ir::DimId> shape, std::span<const ir::DimId> extents) {
    if (starts.size() != shape.size() || extents.size() != shape.size())
        throw ShapeError(
            fmt::format("{} starts and {} sizes for rank {}", starts.size(), extents.size(), shape.size()));
    std::vector<ir::NodeId> result;
    for (std::size_t k = 0; k < starts.size(); ++k) {
        emitter.require_not_above(extents[k], shape[k],
                                  fmt::format("a block of {} does not fit axis {} of size {}",
                                              emitter.value_of(extents[k]), k, emitter.value_of(shape[k])));
        const ir::NodeId start = index_node(emitter, starts[k]);
        if (emitter.rank(start) != 0) throw ShapeError(fmt::format("start {} is no rank-0 integer", k));
        result.push_back(clipped_start(emitter, start, shape[k], emitter.dims().sub(shape[k], extents[k])));
    }
    return result;
}

/// An axis of size 0 has an element for no index.
void require_elements(Emitter& emitter, std::span<const ir::DimId> shape, i64 axis,
                      std::span<const ir::DimId> indices) {
    const ir::DimId size = shape[static_cast<std::size_t>(axis)];
    const ir::DimId zero = emitter.constant(0), one = emitter.constant(1);
    if (emitter.value_of(size) > 0) {
        emitter.require_not_above(one, size, {});
        return;
    }
    // Some axis of the indices is empty then.
    for (ir::DimId count : indices)
        if (emitter.value_of(count) == 0 && emitter.equal(count, zero)) return;
    throw ShapeError(fmt::format("axis {} has no elements for the indices {}", axis, emitter.show(indices)));
}

} // namespace

Array take(const Operand& a, const Operand& indices, int axis) {
    return record("take", a, indices, [&](Emitter& emitter) {
        ir::Builder& b = emitter.builder();
        const ir::NodeId node = emitter.node(a);
        const i64 at = emitter.axis(axis, emitter.rank(node));
        const std::vector<ir::DimId> from = shape_of(emitter, node);
        const ir::NodeId index =
            from_end(emitter, index_node(emitter, indices), from[static_cast<std::size_t>(at)]);
        const std::vector<ir::DimId> inner = shape_of(emitter, index);
        require_elements(emitter, from, at, inner);
        std::vector<ir::DimId> shape = from;
        shape.erase(shape.begin() + at);
        shape.insert(shape.begin() + at, inner.begin(), inner.end());
        std::vector<ir::NodeId> places;
        for (i64 k = 0; k < static_cast<i64>(from.size()); ++k) {
            if (k != at) {
                places.push_back(
                    b.iota(place_dtype(emitter, from[static_cast<std::size_t>(k)]), shape,
                           static_cast<u32>(k < at ? k : k - 1 + static_cast<i64>(inner.size()))));
                continue;
            }
            std::vector<i64> axes;
            for (std::size_t d = 0; d < inner.size(); ++d) axes.push_back(at + static_cast<i64>(d));
            places.push_back(shape == inner ? index : b.broadcast(index, shape, axes));
        }
        return b.gather(node, places);
    });
}

Array take_along(const Operand& a, const Operand& indices, int axis) {
    return record("take_along", a, indices, [&](Emitter& emitter) {
        ir::Builder& b = emitter.builder();
        const ir::NodeId node = emitter.node(a);
        const i64 at = emitter.axis(axis, emitter.rank(node));
        const std::vector<ir::DimId> from = shape_of(emitter, node);
        const ir::NodeId index =
            from_end(emitter, index_node(emitter, indices), from[static_cast<std::size_t>(at)]);
        const std::vector<ir::DimId> shape = shape_of(emitter, index);
        if (shape.size() != from.size()) throw ShapeError("array and indices differ in rank");
        require_elements(emitter, from, at, shape);
        std::vector<ir::NodeId> places;
        for (std::size_t k = 0; k < shape.size(); ++k) {
            const bool along = static_cast<i64>(k) == at;
            if (!along && !emitter.equal(from[k], shape[k]))
                throw ShapeError(fmt::format("{} and {} differ beside axis {}", emitter.show(from),
                                             emitter.show(shape), at));
            places.push_back(along ? index
                                   : b.iota(place_dtype(emitter, from[k]), shape, static_cast<u32>(k)));
        }
        return b.gather(node, places);
    });
}

Array dynamic_slice(const Operand& a, const std::vector<Operand>& starts, const Shape& sizes) {
    std::vector<const Operand*> operands{&a};
    for (const Operand& start : starts) operands.push_back(&start);
    return record("dynamic_slice", a.where(), operands, [&](Emitter& emitter) {
        ir::Builder& b = emitter.builder();
        const ir::NodeId node = emitter.node(a);
        const std::vector<ir::DimId> from = shape_of(emitter, node), extents = emitter.dim_list(sizes);
        const std::vector<ir::NodeId> first = clipped_starts(emitter, starts, from, extents);
        std::vector<ir::NodeId> places;
        for (u32 k = 0; k < extents.size(); ++k)
            places.push_back(
                b.binary(ir::Op::add, b.iota(place_dtype(emitter, from[k]), extents, k), first[k]));
        return b.gather(node, places);
    });
}

Array slice_update(const Operand& a, const Operand& update, const std::vector<Operand>& starts) {
    std::vector<const Operand*> operands{&a, &update};
    for (const Operand& start : starts) operands.push_back(&start);
    return record("slice_update", a.where(), operands, [&](Emitter& emitter) {
        ir::Builder& b = emitter.builder();
        const ir::NodeId node = emitter.node(a);
        const ir::NodeId block = emitter.node(update, emitter.function().dtype(node));
        const std::vector<ir::DimId> shape = shape_of(emitter, node), extents = shape_of(emitter, block);
        const std::vector<ir::NodeId> first = clipped_starts(emitter, starts, shape, extents);
        // Element i of the result is element i - start of the block where that lies in it.
        ir::NodeId inside;
        std::vector<ir::NodeId> places;
        for (u32 k = 0; k < shape.size(); ++k) {
            const Dtype dtype = place_dtype(emitter, shape[k]);
            const ir::NodeId at = b.binary(ir::Op::sub, b.iota(dtype, shape, k), first[k]);
            const ir::NodeId above = b.binary(ir::Op::ge, at, b.number(dtype, i64{0}));
            const ir::NodeId below = b.binary(ir::Op::lt, at, b.dim(dtype, extents[k]));
            const ir::NodeId fits = b.binary(ir::Op::bit_and, above, below);
            inside = inside.valid() ? b.binary(ir::Op::bit_and, inside, fits) : fits;
            places.push_back(at);
        }
        if (places.empty()) return block;
        return b.ternary(ir::Op::select, inside, b.gather(block, places), node);
    });
}

} // namespace heddle
