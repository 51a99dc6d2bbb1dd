#include "passes/lower/schedule.h"

#include <algorithm>
#include <bit>
#include <set>

namespace heddle::passes {

using namespace ir;

namespace {

constexpr u32 across = stencil_width;
constexpr std::size_t most_nodes = 256; ///< of a group whose code is written out for every row

/// A thread takes several rows of the domain, a vector of each, one below the other. Places are written as the first row and a
/// distance, so what two rows read at one place has one index and is loaded once.
class Stencil {
public:
    Stencil(const KernelSource& source, const std::string& name, const StencilShape& shape)
        : source_(source), draft_(source, name), evaluator_(draft_.evaluator), kernel_(evaluator_.kernel()),
          shape_(shape), inner_(static_cast<u32>(source.domain.extents.size()) - 1) {}

    Kernel run() {
        Dims& dims = evaluator_.dims();
        const u32 threads = shape_.threads;
        const u32 down = threads / across;
        const DimId columns = extent(inner_), rows = extent(shape_.axis);
        KernelInfo info{.target = TargetKind::gpu,
                        .block = threads,
                        .index_bits = shape_.index_bits,
                        .grid = {dims.ceil_divide(columns, dims.constant(i64{across} * shape_.vector)),
                                 dims.ceil_divide(rows, dims.constant(i64{down} * shape_.rows))}};
        add_batch_grid(evaluator_, shape_.axis, info);
        ask_stencil_gpu(source_, shape_, require_of(draft_, source_));
        if (shape_.vector > 1) evaluator_.align_vectors(draft_.conditions);
        if (draft_.never_runs()) return draft_.finish(std::move(info));
        evaluator_.set_vector_axis(inner_, shape_.vector);
        const NodeId thread = kernel_.thread_index(), width = kernel_.index(across);
        const NodeId column = place(0, width, kernel_.binary(Op::rem, thread, width), shape_.vector);
        const NodeId row = place(1, kernel_.index(down), kernel_.binary(Op::div, thread, width), shape_.rows);
        evaluator_.set_axis(inner_, column);
        const NodeId inside =
            kernel_.binary(Op::bit_and, kernel_.binary(Op::lt, column, evaluator_.size(columns)),
                           kernel_.binary(Op::lt, row, evaluator_.size(rows)));
        kernel_.if_then(inside, [&] {
            rows_from(row);
            return std::vector<NodeId>{};
        });
        return draft_.finish(std::move(info));
    }

private:
    DimId extent(u32 axis) const { return source_.domain.extents[axis]; }

    NodeId place(u32 grid_axis, NodeId threads, NodeId thread, u32 each) {
        return kernel_.mul(kernel_.add(kernel_.mul(kernel_.grid_index(grid_axis), threads), thread),
                           kernel_.index(each));
    }

    /// Where the domain ends among its rows, the thread takes the last ones and stores only its own. Every load stands before the first store,
    /// which a driver must not move loads across.
    void rows_from(NodeId first) {
        const DimId rows = extent(shape_.axis);
        Dims& dims = evaluator_.dims();
        const bool whole = dims.prove_divisible(rows, shape_.rows, evaluator_.assumptions());
        const NodeId last = evaluator_.size(dims.sub(rows, dims.constant(shape_.rows)));
        const NodeId base = whole ? first : kernel_.binary(Op::minimum, first, last);
        evaluator_.set_axis(shape_.axis, base);
        const std::vector<NodeId>& outputs = source_.group.outputs;
        std::vector<NodeId> values;
        for (u32 row = 0; row < shape_.rows; ++row) {
            evaluator_.set_shift(shape_.axis, row);
            make_ready(evaluator_, outputs);
            for (NodeId output : outputs) values.push_back(evaluator_.value(output));
        }
        for (u32 row = 0; row < shape_.rows; ++row) {
            evaluator_.set_shift(shape_.axis, row);
            if (!whole)
                evaluator_.set_inside(kernel_.binary(Op::ge, kernel_.add(base, kernel_.index(row)), first));
            for (std::size_t k = 0; k < outputs.size(); ++k)
                evaluator_.store(outputs[k], values[row * outputs.size() + k]);
        }
    }

    const KernelSource& source_;
    KernelDraft draft_;
    Evaluator& evaluator_;
    KernelBuilder& kernel_;
    const StencilShape& shape_;
    u32 inner_;
};

} // namespace

std::optional<StencilShape> stencil_of(const KernelSource& source) {
    const u32 rank = static_cast<u32>(source.domain.extents.size());
    if (rank < 2 || source.group.nodes.size() > most_nodes) return std::nullopt;
    Dims& dims = source.graph.module().dims;
    StencilShape shape{.accesses = accesses_of(source.graph, source.fusion, source.group, source.domain)};
    std::set<std::pair<u32, DimId>> places;
    for (const Access& access : shape.accesses) places.emplace(access.value.value, access.offset);
    // For each axis, the loads that another one repeats some rows further, and whether there are others that do not move along it.
    std::optional<u32> still;
    std::size_t most = 0;
    for (u32 axis = 0; axis + 1 < rank; ++axis) {
        std::size_t repeated = 0;
        for (const Access& access : shape.accesses) {
            const auto step = dims.axis_coefficient(access.offset, axis);
            if (step && dims.is_constant(*step, 0) && access.offset != dims.constant(0)) still = axis;
            if (!step || dims.is_constant(*step, 0)) continue;
            DimId offset = access.offset;
            for (u32 row = 1; row < shape.rows; ++row) {
                offset = dims.add(offset, *step);
                repeated += places.contains({access.value.value, offset});
            }
        }
        if (repeated < most || repeated == 0) continue;
        most = repeated;
        shape.axis = axis;
    }
    if (most != 0) return shape;
    if (!still || !takes_much_arithmetic(source)) return std::nullopt;
    return StencilShape{.axis = *still, .repeats = false, .accesses = std::move(shape.accesses)};
}

void ask_stencil_gpu(const KernelSource& source, const StencilShape& shape, const Ask& ask) {
    Dims& dims = source.graph.module().dims;
    const u32 inner = static_cast<u32>(source.domain.extents.size()) - 1;
    const DimId columns = source.domain.extents[inner], rows = source.domain.extents[shape.axis];
    ask(dims.constant(i64{across} * shape.vector / 2), Relation::less_equal, columns);
    ask(dims.constant(shape.rows), Relation::less_equal, rows);
    if (!shape.repeats)
        ask(dims.constant(many_places), Relation::less_equal, dims.product(source.domain.extents));
    if (shape.index_bits == 32)
        ask(rows, Relation::less_equal, dims.constant(grid_limit * (shape.threads / across) * shape.rows));
    if (shape.vector == 1) return;
    // Vectors divide the rows of the outputs and of whatever is read along them, so that all of them begin at a constant distance
    // from where a vector is aligned.
    const DimId vector = dims.constant(shape.vector), none = dims.constant(0);
    const auto divides = [&](DimId size) {
        // Two sizes that differ by less than a vector are not both whole vectors.
        const DimId apart = dims.modulo(dims.sub(size, columns), vector);
        const bool never = dims.as_constant(apart) && apart != none;
        ask(never ? apart : dims.modulo(size, vector), Relation::equal, none);
    };
    divides(columns);
    for (const Access& access : shape.accesses) {
        const auto along = dims.axis_coefficient(access.offset, inner);
        if (!along || !dims.is_constant(*along, 1)) continue;
        for (u32 axis = 0; axis < inner; ++axis)
            if (const auto step = dims.axis_coefficient(access.offset, axis)) divides(*step);
    }
}

Kernel lower_stencil_gpu(const KernelSource& source, const std::string& name, const StencilShape& shape) {
    return Stencil(source, name, shape).run();
}

} // namespace heddle::passes
