// Index maps of the movement ops, alone and composed, against arrays that are really moved; symbolic maps at several sizes.

#include "ir/index_map.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <numeric>
#include <random>

namespace heddle::ir {
namespace {

constexpr u64 fill = 999'999;

// ---- the reference: arrays that are moved element by element ----------------------------------------------------

struct Array {
    std::vector<i64> shape;
    std::vector<u64> data;

    i64 size() const { return std::accumulate(shape.begin(), shape.end(), i64{1}, std::multiplies<>()); }

    u64 at(std::span<const i64> index) const {
        i64 offset = 0;
        for (std::size_t k = 0; k < shape.size(); ++k) offset = offset * shape[k] + index[k];
        return data[static_cast<std::size_t>(offset)];
    }
};

using Index = std::vector<i64>;

/// Each element of an array of that shape, by its index.
Array generate(std::vector<i64> shape, const std::function<u64(const Index&)>& element) {
    Array array{std::move(shape), {}};
    Index index(array.shape.size(), 0);
    for (i64 count = array.size(); count > 0; --count) {
        array.data.push_back(element(index));
        for (std::size_t k = index.size(); k-- > 0;) {
            if (++index[k] < array.shape[k]) break;
            index[k] = 0;
        }
    }
    return array;
}

Array numbered(std::vector<i64> shape) {
    u64 next = 0;
    return generate(std::move(shape), [&](const Index&) { return next++; });
}

Array transposed(const Array& x, std::span<const i64> permutation) {
    std::vector<i64> shape;
    for (i64 axis : permutation) shape.push_back(x.shape[static_cast<std::size_t>(axis)]);
    return generate(shape, [&](const Index& o) {
        Index i(o.size());
        for (std::size_t k = 0; k < o.size(); ++k) i[static_cast<std::size_t>(permutation[k])] = o[k];
        return x.at(i);
    });
}

Array sliced(const Array& x, std::span<const i64> start, std::span<const i64> step, std::vector<i64> shape) {
    return generate(std::move(shape), [&](Index o) {
        for (std::size_t k = 0; k < o.size(); ++k) o[k] = start[k] + step[k] * o[k];
        return x.at(o);
    });
}

Array padded(const Array& x, std::span<const i64> low, std::span<const i64> high,
             std::span<const i64> interior) {
    std::vector<i64> shape;
    for (std::size_t k = 0; k < x.shape.size(); ++k)
        shape.push_back(low[k] + high[k] + x.shape[k] + std::max<i64>(x.shape[k] - 1, 0) * interior[k]);
    return generate(std::move(shape), [&](Index o) {
        for (std::size_t k = 0; k < o.size(); ++k) {
            const i64 place = o[k] - low[k];
            if (place < 0 || place % (interior[k] + 1) != 0 || place / (interior[k] + 1) >= x.shape[k])
                return fill;
            o[k] = place / (interior[k] + 1);
        }
        return x.at(o);
    });
}

Array reshaped(const Array& x, std::vector<i64> shape) { return {std::move(shape), x.data}; }

// ---- maps, evaluated ------------------------------------------------------------------------------------------

struct IndexMapTest : testing::Test {
    Dims dims;

    DimId c(i64 value) { return dims.constant(value); }

    std::vector<DimId> constants(std::span<const i64> values) {
        std::vector<DimId> result;
        for (i64 value : values) result.push_back(c(value));
        return result;
    }

    std::vector<i64> values(std::span<const DimId> shape, std::span<const i64> symbols) {
        std::vector<i64> result;
        for (DimId extent : shape) result.push_back(dims.evaluate(extent, symbols));
        return result;
    }

    /// The view of x by the map. A read outside x fails, unless a bound forbids it.
    Array viewed(const Array& x, const IndexMap& map, std::vector<i64> shape,
                 std::span<const i64> symbols = {}) {
        return generate(std::move(shape), [&](const Index& o) {
            for (const Bound& bound : map.valid) {
                const i64 value = dims.evaluate(bound.value, symbols, o);
                if (value < 0 || value >= dims.evaluate(bound.extent, symbols, o)) return map.fill;
            }
            Index i;
            for (DimId result : map.results) i.push_back(dims.evaluate(result, symbols, o));
            EXPECT_EQ(i.size(), x.shape.size());
            for (std::size_t k = 0; k < i.size(); ++k) {
                if (i[k] >= 0 && i[k] < x.shape[k]) continue;
                ADD_FAILURE() << text(dims, map) << " reads " << i[k] << " along axis " << k << " of "
                              << x.shape[k];
                return fill + 1;
            }
            return x.at(i);
        });
    }
};

TEST_F(IndexMapTest, an_identity_is_known) {
    EXPECT_TRUE(is_identity(dims, identity_map(dims, 3)));
    EXPECT_TRUE(is_identity(dims, identity_map(dims, 0)));
    EXPECT_FALSE(is_identity(dims, transpose_map(dims, std::array<i64, 2>{1, 0})));
    const auto shape = constants(std::array<i64, 2>{3, 4});
    EXPECT_FALSE(
        is_identity(dims, broadcast_map(dims, std::span(shape).first(1), std::array<i64, 1>{0}, shape)));
}

TEST_F(IndexMapTest, broadcast_reads_unit_axes_at_0) {
    const auto operand = constants(std::array<i64, 2>{1, 4}), result = constants(std::array<i64, 3>{3, 2, 4});
    const IndexMap map = broadcast_map(dims, operand, std::array<i64, 2>{0, 2}, result);
    EXPECT_EQ(text(dims, map), "d0, d1, d2 -> 0, d2");
}

TEST_F(IndexMapTest, transpose_of_every_permutation) {
    const Array x = numbered({2, 3, 4, 2});
    std::vector<i64> permutation{0, 1, 2, 3};
    do {
        const Array expected = transposed(x, permutation);
        EXPECT_EQ(viewed(x, transpose_map(dims, permutation), expected.shape).data, expected.data);
    } while (std::ranges::next_permutation(permutation).found);
}

TEST_F(IndexMapTest, slices_step_either_way) {
    const Array x = numbered({10, 7});
    const std::array<i64, 2> start{9, 1}, step{-3, 2};
    const Array expected = sliced(x, start, step, {4, 3});
    const IndexMap map = slice_map(dims, constants(start), constants(step));
    EXPECT_EQ(text(dims, map), "d0, d1 -> 9 - d0 * 3, d1 * 2 + 1");
    EXPECT_EQ(viewed(x, map, expected.shape).data, expected.data);
}

TEST_F(IndexMapTest, flip_is_a_slice_backwards) {
    const Array x = numbered({3, 4});
    const IndexMap map = flip_map(dims, constants(x.shape), std::array<i64, 1>{1});
    EXPECT_EQ(viewed(x, map, x.shape).data,
              sliced(x, std::array<i64, 2>{0, 3}, std::array<i64, 2>{1, -1}, x.shape).data);
}

TEST_F(IndexMapTest, pads_with_and_without_interior) {
    const Array x = numbered({3, 4});
    for (const std::array<i64, 2> low : {std::array<i64, 2>{0, 0}, {2, 1}, {-1, 3}}) {
        for (const std::array<i64, 2> interior : {std::array<i64, 2>{0, 0}, {1, 0}, {2, 3}}) {
            const Array expected = padded(x, low, std::array<i64, 2>{1, 0}, interior);
            const IndexMap map = pad_map(dims, constants(x.shape), constants(low), constants(interior), fill,
                                         constants(expected.shape));
            EXPECT_EQ(viewed(x, map, expected.shape).data, expected.data) << text(dims, map);
            const IndexMap simple = simplify(dims, map, constants(expected.shape), {});
            EXPECT_EQ(viewed(x, simple, expected.shape).data, expected.data) << text(dims, simple);
            EXPECT_LE(simple.valid.size(), map.valid.size());
        }
    }
}

TEST_F(IndexMapTest, a_pad_of_nothing_has_elements_nowhere) {
    const auto operand = constants(std::array<i64, 1>{0}), result = constants(std::array<i64, 1>{3});
    const IndexMap map =
        simplify(dims, pad_map(dims, operand, {&operand[0], 1}, {&operand[0], 1}, fill, result), result, {});
    EXPECT_EQ(map.valid.size(), 1u);
    EXPECT_EQ(viewed(numbered({0}), map, {3}).data, (std::vector<u64>{fill, fill, fill}));
}

// ---- M7 --------------------------------------------------------------------------------------------------------

TEST_F(IndexMapTest, m7_cuts_reshapes_into_blocks) {
    auto map = [&](std::vector<i64> from, std::vector<i64> to) {
        return text(dims, reshape_map(dims, constants(from), constants(to), {}));
    };
    EXPECT_EQ(map({8, 12, 64}, {8, 768}), "d0, d1 -> d0, d1 / 64, d1 % 64");
    EXPECT_EQ(map({8, 768}, {8, 12, 64}), "d0, d1, d2 -> d0, d1 * 64 + d2");
    EXPECT_EQ(map({8, 768, 5}, {4, 2, 768, 5}), "d0, d1, d2, d3 -> d0 * 2 + d1, d2, d3");
    EXPECT_EQ(map({6, 4}, {4, 6}), "d0, d1 -> d0 + (d0 * 2 + d1) / 4, (d0 * 2 + d1) % 4");
    EXPECT_EQ(map({6, 4, 7}, {4, 6, 7}), "d0, d1, d2 -> d0 + (d0 * 2 + d1) / 4, (d0 * 2 + d1) % 4, d2");
    EXPECT_EQ(map({1, 8, 1}, {8}), "d0 -> 0, d0, 0");
    EXPECT_EQ(map({8}, {1, 8, 1}), "d0, d1, d2 -> d1");
    EXPECT_EQ(map({}, {1, 1}), "d0, d1 -> ");
    EXPECT_EQ(map({0, 3}, {3, 0}), "d0, d1 -> 0, 0");
}

TEST_F(IndexMapTest, m7_compares_symbolic_products) {
    const DimId n = dims.symbol("n"), m = dims.symbol("m"), k = dims.symbol("k");
    auto map = [&](std::vector<DimId> from, std::vector<DimId> to, std::span<const Fact> facts = {}) {
        return text(dims, reshape_map(dims, from, to, facts));
    };
    EXPECT_EQ(map({n, m, k}, {dims.mul(m, n), k}), "d0, d1 -> d0 / ?m, d0 % ?m, d1");
    EXPECT_EQ(map({dims.mul(n, m), k}, {n, m, k}), "d0, d1, d2 -> d0 * ?m + d1, d2");
    EXPECT_EQ(map({n, dims.mul(m, c(4))}, {n, m, c(4)}), "d0, d1, d2 -> d0, d1 * 4 + d2");
    EXPECT_EQ(map({n, m}, {m, n}), "d0, d1 -> (d0 * ?n + d1) / ?m, (d0 * ?n + d1) % ?m");
    // With ?m == 768 its axes are a block of their own.
    const std::array facts{Fact{m, Relation::equal, c(768)}};
    EXPECT_EQ(map({m, n, k}, {c(12), c(64), k, n}, facts),
              "d0, d1, d2, d3 -> d0 * 64 + d1, (d2 * ?n + d3) / ?k, (d2 * ?n + d3) % ?k");
    // Equal first axes make blocks of two shapes that have nothing else in common; without the fact it is one block.
    const DimId p = dims.symbol("p");
    const std::array same{Fact{n, Relation::equal, k}};
    EXPECT_EQ(map({n, m}, {k, p}, same), "d0, d1 -> d0, d1");
    EXPECT_EQ(map({n, m}, {k, p}), "d0, d1 -> (d0 * ?p + d1) / ?m, (d0 * ?p + d1) % ?m");
    const std::array products{Fact{dims.mul(n, m), Relation::equal, dims.mul(k, c(6))}};
    EXPECT_EQ(map({n, m, c(5)}, {k, c(6), c(5)}, products),
              "d0, d1, d2 -> (d0 * 6 + d1) / ?m, (d0 * 6 + d1) % ?m, d2");
}

// ---- compositions ----------------------------------------------------------------------------------------------

TEST_F(IndexMapTest, a_reshape_there_and_back_is_the_identity) {
    const DimId n = dims.symbol("n"), m = dims.symbol("m");
    const std::vector<std::pair<std::vector<DimId>, std::vector<DimId>>> pairs{
        {{c(24)}, {c(2), c(3), c(4)}}, {{c(2), c(3), c(4)}, {c(24)}},
        {{n, m}, {dims.mul(n, m)}},    {{dims.mul(dims.mul(n, m), c(4))}, {n, m, c(4)}},
        {{c(6), c(4)}, {c(8), c(3)}},  {{c(1), n}, {n, c(1)}},
    };
    for (const auto& [from, to] : pairs) {
        const IndexMap there = reshape_map(dims, from, to, {}), back = reshape_map(dims, to, from, {});
        const auto both = compose(dims, there, back, from, {});
        ASSERT_TRUE(both);
        EXPECT_TRUE(is_identity(dims, simplify(dims, *both, from, {}))) << text(dims, *both);
    }
}

TEST_F(IndexMapTest, a_flip_of_a_flip_is_the_identity) {
    const std::array shape{dims.symbol("n"), c(5)};
    const IndexMap flip = flip_map(dims, shape, std::array<i64, 2>{0, 1});
    EXPECT_TRUE(is_identity(dims, simplify(dims, *compose(dims, flip, flip, shape, {}), shape, {})));
}

TEST_F(IndexMapTest, a_slice_that_undoes_a_pad_drops_its_bounds) {
    const DimId n = dims.symbol("n"), zero = c(0);
    const std::array operand{n}, low{c(2)}, wide{dims.add(n, c(5))}, dense{zero};
    const IndexMap pad = pad_map(dims, operand, low, dense, fill, wide);
    const IndexMap inside = slice_map(dims, low, std::array{c(1)});
    EXPECT_TRUE(is_identity(dims, simplify(dims, *compose(dims, pad, inside, operand, {}), operand, {})));
    // One more element on the left: the lower bound is needed, the upper one is not separable from it.
    const std::array longer{dims.add(n, c(1))};
    const IndexMap wider = slice_map(dims, std::array{c(1)}, std::array{c(1)});
    const IndexMap kept = simplify(dims, *compose(dims, pad, wider, longer, {}), longer, {});
    EXPECT_EQ(text(dims, kept), "d0 -> d0 - 1 where 0 <= d0 - 1 < ?n");
    EXPECT_EQ(kept.fill, fill);
}

TEST_F(IndexMapTest, an_access_that_is_never_valid_keeps_its_bound) {
    const std::array operand{c(4)}, low{c(3)}, dense{c(0)}, wide{c(9)}, cut{c(2)};
    const IndexMap pad = pad_map(dims, operand, low, dense, fill, wide);
    const IndexMap edge = slice_map(dims, std::array{c(0)}, std::array{c(1)});
    const IndexMap map = simplify(dims, *compose(dims, pad, edge, cut, {}), cut, {});
    ASSERT_EQ(map.valid.size(), 1u);
    EXPECT_EQ(viewed(numbered({4}), map, {2}).data, (std::vector<u64>{fill, fill}));
}

TEST_F(IndexMapTest, pads_of_different_fill_are_not_joined) {
    const std::array operand{c(4)}, one{c(1)}, dense{c(0)}, wide{c(6)}, wider{c(8)};
    const IndexMap inner = pad_map(dims, operand, one, dense, 1, wide),
                   outer = pad_map(dims, wide, one, dense, 2, wider);
    EXPECT_FALSE(compose(dims, inner, outer, wider, {}));
    const IndexMap same = pad_map(dims, wide, one, dense, 1, wider);
    const auto joined = compose(dims, inner, same, wider, {});
    ASSERT_TRUE(joined);
    EXPECT_EQ(text(dims, simplify(dims, *joined, wider, {})), "d0 -> d0 - 2 where 0 <= d0 - 2 < 4");
}

TEST_F(IndexMapTest, a_symbolic_transpose_of_a_reshape_keeps_divisions_away) {
    // Attention heads: [n, 768] -> [n, 12, 64] -> [12, n, 64].
    const DimId n = dims.symbol("n");
    const std::array from{n, c(768)};
    const std::array heads{n, c(12), c(64)}, moved{c(12), n, c(64)};
    const IndexMap split = reshape_map(dims, from, heads, {}),
                   turn = transpose_map(dims, std::array<i64, 3>{1, 0, 2});
    const IndexMap there = *compose(dims, split, turn, moved, {});
    EXPECT_EQ(text(dims, there), "d0, d1, d2 -> d1, d0 * 64 + d2");
    // And back: transpose, then join.
    const IndexMap join = reshape_map(dims, heads, from, {});
    const IndexMap back = *compose(dims, *compose(dims, there, turn, heads, {}), join, from, {});
    EXPECT_TRUE(is_identity(dims, simplify(dims, back, from, {}))) << text(dims, back);
}

/// A chain of movement ops on a symbolic shape, with the same chain on real arrays at given sizes.
class Chain {
public:
    Chain(Dims& dims, u32 seed, bool symbolic) : dims_(dims), random_(seed) {
        if (symbolic)
            shape_ = {dims.symbol("n"), dims.symbol("m"), dims.constant(4)};
        else
            for (int k = 0; k < 3; ++k) shape_.push_back(dims.constant(1 + below(6)));
        operand = shape_;
        map = identity_map(dims, 3);
        for (int step = 0; step < 4; ++step) grow();
    }

    std::vector<DimId> operand;
    IndexMap map;
    std::vector<std::function<Array(const Array&, std::span<const i64>)>> steps;

    const std::vector<DimId>& shape() const { return shape_; }

private:
    int below(int end) { return static_cast<int>(random_() % static_cast<u32>(end)); }
    i64 at(DimId id, std::span<const i64> symbols) const { return dims_.evaluate(id, symbols); }

    std::vector<i64> at(std::span<const DimId> ids, std::span<const i64> symbols) const {
        std::vector<i64> values;
        for (DimId id : ids) values.push_back(at(id, symbols));
        return values;
    }

    void append(const IndexMap& outer, std::vector<DimId> shape) {
        const auto joined = compose(dims_, map, outer, shape, {});
        ASSERT_TRUE(joined);
        shape_ = std::move(shape);
        map = simplify(dims_, *joined, shape_, {});
    }

    void grow() {
        switch (below(5)) {
        case 0: return transpose();
        case 1: return slice();
        case 2: return pad();
        case 3: return reshape();
        default: return flip();
        }
    }

    void transpose() {
        std::vector<i64> permutation(shape_.size());
        std::iota(permutation.begin(), permutation.end(), 0);
        std::ranges::shuffle(permutation, random_);
        std::vector<DimId> shape;
        for (i64 axis : permutation) shape.push_back(shape_[static_cast<std::size_t>(axis)]);
        append(transpose_map(dims_, permutation), shape);
        steps.push_back([=](const Array& x, auto) { return transposed(x, permutation); });
    }

    void flip() {
        const i64 axis = below(static_cast<int>(shape_.size()));
        append(flip_map(dims_, shape_, std::array{axis}), shape_);
        steps.push_back([=](const Array& x, auto) {
            std::vector<i64> start(x.shape.size(), 0), step(x.shape.size(), 1);
            start[static_cast<std::size_t>(axis)] = x.shape[static_cast<std::size_t>(axis)] - 1;
            step[static_cast<std::size_t>(axis)] = -1;
            return sliced(x, start, step, x.shape);
        });
    }

    /// Every second element of an axis, from either end, or all but the first.
    void slice() {
        std::vector<DimId> start, step, shape;
        const DimId one = dims_.constant(1), two = dims_.constant(2);
        for (DimId extent : shape_) {
            const int what = below(4);
            const bool shorter = what == 3 && dims_.prove_not_negative(dims_.sub(extent, two));
            const DimId halves = dims_.divide(dims_.add(extent, one), two);
            start.push_back(what == 2 ? dims_.sub(extent, one) : dims_.constant(shorter ? 1 : 0));
            step.push_back(dims_.constant(what == 1 ? 2 : what == 2 ? -2 : 1));
            shape.push_back(what == 1 || what == 2 ? halves : shorter ? dims_.sub(extent, one) : extent);
        }
        append(slice_map(dims_, start, step), shape);
        steps.push_back([=, this](const Array& x, std::span<const i64> symbols) {
            return sliced(x, at(start, symbols), at(step, symbols), at(shape, symbols));
        });
    }

    void pad() {
        std::vector<DimId> low, interior, shape;
        std::vector<i64> lows, highs, interiors;
        for (DimId extent : shape_) {
            const i64 between = below(5) == 0 ? 1 + below(2) : 0;
            lows.push_back(below(3)), highs.push_back(below(3)), interiors.push_back(between);
            low.push_back(dims_.constant(lows.back()));
            interior.push_back(dims_.constant(between));
            // No chain makes an axis empty.
            const DimId inner =
                dims_.sub(dims_.mul(extent, dims_.constant(between + 1)), dims_.constant(between));
            shape.push_back(dims_.add(inner, dims_.constant(lows.back() + highs.back())));
        }
        append(pad_map(dims_, shape_, low, interior, fill, shape), shape);
        steps.push_back([=](const Array& x, auto) { return padded(x, lows, highs, interiors); });
    }

    /// Joins two neighbours, splits a constant axis, or both; sometimes everything is one axis.
    void reshape() {
        std::vector<DimId> shape;
        const int what = below(4);
        for (std::size_t k = 0; k < shape_.size(); ++k) {
            const auto extent = dims_.as_constant(shape_[k]);
            if (what == 0 && k > 0)
                shape.back() = dims_.mul(shape.back(), shape_[k]);
            else if (what == 1 && k == 1)
                shape.back() = dims_.mul(shape.back(), shape_[k]);
            else if (extent && *extent % 2 == 0 && what != 0)
                shape.insert(shape.end(), {dims_.constant(*extent / 2), dims_.constant(2)});
            else
                shape.push_back(shape_[k]);
        }
        if (what == 3) std::ranges::reverse(shape);
        const IndexMap outer = reshape_map(dims_, shape_, shape, {});
        append(outer, shape);
        steps.push_back([=, this](const Array& x, std::span<const i64> symbols) {
            return reshaped(x, at(shape, symbols));
        });
    }

    Dims& dims_;
    std::mt19937 random_;
    std::vector<DimId> shape_;
};

TEST_F(IndexMapTest, chains_of_movement_ops_on_constant_shapes_read_the_right_elements) {
    for (u32 seed = 0; seed < 300; ++seed) {
        const Chain chain(dims, seed, false);
        Array expected = numbered(values(chain.operand, {}));
        const Array x = expected;
        for (const auto& step : chain.steps) expected = step(expected, {});
        ASSERT_EQ(viewed(x, chain.map, values(chain.shape(), {})).data, expected.data)
            << seed << ": " << text(dims, chain.map);
    }
}

TEST_F(IndexMapTest, chains_of_movement_ops_on_symbolic_shapes_hold_at_all_sizes) {
    for (u32 seed = 0; seed < 200; ++seed) {
        const Chain chain(dims, seed + 1000, true);
        for (const std::array<i64, 2> sizes : {std::array<i64, 2>{1, 1}, {2, 3}, {5, 2}, {4, 7}}) {
            Array expected = numbered(values(chain.operand, sizes));
            const Array x = expected;
            for (const auto& step : chain.steps) expected = step(expected, sizes);
            ASSERT_EQ(viewed(x, chain.map, values(chain.shape(), sizes), sizes).data, expected.data)
                << seed << ": " << text(dims, chain.map);
        }
    }
}

TEST_F(IndexMapTest, reshapes_of_every_factoring_of_24_read_the_right_elements) {
    std::vector<std::vector<i64>> shapes;
    for (i64 a = 1; a <= 24; ++a)
        for (i64 b = 1; a * b <= 24; ++b)
            if (24 % (a * b) == 0) shapes.push_back({a, b, 24 / (a * b)});
    for (const auto& from : shapes) {
        for (const auto& to : shapes) {
            const IndexMap map = reshape_map(dims, constants(from), constants(to), {});
            ASSERT_EQ(viewed(numbered(from), map, to).data, numbered(to).data) << text(dims, map);
        }
    }
}

} // namespace
} // namespace heddle::ir
