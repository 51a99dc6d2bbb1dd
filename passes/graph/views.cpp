#include "passes/graph/views.h"

#include "ir/builder.h"
#include "passes/rewrite.h"

#include <algorithm>

namespace heddle::passes {
namespace {

using namespace ir;

/// Makes the views of one rewritten function.
class ViewMaker {
public:
    explicit ViewMaker(Rewriter& rewriter)
        : rewriter_(rewriter), from_(rewriter.from()), module_(rewriter.to().module()),
          builder_(rewriter.to()) {}

    NodeId replace(NodeId old) {
        builder_.location = from_[old].location;
        switch (from_.op(old)) {
        case Op::broadcast:
            return view(old, broadcast_map(module_.dims, operand_shape(old), from_.payload(old, Key::dims),
                                           from_.shape(old)));
        case Op::reshape:
            return view(old, reshape_map(module_.dims, operand_shape(old), from_.shape(old), from_.facts));
        case Op::transpose:
            return view(old, transpose_map(module_.dims, from_.payload(old, Key::permutation)));
        case Op::slice:
            return view(old, slice_map(module_.dims, dims(old, Key::start), dims(old, Key::step)));
        case Op::flip:
            return view(old, flip_map(module_.dims, operand_shape(old), from_.payload(old, Key::axes)));
        case Op::view: return view(old, module_[MapId{static_cast<u32>(from_.integer(old, Key::map))}]);
        case Op::pad: return pad(old);
        case Op::concatenate: return concatenate(old);
        default: return {};
        }
    }

private:
    std::span<const DimId> operand_shape(NodeId old) const { return from_.shape(from_.operand(old, 0)); }
    std::vector<DimId> dims(NodeId old, Key key) const {
        return module_.attributes.dims(from_[old].attributes, key);
    }

    /// A view of the mapped first operand, composed with the view that this may be itself.
    NodeId view(NodeId old, IndexMap map) {
        return view_of(rewriter_.mapped(from_.operand(old, 0)), std::move(map), from_.shape(old));
    }

    NodeId view_of(NodeId source, IndexMap map, std::span<const DimId> result_shape) {
        const std::vector<DimId> shape(result_shape.begin(), result_shape.end());
        Function& to = rewriter_.to();
        if (to.op(source) == Op::view) {
            const IndexMap& inner = module_[MapId{static_cast<u32>(to.integer(source, Key::map))}];
            if (auto joined = compose(module_.dims, inner, map, shape, to.facts)) {
                map = std::move(*joined);
                source = to.operand(source, 0);
            }
        }
        map = simplify(module_.dims, map, shape, to.facts);
        const std::span<const DimId> source_shape = to.shape(source);
        if (is_identity(module_.dims, map) && std::ranges::equal(source_shape, shape)) return source;
        // A rank-0 constant looks the same wherever it is read, but for what lies outside bounds.
        return builder_.view(source, map, shape);
    }

    NodeId pad(NodeId old) {
        const NodeId value = from_.operand(old, 1);
        const NodeId source = rewriter_.mapped(from_.operand(old, 0));
        const std::vector<DimId> shape(from_.shape(old).begin(), from_.shape(old).end());
        const bool constant = from_.op(value) == Op::constant;
        const u64 fill = constant ? static_cast<u64>(from_.payload(value, Key::value)[0]) : 0;
        const IndexMap map = pad_map(module_.dims, operand_shape(old), dims(old, Key::low),
                                     dims(old, Key::interior), fill, shape);
        const NodeId padded = view_of(source, map, shape);
        if (constant) return padded;
        // A padding value that is computed: where the same view of true is false.
        IndexMap inside = map;
        inside.fill = 0;
        inside.results.clear();
        const NodeId valid = view_of(builder_.constant(Dtype::boolean, 1), inside, shape);
        return builder_.ternary(Op::select, valid, padded, rewriter_.mapped(value));
    }

    NodeId concatenate(NodeId old) {
        const u32 axis = static_cast<u32>(from_.integer(old, Key::axis));
        const std::vector<DimId> shape(from_.shape(old).begin(), from_.shape(old).end());
        Dims& table = module_.dims;
        const std::vector<DimId> zeros(shape.size(), table.constant(0));
        std::vector<NodeId> parts;
        std::vector<DimId> ends;
        DimId offset = table.constant(0);
        for (NodeId part : from_.operands(old)) {
            std::vector<DimId> low = zeros;
            low[axis] = offset;
            const std::span<const DimId> part_shape = from_.shape(part);
            parts.push_back(
                view_of(rewriter_.mapped(part), pad_map(table, part_shape, low, zeros, 0, shape), shape));
            offset = table.add(offset, part_shape[axis]);
            ends.push_back(offset);
        }
        NodeId result = parts.back();
        const NodeId place = builder_.iota(Dtype::i64, shape, axis);
        for (std::size_t k = parts.size() - 1; k-- > 0;) {
            const NodeId before = builder_.binary(Op::lt, place, builder_.dim(Dtype::i64, ends[k]));
            result = builder_.ternary(Op::select, before, parts[k], result);
        }
        return result;
    }

    Rewriter& rewriter_;
    const Function& from_;
    Module& module_;
    Builder builder_;
};

} // namespace

Function& views(Function& function) {
    return rewrite(function, [](Rewriter& rewriter, NodeId old) { return ViewMaker(rewriter).replace(old); });
}

} // namespace heddle::passes
