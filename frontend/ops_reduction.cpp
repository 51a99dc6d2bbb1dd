// Reductions and products of matrices.

#include "frontend/emit.h"

#include "frontend/location.h"
#include "support/numeric.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace heddle {

using namespace detail;

namespace {

Array reduce(ir::Op op, const char* name, const Operand& a, const Axes& axes, bool keepdims) {
    return record(name, a, [&](Emitter& emitter) {
        ir::NodeId node = emitter.node(a);
        switch (ir::info(op).domain) {
        case ir::OpDomain::number:
            node = emitter.builder().cast(node, accumulated(emitter.function().dtype(node)));
            break;
        case ir::OpDomain::boolean: node = emitter.builder().cast(node, Dtype::boolean); break;
        case ir::OpDomain::any:
        case ir::OpDomain::floating:
        case ir::OpDomain::integer:
        case ir::OpDomain::bits: break;
        }
        const std::vector<i64> list = emitter.axis_list(axes, emitter.rank(node));
        return list.empty() ? node : emitter.builder().reduce(op, node, list, keepdims);
    });
}

} // namespace

Array sum(const Operand& a, const Axes& axes, bool keepdims) {
    return reduce(ir::Op::sum, "sum", a, axes, keepdims);
}
Array prod(const Operand& a, const Axes& axes, bool keepdims) {
    return reduce(ir::Op::prod, "prod", a, axes, keepdims);
}
Array max(const Operand& a, const Axes& axes, bool keepdims) {
    return reduce(ir::Op::reduce_max, "max", a, axes, keepdims);
}
Array min(const Operand& a, const Axes& axes, bool keepdims) {
    return reduce(ir::Op::reduce_min, "min", a, axes, keepdims);
}
Array all(const Operand& a, const Axes& axes, bool keepdims) {
    return reduce(ir::Op::all, "all", a, axes, keepdims);
}
Array any(const Operand& a, const Axes& axes, bool keepdims) {
    return reduce(ir::Op::any, "any", a, axes, keepdims);
}

namespace {

/// The region of argmax (argmin): best value and index so far, a candidate and its index. The first NaN wins, then the better value,
/// then the lower index.
ir::RegionId arg_region(ir::Builder& b, Dtype dtype, bool largest) {
    using ir::NodeId;
    using ir::Op;
    ir::Function& function = b.function();
    ir::Types& types = function.module().types;
    const ir::RegionId region = function.open_region();
    const NodeId best = function.add_region_parameter(types.scalar(dtype));
    const NodeId best_at = function.add_region_parameter(types.scalar(Dtype::i32));
    const NodeId other = function.add_region_parameter(types.scalar(dtype));
    const NodeId other_at = function.add_region_parameter(types.scalar(Dtype::i32));
    NodeId take = b.binary(largest ? Op::gt : Op::lt, other, best);
    NodeId tie = b.binary(Op::eq, other, best);
    if (is_float(dtype)) {
        // With NaN no comparison holds: better or NaN, in the place of a number; no worse or NaN, where indices decide.
        const NodeId no_better = b.binary(largest ? Op::le : Op::ge, other, best);
        take = b.binary(Op::bit_and, b.unary(Op::bit_not, no_better), b.binary(Op::eq, best, best));
        tie = b.binary(Op::bit_or, b.binary(largest ? Op::ge : Op::le, other, best),
                       b.binary(Op::ne, other, other));
    }
    tie = b.binary(Op::bit_and, tie, b.binary(Op::lt, other_at, best_at));
    take = b.binary(Op::bit_or, take, tie);
    function.close_region(
        {b.ternary(Op::select, take, other, best), b.ternary(Op::select, take, other_at, best_at)});
    return region;
}

Array arg_reduce(const char* name, const Operand& a, std::optional<int> axis, bool keepdims, bool largest) {
    return record(name, a, [&](Emitter& emitter) {
        ir::Builder& b = emitter.builder();
        ir::Function& function = emitter.function();
        ir::NodeId node = emitter.node(a);
        const int rank = emitter.rank(node);
        i64 along = 0;
        if (axis) {
            along = emitter.axis(*axis, rank);
        } else {
            const ir::DimId total[] = {emitter.dims().product(emitter.shape(node))};
            node = b.reshape(node, total);
        }
        const std::vector<ir::DimId> shape(emitter.shape(node).begin(), emitter.shape(node).end());
        if (emitter.value_of(shape[static_cast<std::size_t>(along)]) == 0) throw ShapeError("of no elements");
        emitter.require_not_above(emitter.constant(1), shape[static_cast<std::size_t>(along)],
                                  "of no elements");
        const Dtype dtype = function.dtype(node);
        const ir::NodeId operands[] = {node, b.iota(Dtype::i32, shape, static_cast<u32>(along)),
                                       b.constant(dtype, largest ? lowest_bits(dtype) : highest_bits(dtype)),
                                       b.number(Dtype::i32, i64{std::numeric_limits<i32>::max()})};
        const ir::RegionId region = arg_region(b, dtype, largest);
        ir::AttributeList list;
        list.integers(ir::Key::axes, std::span(&along, 1));
        if (keepdims && axis) list.flag(ir::Key::keepdims, true);
        const ir::AttributesId attributes = function.module().attributes.intern(list);
        ir::Types& types = function.module().types;
        const ir::TypeId yields[] = {types.scalar(dtype), types.scalar(Dtype::i32)};
        const ir::TypeId type = ir::infer_type(function, ir::Op::reduce, operands, attributes, yields);
        const ir::NodeId both = function.make_with_regions(ir::Op::reduce, type, operands,
                                                           std::span(&region, 1), attributes, b.location);
        ir::NodeId at = function.result(both, 1);
        if (keepdims && !axis)
            at = b.reshape(at, std::vector<ir::DimId>(static_cast<std::size_t>(rank), emitter.constant(1)));
        return at;
    });
}

} // namespace

Array argmax(const Operand& a, std::optional<int> axis, bool keepdims) {
    return arg_reduce("argmax", a, axis, keepdims, true);
}
Array argmin(const Operand& a, std::optional<int> axis, bool keepdims) {
    return arg_reduce("argmin", a, axis, keepdims, false);
}

namespace {

/// A dot with its sizes checked, so that a shapeless trace records what must be equal.
ir::NodeId emit_dot(Emitter& emitter, ir::NodeId a, ir::NodeId b, std::span<const i64> contract,
                    std::span<const i64> batch) {
    for (const std::span<const i64> pairs : {contract, batch}) {
        const std::size_t half = pairs.size() / 2;
        for (std::size_t k = 0; k < half; ++k) {
            const ir::DimId left = emitter.shape(a)[static_cast<std::size_t>(pairs[k])];
            const ir::DimId right = emitter.shape(b)[static_cast<std::size_t>(pairs[half + k])];
            if (!emitter.equal(left, right))
                throw ShapeError(fmt::format("sizes {} and {} of axes {} and {} differ",
                                             emitter.value_of(left), emitter.value_of(right), pairs[k],
                                             pairs[half + k]));
        }
    }
    return emitter.builder().dot(a, b, contract, batch);
}

std::vector<i64> flatten_pairs(Emitter& emitter, const std::vector<std::pair<int, int>>& pairs, int rank_a,
                               int rank_b) {
    std::vector<i64> result;
    for (const auto& [a, b] : pairs) result.push_back(emitter.axis(a, rank_a));
    for (const auto& [a, b] : pairs) result.push_back(emitter.axis(b, rank_b));
    return result;
}

Dtype product_dtype(Emitter& emitter, const Operand& a, const Operand& b) {
    const Operand* const operands[] = {&a, &b};
    return accumulated(emitter.common_dtype(operands));
}

} // namespace

Array dot_general(const Operand& a, const Operand& b, const std::vector<std::pair<int, int>>& contract,
                  const std::vector<std::pair<int, int>>& batch) {
    return record("dot_general", a, b, [&](Emitter& emitter) {
        const Dtype dtype = product_dtype(emitter, a, b);
        const ir::NodeId left = emitter.node(a, dtype), right = emitter.node(b, dtype);
        const int rank_a = emitter.rank(left), rank_b = emitter.rank(right);
        return emit_dot(emitter, left, right, flatten_pairs(emitter, contract, rank_a, rank_b),
                        flatten_pairs(emitter, batch, rank_a, rank_b));
    });
}

namespace {

/// Both with the common leading axes, as rank >= 2.
void align_batches(Emitter& emitter, ir::NodeId& a, ir::NodeId& b) {
    if (emitter.rank(a) == 2 && emitter.rank(b) == 2) return;
    auto leading = [&](ir::NodeId node) {
        const auto shape = emitter.shape(node);
        return std::vector<ir::DimId>(shape.begin(), shape.end() - 2);
    };
    // Common shape of what is left of the matrices, by way of rank-n stand-ins of their sizes.
    std::vector<ir::DimId> left = leading(a), right = leading(b);
    const std::size_t rank = std::max(left.size(), right.size());
    left.insert(left.begin(), rank - left.size(), emitter.constant(1));
    right.insert(right.begin(), rank - right.size(), emitter.constant(1));
    std::vector<ir::DimId> common;
    for (std::size_t k = 0; k < rank; ++k) {
        const bool one_left = emitter.dims().is_constant(left[k], 1) || emitter.stretches(left[k], right[k]),
                   one_right =
                       emitter.dims().is_constant(right[k], 1) || emitter.stretches(right[k], left[k]);
        if (!one_left && !one_right && !emitter.equal(left[k], right[k]))
            throw ShapeError(
                fmt::format("batches {} and {} do not broadcast", emitter.show(left), emitter.show(right)));
        common.push_back(one_left ? right[k] : left[k]);
    }
    auto stretch = [&](ir::NodeId node) {
        std::vector<ir::DimId> shape = common;
        const auto own = emitter.shape(node);
        shape.insert(shape.end(), own.end() - 2, own.end());
        return emitter.broadcast(node, shape);
    };
    a = stretch(a);
    b = stretch(b);
}

} // namespace

Array matmul(const Operand& a, const Operand& b) {
    return record("matmul", a, b, [&](Emitter& emitter) {
        const Dtype dtype = product_dtype(emitter, a, b);
        ir::NodeId left = emitter.node(a, dtype), right = emitter.node(b, dtype);
        if (emitter.rank(left) == 0 || emitter.rank(right) == 0)
            throw ShapeError("operands of rank 0 are not multiplied as matrices");
        const bool is_row = emitter.rank(left) == 1, is_column = emitter.rank(right) == 1;
        if (is_row || is_column) {
            const i64 last = emitter.rank(left) - 1;
            const i64 contract[] = {last, is_column ? 0 : emitter.rank(right) - 2};
            return emit_dot(emitter, left, right, contract, {});
        }
        if (const ir::DimId inner[] = {emitter.shape(left).back(),
                                       emitter.shape(right)[emitter.shape(right).size() - 2]};
            !emitter.equal(inner[0], inner[1]))
            throw ShapeError(fmt::format("inner sizes {} and {} differ", emitter.value_of(inner[0]),
                                         emitter.value_of(inner[1])));
        // A matrix on the right of a stack of matrices: rows of the stack are rows of one product.
        const i64 rank_a = emitter.rank(left), rank_b = emitter.rank(right);
        if (rank_b == 2) {
            const i64 contract[] = {rank_a - 1, 0};
            return emit_dot(emitter, left, right, contract, {});
        }
        align_batches(emitter, left, right);
        const i64 rank = emitter.rank(left);
        std::vector<i64> batch;
        for (int twice = 0; twice < 2; ++twice)
            for (i64 k = 0; k < rank - 2; ++k) batch.push_back(k);
        const i64 contract[] = {rank - 1, rank - 2};
        return emit_dot(emitter, left, right, contract, batch);
    });
}

Array outer(const Operand& a, const Operand& b) {
    return record("outer", a, b, [&](Emitter& emitter) {
        const Operand* const operands[] = {&a, &b};
        const Dtype dtype = emitter.common_dtype(operands);
        ir::NodeId nodes[] = {emitter.node(a, dtype), emitter.node(b, dtype)};
        for (u32 k = 0; k < 2; ++k) {
            const ir::DimId total = emitter.dims().product(emitter.shape(nodes[k]));
            const ir::DimId one = emitter.constant(1);
            const ir::DimId shape[] = {k == 0 ? total : one, k == 0 ? one : total};
            nodes[k] = emitter.builder().reshape(nodes[k], shape);
        }
        emitter.align(nodes);
        return emitter.builder().make(ir::Op::mul, nodes);
    });
}

} // namespace heddle
