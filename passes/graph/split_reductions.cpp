#include "passes/graph/split_reductions.h"

#include "ir/builder.h"
#include "passes/rewrite.h"
#include "support/numeric.h"

#include <algorithm>

namespace heddle::passes {
namespace {

using namespace ir;

constexpr i64 chunk = 16384;    ///< elements of a chunk, where one axis is reduced
constexpr i64 few_results = 16; ///< more keep every core busy without
constexpr i64 long_row = 4 * chunk;

std::optional<u64> identity_of(Op op, Dtype dtype) {
    switch (op) {
    case Op::sum:
    case Op::any: return 0;
    case Op::prod: return bits_of(dtype, i64{1});
    case Op::reduce_max:
    case Op::reduce_max_number: return lowest_bits(dtype);
    case Op::reduce_min: return highest_bits(dtype);
    case Op::all: return 1;
    default: return std::nullopt;
    }
}

/// What is reduced: [kept before][reduced run][kept after], the reduced axes being neighbours, as one axis.
struct Shape {
    std::vector<DimId> before, reduced, after;
};

std::optional<Shape> neighbours(const Function& from, NodeId old) {
    const std::span<const DimId> shape = from.shape(from.operand(old, 0));
    std::vector<i64> axes(from.payload(old, Key::axes).begin(), from.payload(old, Key::axes).end());
    std::ranges::sort(axes);
    if (axes.empty() || axes.back() - axes.front() + 1 != static_cast<i64>(axes.size())) return std::nullopt;
    const auto first = shape.begin() + axes.front(), last = shape.begin() + axes.back() + 1;
    return Shape{{shape.begin(), first}, {first, last}, {last, shape.end()}};
}

/// A reduction that is worth splitting where it is long, and what is known of its length.
struct Candidate {
    Shape shape;
    u64 identity = 0;
    DimId length;
    std::optional<i64> longest;
};

std::optional<Candidate> candidate(const Function& from, NodeId old) {
    if (info(from.op(old)).kind != OpKind::reduction) return std::nullopt;
    const auto identity = identity_of(from.op(old), from.dtype(old));
    const auto shape = neighbours(from, old);
    if (!identity || !shape) return std::nullopt;
    Dims& dims = from.module().dims;
    const Assumptions assume{{}, from.facts};
    std::vector<DimId> kept = shape->before;
    kept.insert(kept.end(), shape->after.begin(), shape->after.end());
    const auto results = dims.upper_bound(dims.product(kept), assume);
    const DimId length = dims.product(shape->reduced);
    const auto longest = dims.upper_bound(length, assume);
    if (!results || *results > few_results || (longest && *longest < long_row)) return std::nullopt;
    return Candidate{*shape, *identity, length, longest};
}

NodeId split(Rewriter& rewriter, NodeId old) {
    const Function& from = rewriter.from();
    const auto found = candidate(from, old);
    if (!found) return {};
    const auto& [shape, identity, length, longest] = *found;
    Dims& dims = from.module().dims;
    const Assumptions assume{{}, from.facts};

    // Kept axes that lie inside make each element of a chunk a run of them.
    const auto inner = dims.upper_bound(dims.product(shape.after), assume);
    const DimId size = dims.constant(std::max<i64>(256, chunk / std::max<i64>(1, inner.value_or(1))));
    const DimId chunks = dims.ceil_divide(length, size);
    std::vector<DimId> joined = shape.before, parts = shape.before;
    joined.push_back(length);
    parts.insert(parts.end(), {chunks, size});
    joined.insert(joined.end(), shape.after.begin(), shape.after.end());
    parts.insert(parts.end(), shape.after.begin(), shape.after.end());

    IndexMap map;
    map.axes = static_cast<u32>(parts.size());
    map.fill = identity;
    const u32 at = static_cast<u32>(shape.before.size());
    const DimId place = dims.add(dims.mul(dims.axis(at), size), dims.axis(at + 1));
    for (u32 k = 0; k < joined.size(); ++k)
        map.results.push_back(k == at ? place : dims.axis(k < at ? k : k + 1));
    map.valid.push_back({place, length});

    Builder builder(rewriter.to());
    builder.location = from[old].location;
    const NodeId flat = builder.reshape(rewriter.mapped(from.operand(old, 0)), joined);
    const i64 axes[] = {i64{at} + 1, i64{at}};
    const NodeId partial =
        builder.reduce(from.op(old), builder.view(flat, map, parts), std::span(axes, 1), false);
    const NodeId total = builder.reduce(from.op(old), partial, std::span(axes + 1, 1), false);
    return builder.reshape(total, from.shape(old));
}

} // namespace

Function& split_reductions(Function& function) { return rewrite(function, split); }

std::vector<Fact> short_lengths(const Function& function) {
    std::vector<Fact> facts;
    Dims& dims = function.module().dims;
    for (NodeId id : function.region(function.root()).body) {
        const auto found = candidate(function, id);
        if (!found) continue;
        // One that is long whatever the sizes is split in any case.
        if (dims.lower_bound(found->length, {{}, function.facts}).value_or(0) >= long_row) continue;
        const Fact fact{found->length, Relation::less_equal, dims.constant(long_row - 1)};
        if (std::ranges::find(facts, fact) == facts.end()) facts.push_back(fact);
    }
    return facts;
}

} // namespace heddle::passes
