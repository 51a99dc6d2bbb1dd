#include "passes/lower/schedule.h"

#include <algorithm>
#include <bit>

namespace heddle::passes {

using namespace ir;

namespace {

constexpr u32 most_threads = 256;
constexpr i64 shortest = 16; ///< along both axes of a tile: of less the cache takes care
constexpr std::size_t unrolled_nodes = 512;

/// Narrow values lie in shared memory as words: what computes with them may have no storage of their own there.
Dtype staged_as(Dtype dtype) {
    if (dtype == Dtype::boolean) return Dtype::u32;
    return size_of(dtype) < 4 && !is_float(dtype) ? Dtype::i32 : dtype;
}

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
        Dims& dims = evaluator_.dims();
        const u32 threads = std::min(most_threads, std::bit_floor(source_.target.max_block));
        rows_ = threads / shape_.places;
        KernelInfo info{
            .target = TargetKind::gpu, .block = threads, .index_bits = shape_.index_bits, .grid = {}};
        for (u32 axis : {shape_.axis, inner_}) {
            require(draft_, source_, dims.constant(shortest), Relation::less_equal, extent(axis));
            whole_ = whole_ && dims.prove_divisible(extent(axis), shape_.places, evaluator_.assumptions());
        }
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

    void add_batch_grid(KernelInfo& info) {
        std::vector<u32> batch;
        for (u32 axis = 0; axis < inner_; ++axis)
            if (axis != shape_.axis) batch.push_back(axis);
        const std::vector<DimId> grid = grid_over(evaluator_, batch, 2);
        info.grid.insert(info.grid.end(), grid.begin(), grid.end());
    }

    void single_tiles(KernelInfo& info) {
        info.grid = {tiles_along(inner_), tiles_along(shape_.axis)};
        add_batch_grid(info);
        Side side{start(kernel_.grid_index(1)), start(kernel_.grid_index(0))};
        fill(side);
        kernel_.barrier(BarrierScope::block, true, false);
        compute(side, nullptr);
    }

    /// Rows k and last - k of the triangle of tiles on and above the diagonal have one more tile together than the matrix has
    /// along an axis: a row of the grid.
    void pairs_of_tiles(KernelInfo& info) {
        Dims& dims = evaluator_.dims();
        const DimId tiles = tiles_along(inner_);
        info.grid = {dims.add(tiles, dims.constant(1)), dims.ceil_divide(tiles, dims.constant(2))};
        add_batch_grid(info);
        const NodeId place = kernel_.grid_index(0), upper = kernel_.grid_index(1);
        const NodeId count = evaluator_.size(tiles), one = kernel_.index(1);
        const NodeId lower = kernel_.sub(kernel_.sub(count, one), upper);
        const NodeId in_upper = kernel_.binary(Op::lt, place, kernel_.sub(count, upper));
        const NodeId row = kernel_.select(in_upper, upper, lower);
        const NodeId column = kernel_.select(in_upper, kernel_.add(upper, place), kernel_.sub(place, one));
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

    /// Where an invocation is, with its lane along `axis` and its row along `across`: outside the domain or not; invalid: inside.
    NodeId go_to(const Side& side, u32 lane_axis, NodeId row) {
        for (u32 axis : {shape_.axis, inner_}) {
            const NodeId from = axis == inner_ ? side.inner : side.axis;
            evaluator_.set_axis(axis, kernel_.add(from, axis == lane_axis ? lane_ : row));
        }
        if (whole_) return {};
        const auto within = [&](u32 axis) {
            return kernel_.binary(Op::lt, evaluator_.axis(axis), evaluator_.size(extent(axis)));
        };
        return kernel_.binary(Op::bit_and, within(shape_.axis), within(inner_));
    }

    template <class Body> void each_row(bool unroll, const Body& body) {
        const i64 steps = shape_.places / rows_;
        kernel_.for_loop(kernel_.index(0), kernel_.index(steps), kernel_.index(1), {},
                         [&](NodeId step, std::span<const NodeId>) {
                             evaluator_.enter();
                             body(kernel_.add(row_, kernel_.mul(step, kernel_.index(rows_))));
                             evaluator_.leave();
                             return std::vector<NodeId>{};
                         },
                         {.unroll = unroll});
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
        each_row(true, [&](NodeId row) {
            evaluator_.set_inside(go_to(side, shape_.axis, row));
            std::vector<NodeId> loaded;
            for (const StagedAccess& staged : shape_.staged) loaded.push_back(evaluator_.load(staged.access));
            evaluator_.set_inside({});
            for (std::size_t k = 0; k < loaded.size(); ++k)
                kernel_.store(kernel_.cast(loaded[k], staged_as(kernel_.dtype(loaded[k]))), side.arrays[k],
                              staged_place(row, lane_));
        });
    }

    void compute(const Side& side, const Side* other) {
        const std::size_t steps = shape_.places / rows_;
        each_row(steps * source_.group.nodes.size() <= unrolled_nodes, [&](NodeId row) {
            const auto body = [&] {
                for (std::size_t k = 0; k < shape_.staged.size(); ++k) {
                    const StagedAccess& staged = shape_.staged[k];
                    define(staged.access.index, staged, side.arrays[k], staged_place(lane_, row));
                    if (other != nullptr && !staged.mirrored.empty())
                        define(staged.mirrored, staged, other->arrays[k], staged_place(row, lane_));
                }
                store_outputs(evaluator_, false);
                return std::vector<NodeId>{};
            };
            if (const NodeId inside = go_to(side, inner_, row); inside.valid())
                kernel_.if_then(inside, body);
            else
                body();
        });
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
    bool whole_ = true; ///< tiles divide the domain
    u32 rows_ = 0;      ///< of a tile that the block covers at once
    NodeId lane_, row_; ///< of this invocation: its place along the tile's axes
};

/// Finds the access that reads what a staged one reads on the other side of the diagonal.
void find_mirrored(const KernelSource& source, std::span<const Access> accesses, TileShape& shape) {
    Dims& dims = source.graph.module().dims;
    const u32 inner = static_cast<u32>(source.domain.extents.size()) - 1;
    if (source.domain.extents[shape.axis] != source.domain.extents[inner]) return;
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
    u32 row_bytes = 0;
    std::size_t narrowest = 8;
    for (const Access& access : accesses) {
        if (access.bounded_twice || crossing_axis(dims, rank - 1, access.offset) != shape.axis) continue;
        const Dtype dtype = source.graph.dtype(access.value);
        shape.staged.push_back({access});
        row_bytes += staged_bytes(dtype);
        narrowest = std::min(narrowest, size_of(dtype));
    }
    find_mirrored(source, accesses, shape);
    const auto fits = [&] {
        return row_bytes * (shape.mirror ? 2 : 1) * shape.places * (shape.places + 1) <=
               source.target.shared_bytes;
    };
    shape.places = narrowest < 4 ? 64 : 32;
    if (!fits()) shape.places = 32;
    if (shape.staged.empty() || !fits()) return std::nullopt;
    return shape;
}

Kernel lower_tile_gpu(const KernelSource& source, const std::string& name, const TileShape& shape) {
    return Tile(source, name, shape).run();
}

} // namespace heddle::passes
