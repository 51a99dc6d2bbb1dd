#include "passes/lower/shared_rows.h"

#include "passes/lower/part_states.h"

#include <algorithm>
#include <bit>

namespace heddle::passes {

using namespace ir;

namespace {

bool can_share(const Target& target) {
    return target.resident_blocks >= 8 && target.subgroup >= 2 && target.subgroup_shuffle && target.has_i64 &&
           target.has_i64_atomics && target.device_scope && target.buffer_addresses;
}

/// Whether the phase reads values that were computed and are held as f16 or bf16, rounded: from memory they come out otherwise.
bool reads_rounded(const KernelSource& source, const Phase& phase) {
    return std::ranges::any_of(phase.reads, [&](NodeId node) {
        const Dtype dtype = source.graph.dtype(node);
        return carried_dtype(dtype) != dtype &&
               std::ranges::find(source.domain.loads, node, &LoadedValue::value) == source.domain.loads.end();
    });
}

} // namespace

std::optional<SharedRows> shared_rows_of(const KernelSource& source) {
    const Target& target = source.target;
    if (target.kind != TargetKind::gpu || source.group.kind != GroupKind::row || !can_share(target))
        return std::nullopt;
    const Phases phases = phases_of(source.graph, source.fusion, source.group);
    const auto exchanges = exchanges_of(source.graph, source.group, phases);
    if (phases.loops.size() < 2 || !exchanges) return std::nullopt;
    for (const Phase& phase : phases.loops)
        if (!phase.reductions.empty() && reads_rounded(source, phase)) return std::nullopt;

    SharedRows rows;
    rows.parts = std::min(target.subgroup, target.resident_blocks / 4);
    rows.most_parts = 2 * rows.parts;
    for (u32 block : {8 * target.subgroup, 16 * target.subgroup})
        if (block <= target.max_block) rows.blocks.push_back(block);
    if (rows.blocks.empty()) return std::nullopt;
    rows.smallest_part = rows.blocks.front() * shared_elements / 2;
    Dims& dims = source.graph.module().dims;
    DimId length = dims.constant(1), count = dims.constant(1);
    for (u32 axis = 0; axis < source.domain.extents.size(); ++axis) {
        DimId& product = source.domain.reduced[axis] ? length : count;
        product = dims.mul(product, source.domain.extents[axis]);
    }
    const i64 held = longest_held_row(source);
    const i64 most = i64{rows.blocks.back()} * shared_elements * rows.parts;
    const Assumptions assume{{}, source.graph.facts};
    const auto shortest = dims.lower_bound(length, assume), longest = dims.upper_bound(length, assume);
    if ((longest && *longest <= held) || (shortest && *shortest > most)) return std::nullopt;
    rows.longer_than = dims.constant(held);
    const DimId one = dims.constant(1);
    const DimId part = dims.constant(rows.smallest_part);
    const DimId parts = dims.minimum(dims.ceil_divide(length, part), dims.constant(rows.most_parts), assume);
    const DimId is_long = dims.minimum(dims.divide(length, dims.constant(held + 1), assume), one, assume);
    rows.words = dims.mul(dims.mul(count, dims.constant(words_of(*exchanges))), dims.mul(parts, is_long));
    return rows;
}

Kernel lower_clear_gpu(const KernelSource& source, const std::string& name, DimId words) {
    Kernel kernel{std::make_unique<Module>(), nullptr};
    Dims& dims = kernel.module->dims;
    const Dims& from = source.graph.module().dims;
    for (u32 k = 0; k < from.symbol_count(); ++k) dims.symbol(from.symbol_name(k));
    kernel.function = &kernel.module->add_kernel(name);
    KernelBuilder builder(*kernel.function);
    const NodeId pointer = builder.pointer("words", Dtype::u64);
    const DimId count = dims.import(from, words);
    const auto known = dims.as_constant(count);
    const NodeId extent = known ? builder.index(*known) : builder.size("count", count);
    const i64 block = std::min(8 * source.target.subgroup, source.target.max_block);
    const NodeId place =
        builder.add(builder.mul(builder.grid_index(0), builder.index(block)), builder.thread_index());
    builder.if_then(builder.binary(Op::lt, place, extent), [&] {
        builder.store(builder.constant(Dtype::u64, 0), pointer, place);
        return std::vector<NodeId>{};
    });
    set_kernel_info(*kernel.function, {.target = TargetKind::gpu,
                                       .block = static_cast<u32>(block),
                                       .subgroup = source.target.subgroup,
                                       .index_bits = 64,
                                       .grid = {dims.ceil_divide(count, dims.constant(block))}});
    return kernel;
}

} // namespace heddle::passes
