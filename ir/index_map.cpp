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

IndexMap broadcast_map(Dims& dims, std::span<const DimId> operand, std::span<const i64> mapped_axes,
                       std::span<const DimId> result) {
    IndexMap map;
    map.axes = static_cast<u32>(result.size());
    for (std::size_t k = 0; k < operand.size(); ++k) {
        const DimId axis = dims.axis(static_cast<u32>(mapped_axes[k]));
        map.results.push_back(dims.is_constant(operand[k], 1) ? dims.constant(0) : axis);
    }
    return map;
}

IndexMap transpose_map(Dims& dims, std::span<const i64> permutation) {
    IndexMap map;
    map.axes = static_cast<u32>(permutation.size());
    map.results.resize(permutation.size());
    for (u32 k = 0; k < permutation.size(); ++k)
        map.results[static_cast<std::size_t>(permutation[k])] = dims.axis(k);
    return map;
}

IndexMap slice_map(Dims& dims, std::span<const DimId> start, std::span<const DimId> step) {
    IndexMap map;
    map.axes = static_cast<u32>(start.size());
    for (u32 k = 0; k < start.size(); ++k)
        map.results.push_back(dims.add(start[k], dims.mul(step[k], dims.axis(k))));
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

IndexMap pad_map(Dims& dims, std::span<const DimId> operand, std::span<const DimId> low,
                 std::span<const DimId> interior, u64 fill, std::span<const DimId> result) {
    IndexMap map;
    map.axes = static_cast<u32>(result.size());
    map.fill = fill;
    const DimId one = dims.constant(1);
    for (u32 k = 0; k < result.size(); ++k) {
        const DimId place = dims.sub(dims.axis(k), low[k]);
        const DimId pitch = dims.add(interior[k], one);
        map.results.push_back(dims.divide(place, pitch));
        const bool dense = dims.is_constant(interior[k], 0);
        if (result[k] == operand[k] && dims.is_constant(low[k], 0) && dense) continue;
        // Elements lie at 0, pitch, ..., (D - 1) * pitch: D * pitch - interior places, and those between are fill.
        map.valid.push_back({place, dims.sub(dims.mul(operand[k], pitch), interior[k])});
        if (!dense) map.valid.push_back({dims.modulo(place, pitch), one});
    }
    return map;
}

// ---- reshape -------------------------------------------------------------------------------------------------

namespace {

using Axes = std::vector<u32>;

/// These axes of the operand hold the same elements as those of the result, in the same order.
struct Block {
    Axes from, to;
};

/// Axes that can have more than one element.
Axes proper_axes(Dims& dims, std::span<const DimId> shape) {
    Axes axes;
    for (u32 k = 0; k < shape.size(); ++k)
        if (!dims.is_constant(shape[k], 1)) axes.push_back(k);
    return axes;
}

/// Products of the first 1, 2, ... extents.
std::vector<DimId> products(Dims& dims, std::span<const DimId> shape, std::span<const u32> axes) {
    std::vector<DimId> result;
    DimId product = dims.constant(1);
    for (u32 axis : axes) result.push_back(product = dims.mul(product, shape[axis]));
    return result;
}

/// How many axes of both sides the first block takes: as few as make the products equal, or all.
std::pair<std::size_t, std::size_t> first_block(Dims& dims, std::span<const DimId> from,
                                                std::span<const DimId> to, const Assumptions& assume) {
    auto search = [&](std::size_t below, auto equal) -> std::pair<std::size_t, std::size_t> {
        for (std::size_t count = 2; count < below; ++count) {
            for (std::size_t i = 1; i < count; ++i) {
                const std::size_t j = count - i;
                if (i <= from.size() && j <= to.size() && equal(from[i - 1], to[j - 1])) return {i, j};
            }
        }
        return {0, 0};
    };
    auto found = search(from.size() + to.size(), [](DimId a, DimId b) { return a == b; });
    if (found.first == 0) found = {from.size(), to.size()};
    if (std::ranges::find(assume.facts, Relation::equal, &Fact::relation) == assume.facts.end()) return found;
    const auto proven =
        search(found.first + found.second, [&](DimId a, DimId b) { return dims.prove_equal(a, b, assume); });
    return proven.first != 0 ? proven : found;
}

std::vector<Block> equal_blocks(Dims& dims, std::span<const DimId> operand, std::span<const DimId> result,
                                std::span<const Fact> facts) {
    const Axes all_from = proper_axes(dims, operand), all_to = proper_axes(dims, result);
    std::span<const u32> from = all_from, to = all_to;
    std::vector<Block> blocks;
    while (!from.empty() || !to.empty()) {
        const auto [i, j] =
            first_block(dims, products(dims, operand, from), products(dims, result, to), {{}, facts});
        blocks.push_back({{from.begin(), from.begin() + static_cast<std::ptrdiff_t>(i)},
                          {to.begin(), to.begin() + static_cast<std::ptrdiff_t>(j)}});
        from = from.subspan(i);
        to = to.subspan(j);
    }
    return blocks;
}

} // namespace

IndexMap reshape_map(Dims& dims, std::span<const DimId> operand, std::span<const DimId> result,
                     std::span<const Fact> facts) {
    IndexMap map;
    map.axes = static_cast<u32>(result.size());
    map.results.resize(operand.size(), dims.constant(0));
    auto is_empty = [&](DimId extent) { return dims.is_constant(extent, 0); };
    if (std::ranges::any_of(operand, is_empty) || std::ranges::any_of(result, is_empty)) return map;
    const Assumptions assume{result, facts};
    for (const Block& block : equal_blocks(dims, operand, result, facts)) {
        DimId linear = dims.constant(0);
        for (u32 k : block.to) linear = dims.add(dims.mul(linear, result[k]), dims.axis(k));
        for (std::size_t k = block.from.size(); k-- > 0;) {
            const u32 axis = block.from[k];
            map.results[axis] = k == 0 ? linear : dims.modulo(linear, operand[axis], assume);
            if (k != 0) linear = dims.divide(linear, operand[axis], assume);
        }
    }
    return map;
}

// ---- composition ---------------------------------------------------------------------------------------------

std::optional<IndexMap> compose(Dims& dims, const IndexMap& inner, const IndexMap& outer,
                                std::span<const DimId> shape, std::span<const Fact> facts) {
    if (!inner.valid.empty() && !outer.valid.empty() && inner.fill != outer.fill) return std::nullopt;
    const Assumptions assume{shape, facts};
    auto moved = [&](DimId expression) { return dims.substitute(expression, outer.results, {}, assume); };
    IndexMap map;
    map.axes = outer.axes;
    map.fill = inner.valid.empty() ? outer.fill : inner.fill;
    for (DimId result : inner.results) map.results.push_back(moved(result));
    map.valid = outer.valid;
    for (const Bound& bound : inner.valid) map.valid.push_back({moved(bound.value), moved(bound.extent)});
    return map;
}

namespace {

/// The bounds as facts, for what is only looked at where they hold.
void add_facts(Dims& dims, std::vector<Fact>& facts, const Bound& bound) {
    facts.push_back({dims.constant(0), Relation::less_equal, bound.value});
    facts.push_back({bound.value, Relation::less, bound.extent});
}

bool is_disproven(Dims& dims, const Bound& bound, const Assumptions& assume) {
    return dims.prove_less(bound.value, dims.constant(0), assume) ||
           dims.prove_not_negative(dims.sub(bound.value, bound.extent), assume);
}

/// Simplifies each bound under the others and drops those that follow. False if one never holds: it is then the only one.
bool simplify_bounds(Dims& dims, std::vector<Bound>& bounds, std::span<const DimId> shape,
                     std::span<const Fact> facts) {
    for (std::size_t k = 0; k < bounds.size();) {
        const Assumptions plain{shape, facts};
        Bound& bound = bounds[k];
        bound = {dims.simplify(bound.value, plain), dims.simplify(bound.extent, plain)};
        if (is_disproven(dims, bound, plain)) {
            bounds = {Bound(bound)};
            return false;
        }
        std::vector<Fact> known(facts.begin(), facts.end());
        for (std::size_t other = 0; other < bounds.size(); ++other)
            if (other != k) add_facts(dims, known, bounds[other]);
        const Assumptions assume{shape, known};
        if (dims.prove_not_negative(bound.value, assume) &&
            dims.prove_less(bound.value, bound.extent, assume))
            bounds.erase(bounds.begin() + static_cast<std::ptrdiff_t>(k));
        else
            ++k;
    }
    return true;
}

} // namespace

IndexMap simplify(Dims& dims, const IndexMap& map, std::span<const DimId> shape,
                  std::span<const Fact> facts) {
    IndexMap result = map;
    // An axis of one element is always at 0.
    const DimId zero = dims.constant(0);
    std::vector<DimId> units(shape.size());
    for (std::size_t k = 0; k < shape.size(); ++k)
        if (dims.is_constant(shape[k], 1)) units[k] = zero;
    for (DimId& expression : result.results) expression = dims.substitute(expression, units);
    for (Bound& bound : result.valid)
        bound = {dims.substitute(bound.value, units), dims.substitute(bound.extent, units)};

    if (!simplify_bounds(dims, result.valid, shape, facts)) {
        std::ranges::fill(result.results, zero); // nothing is ever read
        return result;
    }
    std::vector<Fact> known(facts.begin(), facts.end());
    for (const Bound& bound : result.valid) add_facts(dims, known, bound);
    for (DimId& expression : result.results)
        expression = dims.simplify(expression, {shape, known, known.size() - facts.size()});
    // A map that changes nothing is written as one.
    if (map.axes == result.results.size()) {
        for (u32 k = 0; k < map.axes; ++k)
            if (units[k].valid() && result.results[k] == zero) result.results[k] = dims.axis(k);
    }
    if (result.valid.empty()) result.fill = 0;
    return result;
}

std::string text(const Dims& dims, const IndexMap& map) {
    std::string result;
    for (u32 k = 0; k < map.axes; ++k) result += (k ? ", d" : "d") + std::to_string(k);
    result += map.axes ? " -> " : "-> ";
    for (std::size_t k = 0; k < map.results.size(); ++k)
        result += (k ? ", " : "") + dims.text(map.results[k]);
    for (std::size_t k = 0; k < map.valid.size(); ++k) {
        const auto& [value, extent] = map.valid[k];
        result += (k ? " and 0 <= " : " where 0 <= ") + dims.text(value) + " < " + dims.text(extent);
    }
    return result;
}

} // namespace heddle::ir
