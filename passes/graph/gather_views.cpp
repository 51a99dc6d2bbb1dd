#include "passes/graph/gather_views.h"

#include "ir/builder.h"
#include "passes/rewrite.h"

#include <algorithm>
#include <limits>

namespace heddle::passes {
namespace {

using namespace ir;

/// Size expressions over the axes of a view, as ops on the arrays of indices that stand for the axes.
class IndexMath {
public:
    IndexMath(Builder& builder, Dtype dtype, std::vector<NodeId> axes)
        : builder_(builder), dims_(builder.function().module().dims), dtype_(dtype), axes_(std::move(axes)) {}

    NodeId evaluate(DimId id) {
        NodeId total;
        // The table may grow meanwhile, but terms stay where they are.
        for (const Term& term : dims_.terms(id)) {
            NodeId product;
            for (AtomId atom : term.atoms) product = join(Op::mul, product, evaluate(atom));
            if (!product.valid() || term.coefficient != 1)
                product = join(Op::mul, product, builder_.number(dtype_, term.coefficient));
            total = join(Op::add, total, product);
        }
        return total.valid() ? total : builder_.number(dtype_, i64{0});
    }

    /// Zeros in the shape of the indices.
    NodeId zeros() {
        NodeId all;
        for (NodeId axis : axes_) all = join(Op::add, all, axis);
        return builder_.binary(Op::mul, all, builder_.number(dtype_, i64{0}));
    }

private:
    NodeId join(Op op, NodeId left, NodeId right) {
        return left.valid() ? builder_.binary(op, left, right) : right;
    }

    NodeId evaluate(AtomId id) {
        const Atom atom = dims_.atom(id);
        switch (atom.kind) {
        case AtomKind::symbol: return builder_.dim(dtype_, dims_.atom_expression(id));
        case AtomKind::axis: return axes_.at(atom.index);
        case AtomKind::divide:
            return builder_.binary(Op::floor_divide, evaluate(atom.left), evaluate(atom.right));
        case AtomKind::modulo:
            return builder_.binary(Op::remainder, evaluate(atom.left), evaluate(atom.right));
        case AtomKind::minimum:
            return builder_.binary(Op::minimum, evaluate(atom.left), evaluate(atom.right));
        case AtomKind::maximum:
            return builder_.binary(Op::maximum, evaluate(atom.left), evaluate(atom.right));
        }
        return {};
    }

    Builder& builder_;
    Dims& dims_;
    Dtype dtype_;
    std::vector<NodeId> axes_;
};

/// The gather's indices as one dtype, clipped to the view as the gather would clip them.
std::vector<NodeId> clipped(Rewriter& rewriter, Builder& builder, NodeId old, Dtype dtype) {
    const Function& from = rewriter.from();
    const std::vector<DimId> shape(from.shape(from.operand(old, 0)).begin(),
                                   from.shape(from.operand(old, 0)).end());
    Dims& dims = from.module().dims;
    std::vector<NodeId> axes;
    for (u32 k = 0; k < shape.size(); ++k) {
        NodeId index = rewriter.mapped(from.operand(old, k + 1));
        if (rewriter.to().dtype(index) == Dtype::u64) // above the largest i64, which is past every end
            index = builder.binary(Op::minimum, index, builder.constant(Dtype::u64, ~u64{0} >> 1));
        index = builder.cast(index, dtype);
        index = builder.binary(Op::maximum, index, builder.number(dtype, i64{0}));
        axes.push_back(
            builder.binary(Op::minimum, index, builder.dim(dtype, dims.sub(shape[k], dims.constant(1)))));
    }
    return axes;
}

/// Wide enough for the gather's indices, and for places in what it reads and, through a view, in what that reads.
Dtype index_dtype(const Function& from, NodeId old) {
    for (u32 k = 1; k < from[old].operand_count; ++k) {
        const Dtype dtype = from.dtype(from.operand(old, k));
        if (size_of(dtype) == 8 || dtype == Dtype::u32) return Dtype::i64;
    }
    Dims& dims = from.module().dims;
    const auto is_small = [&](NodeId array) {
        const auto most = dims.upper_bound(dims.product(from.shape(array)), {{}, from.facts});
        return most && *most <= std::numeric_limits<i32>::max();
    };
    const NodeId source = from.operand(old, 0);
    const bool small = is_small(source) && (from.op(source) != Op::view || is_small(from.operand(source, 0)));
    return small ? Dtype::i32 : Dtype::i64;
}

/// The result, or 0 where the table has no elements and its last place is none.
NodeId unless_empty(Builder& builder, const Function& from, NodeId old, NodeId result) {
    NodeId filled;
    for (DimId size : sizes_that_may_be_0(from, old)) {
        const NodeId some =
            builder.binary(Op::gt, builder.dim(Dtype::i64, size), builder.number(Dtype::i64, i64{0}));
        filled = filled.valid() ? builder.binary(Op::bit_and, filled, some) : some;
    }
    return filled.valid() ? builder.ternary(Op::select, filled, result, builder.constant(from.dtype(old), 0))
                          : result;
}

/// The element of an iota at some place is that place.
NodeId through_iota(Rewriter& rewriter, NodeId old) {
    const Function& from = rewriter.from();
    const NodeId iota = from.operand(old, 0);
    Builder builder(rewriter.to());
    builder.location = from[old].location;
    std::vector<NodeId> axes = clipped(rewriter, builder, old, index_dtype(from, old));
    NodeId place = axes.at(static_cast<std::size_t>(from.integer(iota, Key::axis)));
    if (rewriter.to().shape(place).empty() && !from.shape(old).empty())
        place = builder.binary(Op::add, place, IndexMath(builder, rewriter.to().dtype(place), axes).zeros());
    return unless_empty(builder, from, old, builder.cast(place, from.dtype(iota)));
}

/// What the gather's view reads, at those places of the view's map.
NodeId gather_source(Rewriter& rewriter, Builder& builder, IndexMath& math, NodeId old,
                     std::span<const DimId> map) {
    const Function& from = rewriter.from();
    const auto ranked = [&](NodeId node) { return rewriter.to().shape(node).size(); };
    std::vector<NodeId> places;
    for (DimId result : map) places.push_back(math.evaluate(result));
    // One index at least has the result's shape.
    if (!from.shape(old).empty() &&
        std::ranges::none_of(places, [&](NodeId place) { return ranked(place) != 0; }))
        places[0] = builder.binary(Op::add, places[0], math.zeros());
    return builder.gather(rewriter.mapped(from.operand(from.operand(old, 0), 0)), places);
}

/// The one element that the gather's view repeats, in the gather's shape.
NodeId everywhere(Rewriter& rewriter, Builder& builder, NodeId old) {
    const Function& from = rewriter.from();
    const NodeId value = rewriter.mapped(from.operand(from.operand(old, 0), 0));
    const std::vector<DimId> shape(from.shape(old).begin(), from.shape(old).end());
    return shape.empty() ? value : builder.view(value, {.axes = static_cast<u32>(shape.size())}, shape);
}

NodeId through_view(Rewriter& rewriter, NodeId old) {
    const Function& from = rewriter.from();
    const NodeId view = from.operand(old, 0);
    const Dtype dtype = index_dtype(from, old);
    const IndexMap map = from.module()[MapId{static_cast<u32>(from.integer(view, Key::map))}];
    Builder builder(rewriter.to());
    builder.location = from[old].location;
    IndexMath math(builder, dtype, clipped(rewriter, builder, old, dtype));

    NodeId result = map.results.empty() ? everywhere(rewriter, builder, old)
                                        : gather_source(rewriter, builder, math, old, map.results);
    NodeId inside;
    for (const Bound& bound : map.valid) {
        const NodeId place = math.evaluate(bound.value);
        const NodeId fits =
            builder.binary(Op::bit_and, builder.binary(Op::ge, place, builder.number(dtype, i64{0})),
                           builder.binary(Op::lt, place, math.evaluate(bound.extent)));
        inside = inside.valid() ? builder.binary(Op::bit_and, inside, fits) : fits;
    }
    if (inside.valid())
        result = builder.ternary(Op::select, inside, result, builder.constant(from.dtype(old), map.fill));
    return unless_empty(builder, from, old, result);
}

/// What stands in the place of a gather; invalid where it stays.
NodeId replacement(Rewriter& rewriter, NodeId old) {
    const Function& from = rewriter.from();
    if (from.op(old) != Op::gather) return {};
    const NodeId source = from.operand(old, 0);
    if (from.op(source) == Op::iota) return through_iota(rewriter, old);
    return from.op(source) == Op::view ? through_view(rewriter, old) : NodeId{};
}

bool has_work(const Function& function) {
    return std::ranges::any_of(function.region(function.root()).body, [&](NodeId node) {
        if (function.op(node) != Op::gather) return false;
        const Op source = function.op(function.operand(node, 0));
        return source == Op::iota || source == Op::view;
    });
}

} // namespace

std::vector<DimId> sizes_that_may_be_0(const Function& function, NodeId gather) {
    Dims& dims = function.module().dims;
    const Assumptions assume{{}, function.facts};
    const std::span<const DimId> shape = function.shape(function.operand(gather, 0));
    std::vector<DimId> result;
    for (u32 k = 0; k < shape.size(); ++k) {
        const NodeId index = function.operand(gather, k + 1);
        // An index that runs along as many places has none where there are none.
        const bool follows =
            function.op(index) == Op::iota &&
            function.shape(index)[static_cast<std::size_t>(function.integer(index, Key::axis))] == shape[k];
        if (!follows && !dims.prove_not_negative(dims.sub(shape[k], dims.constant(1)), assume))
            result.push_back(shape[k]);
    }
    return result;
}

Function& gather_views(Function& function) {
    Function* current = &function;
    // A view of a view, which `views` leaves where two fills differ, takes another round; so does an iota behind a view.
    while (has_work(*current)) current = &rewrite(*current, replacement);
    return *current;
}

} // namespace heddle::passes
