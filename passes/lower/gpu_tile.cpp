#include "passes/fuse/staged.h"
#include "passes/lower/schedule.h"

#include <algorithm>
#include <bit>

namespace heddle::passes {

using namespace ir;

namespace {

constexpr i64 shortest = 16;            ///< along both axes of a tile: of less the cache takes care
constexpr std::size_t most_nodes = 256; ///< whose code is written out for several rows at once
constexpr std::size_t most_loads = 16;  ///< in flight for an invocation

u32 staged_bytes(Dtype dtype) { return std::max(4u, static_cast<u32>(size_of(dtype))); }

/// The axis, other than the innermost, along which an access goes element by element while it jumps along the innermost.
std::optional<u32> crossing_axis(Dims& dims, u32 inner, DimId offset) {
    const auto unit = [&](u32 axis) {
        const auto stride = dims.axis_coefficient(offset, axis);
        return stride && (dims.is_constant(*stride, 1) || dims.is_constant(*stride, -1));
    };
    const auto along = dims.axis_coefficient(offset, inner);
    if (!along || dims.is_constant(*along, 0) || unit(inner)) return std::nullopt;
    for (u32 axis = 0; axis < inner; ++axis)
        if (unit(axis)) return axis;
    return std::nullopt;
}

/// The same place with two axes exchanged.
DimId across_diagonal(Dims& dims, u32 axis, u32 inner, DimId expression) {
    std::vector<DimId> axes;
    for (u32 k = 0; k <= inner; ++k) axes.push_back(dims.axis(k == axis ? inner : k == inner ? axis : k));
    return dims.substitute(expression, axes);
}

/// Reads each staged value with consecutive invocations along the tile's other axis, so that they touch consecutive elements, and leaves it in
/// shared memory, whose rows are one element longer than the tile: then neither rows nor columns meet in one bank. Behind a
/// barrier the tile is computed with consecutive invocations along the innermost axis.
class Tile {
public:
    Tile(const KernelSource& source, const std::string& name, const TileShape& shape)
        : source_(source), draft_(source, name), evaluator_(draft_.evaluator), kernel_(evaluator_.kernel()),
          shape_(shape), inner_(static_cast<u32>(source.domain.extents.size()) - 1) {}

    Kernel run() {
        const u32 threads = shape_.threads;
        rows_ = threads / shape_.places;
        KernelInfo info{
            .target = TargetKind::gpu, .block = threads, .index_bits = shape_.index_bits, .grid = {}};
        ask_tile_gpu(source_, shape_, require_of(draft_, source_));
        const NodeId thread = kernel_.thread_index(), places = kernel_.index(shape_.places);
        lane_ = kernel_.binary(Op::rem, thread, places);
        row_ = kernel_.binary(Op::div, thread, places);
        if (shape_.mirror)
            pairs_of_tiles(info);
        else
            single_tiles(info);
        return draft_.finish(std::move(info));
    }

private:
    /// Where a tile begins, and what it holds.
    struct Side {
        NodeId axis, inner;
        std::vector<NodeId> arrays{};
    };

    DimId extent(u32 axis) const { return source_.domain.extents[axis]; }
    DimId tiles_along(u32 axis) {
        Dims& dims = evaluator_.dims();
        return dims.ceil_divide(extent(axis), dims.constant(shape_.places));
    }
    NodeId start(NodeId tile) { return kernel_.mul(tile, kernel_.index(shape_.places)); }

    void single_tiles(KernelInfo& info) {
        info.grid = {tiles_along(inner_), tiles_along(shape_.axis)};
        add_batch_grid(evaluator_, shape_.axis, info);
        Side side{start(kernel_.grid_index(1)), start(kernel_.grid_index(0))};
        fill(side);
        kernel_.barrier(BarrierScope::block, true, false);
        compute(side, nullptr);
    }

    /// Rows k and last - k of the triangle of tiles on and above the diagonal have one more tile together than the matrix has
    /// along an axis: a row of the grid. It begins away from the diagonal, so that its first block stands for most.
    void pairs_of_tiles(KernelInfo& info) {
        Dims& dims = evaluator_.dims();
        const DimId tiles = tiles_along(inner_);
        info.grid = {dims.add(tiles, dims.constant(1)), dims.ceil_divide(tiles, dims.constant(2))};
        add_batch_grid(evaluator_, shape_.axis, info);
        const NodeId place = kernel_.grid_index(0), upper = kernel_.grid_index(1);
        const NodeId count = evaluator_.size(tiles), one = kernel_.index(1);
        const NodeId last = kernel_.sub(count, one), lower = kernel_.sub(last, upper);
        const NodeId in_upper = kernel_.binary(Op::lt, place, kernel_.sub(count, upper));
        const NodeId row = kernel_.select(in_upper, upper, lower);
        const NodeId column = kernel_.select(in_upper, kernel_.sub(last, place), kernel_.sub(place, one));
        // The middle row of an odd number stands alone.
        const NodeId live = kernel_.binary(Op::bit_or, in_upper, kernel_.binary(Op::ne, lower, upper));
        kernel_.if_then(live, [&] {
            Side side{start(row), start(column)}, other{start(column), start(row)};
            fill(side);
            fill(other);
            kernel_.barrier(BarrierScope::block, true, false);
            compute(side, &other);
            kernel_.if_then(kernel_.binary(Op::ne, row, column), [&] {
                compute(other, &side);
                return std::vector<NodeId>{};
            });
            return std::vector<NodeId>{};
        });
    }

    /// Tiles end where the domain does along this axis.
    bool whole(u32 axis) {
        return evaluator_.dims().prove_divisible(extent(axis), shape_.places, evaluator_.assumptions());
    }
    NodeId place(const Side& side, u32 axis, u32 lane_axis, NodeId row) {
        return kernel_.add(axis == inner_ ? side.inner : side.axis, axis == lane_axis ? lane_ : row);
    }

    /// Goes to this invocation's place, its lane along `lane_axis` and its row along the other, or to the domain's last place where
    /// it is outside: so it may load without asking.
    void go_to(const Side& side, u32 lane_axis, NodeId row) {
        for (u32 axis : {shape_.axis, inner_}) {
            NodeId at = place(side, axis, lane_axis, row);
            if (!whole(axis)) {
                Dims& dims = evaluator_.dims();
                const NodeId last = evaluator_.size(dims.sub(extent(axis), dims.constant(1)));
                at = kernel_.binary(Op::minimum, at, last);
            }
            evaluator_.set_axis(axis, at);
        }
    }

    /// Whether it is inside; invalid: it is.
    NodeId is_inside(const Side& side, u32 lane_axis, NodeId row) {
        NodeId inside;
        for (u32 axis : {shape_.axis, inner_}) {
            if (whole(axis)) continue;
            const NodeId is =
                kernel_.binary(Op::lt, place(side, axis, lane_axis, row), evaluator_.size(extent(axis)));
            inside = inside.valid() ? kernel_.binary(Op::bit_and, inside, is) : is;
        }
        return inside;
    }

    /// Calls `body` with the rows that an invocation takes at once, a power of two of them and no more than `most` unless that is one.
    template <class Body> void each_rows(std::size_t most, const Body& body) {
        const u32 steps = shape_.places / rows_;
        const u32 together =
            std::min(steps, static_cast<u32>(std::bit_floor(std::max<std::size_t>(most, 1))));
        const auto rows_from = [&](NodeId step) {
            std::vector<NodeId> rows;
            const NodeId first = kernel_.mul(step, kernel_.index(i64{together} * rows_));
            for (u32 k = 0; k < together; ++k)
                rows.push_back(kernel_.add(kernel_.add(row_, first), kernel_.index(i64{k} * rows_)));
            body(rows);
            return std::vector<NodeId>{};
        };
        if (steps == together)
            rows_from(kernel_.index(0));
        else
            kernel_.for_loop(kernel_.index(0), kernel_.index(steps / together), kernel_.index(1), {},
                             [&](NodeId step, std::span<const NodeId>) { return rows_from(step); });
    }

    NodeId staged_place(NodeId row, NodeId column) {
        return kernel_.add(kernel_.mul(row, kernel_.index(shape_.places + 1)), column);
    }

    void fill(Side& side) {
        for (const StagedAccess& staged : shape_.staged) {
            const Dtype dtype = source_.graph.dtype(staged.access.value);
            side.arrays.push_back(
                kernel_.shared(staged_as(dtype), 1, i64{shape_.places} * (shape_.places + 1)));
        }
        each_rows(most_loads / shape_.staged.size(), [&](std::span<const NodeId> rows) {
            std::vector<NodeId> loaded;
            for (NodeId row : rows) {
                evaluator_.enter();
                go_to(side, shape_.axis, row);
                for (const StagedAccess& staged : shape_.staged)
                    loaded.push_back(evaluator_.load(staged.access));
                evaluator_.leave();
            }
            for (std::size_t k = 0; k < loaded.size(); ++k) {
                const Dtype dtype = staged_as(kernel_.dtype(loaded[k]));
                const std::size_t staged = k % shape_.staged.size();
                kernel_.store(kernel_.cast(loaded[k], dtype), side.arrays[staged],
                              staged_place(rows[k / shape_.staged.size()], lane_));
            }
        });
    }

    /// Every load of the rows stands before the first store, which a driver must not move loads across.
    void compute(const Side& side, const Side* other) {
        const std::vector<NodeId>& outputs = source_.group.outputs;
        each_rows(most_nodes / source_.group.nodes.size(), [&](std::span<const NodeId> rows) {
            std::vector<NodeId> values;
            for (NodeId row : rows) {
                evaluator_.enter();
                go_to(side, inner_, row);
                define_staged(side, other, row);
                make_ready(evaluator_, outputs);
                for (NodeId output : outputs) values.push_back(evaluator_.value(output));
                evaluator_.leave();
            }
            for (std::size_t k = 0; k < values.size(); ++k) {
                const NodeId row = rows[k / outputs.size()];
                go_to(side, inner_, row);
                evaluator_.set_inside(is_inside(side, inner_, row));
                evaluator_.store(outputs[k % outputs.size()], values[k]);
                evaluator_.set_inside({});
            }
        });
    }

    void define_staged(const Side& side, const Side* other, NodeId row) {
        for (std::size_t k = 0; k < shape_.staged.size(); ++k) {
            const StagedAccess& staged = shape_.staged[k];
            define(staged.access.index, staged, side.arrays[k], staged_place(lane_, row));
            if (other != nullptr && !staged.mirrored.empty())
                define(staged.mirrored, staged, other->arrays[k], staged_place(row, lane_));
        }
    }

    void define(std::span<const DimId> index, const StagedAccess& staged, NodeId array, NodeId place) {
        const NodeId value = staged.access.value;
        evaluator_.define_load(value, index,
                               kernel_.cast(kernel_.load(array, place, 1), source_.graph.dtype(value)));
    }

    const KernelSource& source_;
    KernelDraft draft_;
    Evaluator& evaluator_;
    KernelBuilder& kernel_;
    const TileShape& shape_;
    u32 inner_;
    u32 rows_ = 0;      ///< of a tile that the block covers at once
    NodeId lane_, row_; ///< of this invocation: its place along the tile's axes
};

/// Finds the access that reads what a staged one reads on the other side of the diagonal.
void find_mirrored(const KernelSource& source, std::span<const Access> accesses, TileShape& shape) {
    Dims& dims = source.graph.module().dims;
    const u32 inner = static_cast<u32>(source.domain.extents.size()) - 1;
    const std::vector<DimId>& extents = source.domain.extents;
    if (!dims.prove_equal(extents[shape.axis], extents[inner], {{}, source.graph.facts})) return;
    for (StagedAccess& staged : shape.staged) {
        const DimId offset = across_diagonal(dims, shape.axis, inner, staged.access.offset);
        const auto found = std::ranges::find_if(accesses, [&](const Access& access) {
            return access.value == staged.access.value && access.offset == offset && access.bounds.empty();
        });
        if (found == accesses.end() || !staged.access.bounds.empty()) continue;
        staged.mirrored = found->index;
        shape.mirror = true;
    }
}

} // namespace

std::optional<TileShape> tile_of(const KernelSource& source) {
    const u32 rank = static_cast<u32>(source.domain.extents.size());
    if (rank < 2) return std::nullopt;
    Dims& dims = source.graph.module().dims;
    const std::vector<Access> accesses =
        accesses_of(source.graph, source.fusion, source.group, source.domain);
    std::vector<u32> votes(rank);
    for (const Access& access : accesses)
        if (const auto axis = crossing_axis(dims, rank - 1, access.offset)) ++votes[*axis];
    const auto most = std::ranges::max_element(votes);
    if (*most == 0) return std::nullopt;
    TileShape shape{.axis = static_cast<u32>(most - votes.begin())};
    std::size_t narrowest = 8;
    for (const Access& access : accesses) {
        if (access.bounded_twice || crossing_axis(dims, rank - 1, access.offset) != shape.axis) continue;
        const Dtype dtype = source.graph.dtype(access.value);
        shape.staged.push_back({access});
        shape.element_bytes += staged_bytes(dtype);
        narrowest = std::min(narrowest, size_of(dtype));
    }
    find_mirrored(source, accesses, shape);
    shape.places = shape.mirror || narrowest < 4 ? 64 : 32;
    if (shape.shared_bytes(shape.places) > source.target.shared_bytes) shape.places = 32;
    if (shape.staged.empty() || shape.shared_bytes(shape.places) > source.target.shared_bytes)
        return std::nullopt;
    return shape;
}

void ask_tile_gpu(const KernelSource& source, const TileShape& shape, const Ask& ask) {
    Dims& dims = source.graph.module().dims;
    const std::vector<DimId>& extents = source.domain.extents;
    for (DimId extent : {extents[shape.axis], extents.back()})
        ask(dims.constant(shortest), Relation::less_equal, extent);
    if (shape.index_bits == 32)
        ask(shape.mirror ? extents.back() : extents[shape.axis], Relation::less_equal,
            dims.constant(grid_limit * shape.places));
}

Kernel lower_tile_gpu(const KernelSource& source, const std::string& name, const TileShape& shape) {
    return Tile(source, name, shape).run();
}

} // namespace heddle::passes
