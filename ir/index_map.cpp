#include "ir/index_map.h"

#include <algorithm>

namespace heddle::ir {

IndexMap identity_map(Dims& dims, u32 rank) {
    IndexMap map;
    map.axes = rank;
    for (u32 k = 0; k < rank; ++k) map.results.push_back(dims.axis(k));
    return map;
}

bool is_identity(Dims& dims, const IndexMap& map) {
    if (!map.valid.empty() || map.results.size() != map.axes) return false;
    for (u32 k = 0; k < map.axes; ++k)
        if (map.results[k] != dims.axis(k)) return false;
    return true;
}

IndexMap broadcast_map(Dims& dims, std::span<const DimId> operand, std::span<const i64> mapped_axes, std::span<const DimId> result) {
    IndexMap map;
    map.axes = static_cast<u32>(result.size());
    for (std::size_t k = 0; k < operand.size(); ++k)
        map.results.push_back(dims.is_constant(operand[k], 1) ? dims.constant(0) : dims.axis(static_cast<u32>(mapped_axes[k])));
    return map;
}

IndexMap transpose_map(Dims& dims, std::span<const i64> permutation) {
    IndexMap map;
    map.axes = static_cast<u32>(permutation.size());
    map.results.resize(permutation.size());
    for (u32 k = 0; k < permutation.size(); ++k) map.results[static_cast<std::size_t>(permutation[k])] = dims.axis(k);
    return map;
}

IndexMap slice_map(Dims& dims, std::span<const DimId> start, std::span<const DimId> step) {
    IndexMap map;
    map.axes = static_cast<u32>(start.size());
    for (u32 k = 0; k < start.size(); ++k) map.results.push_back(dims.add(start[k], dims.mul(step[k], dims.axis(k))));
    return map;
}

IndexMap flip_map(Dims& dims, std::span<const DimId> operand, std::span<const i64> axes) {
    IndexMap map = identity_map(dims, static_cast<u32>(operand.size()));
    for (i64 axis : axes) {
        const std::size_t k = static_cast<std::size_t>(axis);
        map.results[k] = dims.sub(dims.sub(operand[k], dims.constant(1)), map.results[k]);
    }
    return map;
}

IndexMap pad_map(Dims& dims, std::span<const DimId> operand, std::span<const DimId> low, std::span<const DimId> interior, u64 fill,
                 std::span<const DimId> result) {
    IndexMap map;
    map.axes = static_cast<u32>(result.size());
    map.fill = fill;
    const DimId one = dims.constant(1);
    for (u32 k = 0; k < result.size(); ++k) {
        const DimId place = dims.sub(dims.axis(k), low[k]);
        const DimId pitch = dims.add(interior[k], one);
        map.results.push_back(dims.divide(place, pitch));
        if (result[k] == operand[k] && dims.is_constant(low[k], 0) && dims.is_constant(interior[k], 0)) continue;
        // Elements lie at 0, pitch, ..., (D - 1) * pitch: D * pitch - interior places, and those between are fill.
        map.valid.push_back({place, dims.sub(dims.mul(operand[k], pitch), interior[k])});
        if (!dims.is_constant(interior[k], 0)) map.valid.push_back({dims.modulo(place, pitch), one});
    }
    return map;
}

namespace {

/// One block of a reshape: axes [from, from_end) of the operand hold the same elements as axes [to, to_end) of the result.
struct Block {
    std::size_t from, from_end, to, to_end;
};

std::vector<Block> equal_blocks(Dims& dims, std::span<const DimId> operand, std::span<const DimId> result, std::span<const Fact> facts) {
    std::vector<Block> blocks;
    std::size_t i = 0, j = 0;
    while (i < operand.size() || j < result.size()) {
        Block block{i, i, j, j};
        DimId left = dims.constant(1), right = dims.constant(1);
        auto take_left = [&] { left = dims.mul(left, operand[block.from_end++]); };
        auto take_right = [&] { right = dims.mul(right, result[block.to_end++]); };
        if (i < operand.size()) take_left();
        if (j < result.size()) take_right();
        auto equal = [&] { return dims.prove_equal(left, right, {{}, facts}); };
        while (!equal()) {
            // Grow the smaller side; where that is unknown, whichever makes them equal sooner.
            const bool more_left = block.from_end < operand.size(), more_right = block.to_end < result.size();
            if (!more_left && !more_right) break;
            const bool left_smaller = dims.prove_not_negative(dims.sub(right, left), {{}, facts});
            if (more_left && (left_smaller || !more_right)) take_left();
            else take_right();
        }
        blocks.push_back(block);
        i = block.from_end, j = block.to_end;
    }
    return blocks;
}

} // namespace

IndexMap reshape_map(Dims& dims, std::span<const DimId> operand, std::span<const DimId> result, std::span<const Fact> facts) {
    IndexMap map;
    map.axes = static_cast<u32>(result.size());
    map.results.resize(operand.size(), dims.constant(0));
    const Assumptions assume{result, facts};
    for (const Block& block : equal_blocks(dims, operand, result, facts)) {
        if (block.from_end - block.from == 1 && block.to_end - block.to == 1) {
            map.results[block.from] = dims.is_constant(operand[block.from], 1) ? dims.constant(0) : dims.axis(static_cast<u32>(block.to));
            continue;
        }
        DimId linear = dims.constant(0);
        for (std::size_t k = block.to; k < block.to_end; ++k) linear = dims.add(dims.mul(linear, result[k]), dims.axis(static_cast<u32>(k)));
        for (std::size_t k = block.from_end; k-- > block.from;) {
            if (k == block.from) {
                map.results[k] = linear;
                break;
            }
            map.results[k] = dims.modulo(linear, operand[k], assume);
            linear = dims.divide(linear, operand[k], assume);
        }
    }
    return map;
}

std::optional<IndexMap> compose(Dims& dims, const IndexMap& inner, const IndexMap& outer, std::span<const DimId> shape,
                                std::span<const Fact> facts) {
    if (!inner.valid.empty() && !outer.valid.empty() && inner.fill != outer.fill) return std::nullopt;
    const Assumptions assume{shape, facts};
    IndexMap map;
    map.axes = outer.axes;
    map.fill = inner.valid.empty() ? outer.fill : inner.fill;
    for (DimId result : inner.results) map.results.push_back(dims.substitute(result, outer.results, {}, assume));
    map.valid = outer.valid;
    for (const Bound& bound : inner.valid)
        map.valid.push_back({dims.substitute(bound.value, outer.results, {}, assume), dims.substitute(bound.extent, outer.results, {}, assume)});
    return map;
}

IndexMap simplify(Dims& dims, const IndexMap& map, std::span<const DimId> shape, std::span<const Fact> facts) {
    const Assumptions assume{shape, facts};
    IndexMap result;
    result.axes = map.axes;
    for (DimId expression : map.results) result.results.push_back(dims.simplify(expression, assume));
    for (const Bound& bound : map.valid) {
        const Bound simple{dims.simplify(bound.value, assume), dims.simplify(bound.extent, assume)};
        if (dims.prove_not_negative(simple.value, assume) && dims.prove_less(simple.value, simple.extent, assume)) continue;
        if (std::ranges::find(result.valid, simple) == result.valid.end()) result.valid.push_back(simple);
    }
    // An axis of one element is always at 0.
    std::vector<DimId> units(shape.size());
    bool any = false;
    for (std::size_t k = 0; k < shape.size(); ++k) {
        if (!dims.is_constant(shape[k], 1)) continue;
        units[k] = dims.constant(0);
        any = true;
    }
    if (any && map.results.size() != map.axes)
        for (DimId& expression : result.results) expression = dims.substitute(expression, units, {}, assume);
    result.fill = result.valid.empty() ? 0 : map.fill;
    return result;
}

std::string text(const Dims& dims, const IndexMap& map) {
    std::string result;
    for (u32 k = 0; k < map.axes; ++k) result += (k ? ", d" : "d") + std::to_string(k);
    result += map.axes ? " -> " : "-> ";
    for (std::size_t k = 0; k < map.results.size(); ++k) result += (k ? ", " : "") + dims.text(map.results[k]);
    for (std::size_t k = 0; k < map.valid.size(); ++k)
        result += (k ? " and 0 <= " : " where 0 <= ") + dims.text(map.valid[k].value) + " < " + dims.text(map.valid[k].extent);
    return result;
}

} // namespace heddle::ir
