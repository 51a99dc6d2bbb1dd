// Any size expression: random ones keep their value under every rule, what is proven of them holds, and their text
// reads back.

#include "ir/dims.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>

namespace heddle::ir {
namespace {

/// An expression as it was written, evaluated without any rule.
struct Tree {
    enum Kind { number, symbol, axis, add, sub, mul, div, mod, min, max } kind = number;
    i64 value = 0;
    std::vector<Tree> parts;

    i64 evaluate(std::span<const i64> symbols, std::span<const i64> axes) const {
        if (kind == number) return value;
        if (kind == symbol) return symbols[static_cast<std::size_t>(value)];
        if (kind == axis) return axes[static_cast<std::size_t>(value)];
        const i64 a = parts[0].evaluate(symbols, axes), b = parts[1].evaluate(symbols, axes);
        if (kind == add) return a + b;
        if (kind == sub) return a - b;
        if (kind == mul) return a * b;
        if (kind == min) return std::min(a, b);
        if (kind == max) return std::max(a, b);
        i64 remainder = a % b;
        if (remainder < 0) remainder += b;
        return kind == mod ? remainder : (a - remainder) / b;
    }

    DimId build(Dims& dims, const Assumptions& assume) const {
        if (kind == number) return dims.constant(value);
        if (kind == symbol) return dims.symbol(std::string(1, static_cast<char>('a' + value)));
        if (kind == axis) return dims.axis(static_cast<u32>(value));
        const DimId a = parts[0].build(dims, assume), b = parts[1].build(dims, assume);
        if (kind == add) return dims.add(a, b);
        if (kind == sub) return dims.sub(a, b);
        if (kind == mul) return dims.mul(a, b);
        if (kind == div) return dims.divide(a, b, assume);
        if (kind == mod) return dims.modulo(a, b, assume);
        return kind == min ? dims.minimum(a, b, assume) : dims.maximum(a, b, assume);
    }
};

/// Random trees over three symbols and three axes, whose divisors are positive.
class Forest {
public:
    explicit Forest(u32 seed) : random_(seed) {}

    int below(int end) { return static_cast<int>(random_() % static_cast<u32>(end)); }

    Tree tree(int depth) {
        if (depth == 0 || below(8) == 0) return leaf();
        Tree tree;
        static constexpr std::array kinds{Tree::add, Tree::add, Tree::sub, Tree::mul, Tree::div,
                                          Tree::div, Tree::mod, Tree::mod, Tree::min, Tree::max};
        tree.kind = kinds[static_cast<std::size_t>(below(10))];
        tree.parts.push_back(this->tree(depth - 1));
        const bool divides = tree.kind == Tree::div || tree.kind == Tree::mod;
        tree.parts.push_back(divides ? divisor() : this->tree(depth - 1));
        return tree;
    }

    Tree leaf() {
        const int what = below(3);
        if (what == 0) return {Tree::number, below(14) - 3, {}};
        return {what == 1 ? Tree::symbol : Tree::axis, below(3), {}};
    }

    /// A number, a symbol that is at least 1, or a product or sum of those.
    Tree divisor() {
        const int what = below(5);
        if (what < 2) return {Tree::number, 1 + below(12), {}};
        const Tree size{Tree::symbol, below(3), {}};
        if (what == 2) return size;
        return {what == 3 ? Tree::mul : Tree::add, 0, {size, {Tree::number, 1 + below(4), {}}}};
    }

private:
    std::mt19937 random_;
};

/// Symbols a, b, c in [1, 6] and axes within extents made of them.
struct World {
    Dims dims;
    std::vector<DimId> symbols{dims.symbol("a"), dims.symbol("b"), dims.symbol("c")};
    std::vector<DimId> extents;
    std::vector<Fact> facts;
    std::vector<std::vector<i64>> symbol_values, axis_values;

    explicit World(Forest& forest) {
        for (DimId symbol : symbols) facts.push_back({dims.constant(1), Relation::less_equal, symbol});
        const std::array optional{
            Fact{symbols[0], Relation::less_equal, dims.constant(4)},
            Fact{symbols[0], Relation::less, symbols[1]},
            Fact{symbols[1], Relation::equal, dims.constant(4)},
            Fact{dims.modulo(symbols[2], dims.constant(2)), Relation::equal, dims.constant(0)},
            Fact{symbols[2], Relation::equal, dims.mul(symbols[0], dims.constant(2))},
            Fact{dims.mul(symbols[0], symbols[1]), Relation::less_equal, dims.constant(12)},
        };
        for (const Fact& fact : optional)
            if (forest.below(4) == 0) facts.push_back(fact);
        const std::array sizes{symbols[0], symbols[1], dims.mul(symbols[1], symbols[2]), dims.constant(4),
                               dims.constant(6)};
        for (int k = 0; k < 3; ++k) extents.push_back(sizes[static_cast<std::size_t>(forest.below(5))]);
        for (int tries = 0; tries < 400 && symbol_values.size() < 24; ++tries) add_point(forest);
    }

    void add_point(Forest& forest) {
        std::vector<i64> values, axes;
        for (int k = 0; k < 3; ++k) values.push_back(1 + forest.below(6));
        for (const Fact& fact : facts)
            if (!dims.holds(fact, values)) return;
        for (DimId extent : extents)
            axes.push_back(forest.below(static_cast<int>(dims.evaluate(extent, values))));
        symbol_values.push_back(values);
        axis_values.push_back(axes);
    }

    Assumptions assume() const { return {extents, facts}; }
};

TEST(DimsProperty, simplified_expressions_have_the_value_of_what_was_written) {
    for (u32 seed = 0; seed < 1000; ++seed) {
        Forest forest(seed);
        World world(forest);
        const Tree tree = forest.tree(4);
        const DimId plain = tree.build(world.dims, {}), built = tree.build(world.dims, world.assume());
        const DimId simplified = world.dims.simplify(plain, world.assume());
        for (std::size_t k = 0; k < world.symbol_values.size(); ++k) {
            const auto &symbols = world.symbol_values[k], &axes = world.axis_values[k];
            const i64 expected = tree.evaluate(symbols, axes);
            ASSERT_EQ(world.dims.evaluate(plain, symbols, axes), expected)
                << seed << ": " << world.dims.text(plain);
            ASSERT_EQ(world.dims.evaluate(built, symbols, axes), expected)
                << seed << ": " << world.dims.text(built);
            ASSERT_EQ(world.dims.evaluate(simplified, symbols, axes), expected)
                << seed << ": " << world.dims.text(simplified);
        }
    }
}

TEST(DimsProperty, what_is_proven_holds) {
    int proven = 0, bounded = 0;
    for (u32 seed = 0; seed < 1000; ++seed) {
        Forest forest(seed + 100'000);
        World world(forest);
        Dims& dims = world.dims;
        const DimId a = forest.tree(3).build(dims, {}), b = forest.tree(2).build(dims, {});
        const bool not_negative = dims.prove_not_negative(a, world.assume()),
                   less = dims.prove_less(a, b, world.assume());
        const bool even = dims.prove_divisible(a, 2, world.assume()),
                   equal = dims.prove_equal(a, b, world.assume());
        const auto low = dims.lower_bound(a, world.assume()), high = dims.upper_bound(a, world.assume());
        proven += not_negative + less + even;
        bounded += high.has_value();
        for (std::size_t k = 0; k < world.symbol_values.size(); ++k) {
            const auto &symbols = world.symbol_values[k], &axes = world.axis_values[k];
            const i64 value = dims.evaluate(a, symbols, axes), other = dims.evaluate(b, symbols, axes);
            const std::string what = std::to_string(seed) + ": " + dims.text(a) + " and " + dims.text(b);
            if (not_negative) {
                ASSERT_GE(value, 0) << what;
            }
            if (less) {
                ASSERT_LT(value, other) << what;
            }
            if (equal) {
                ASSERT_EQ(value, other) << what;
            }
            if (even) {
                ASSERT_EQ(value % 2, 0) << what;
            }
            if (low) {
                ASSERT_GE(value, *low) << what;
            }
            if (high) {
                ASSERT_LE(value, *high) << what;
            }
        }
    }
    // The proofs are of use; of 3000 questions and 1000 bounds about as many as when this was written.
    EXPECT_GE(proven, 950);
    EXPECT_GE(bounded, 520);
}

TEST(DimsProperty, no_rule_makes_a_dividend_negative) {
    // Every quotient and remainder in the result, where it is evaluated on indices and sizes, has a dividend that is
    // not negative, if the one that was written is not.
    for (u32 seed = 0; seed < 2000; ++seed) {
        Forest forest(seed + 200'000);
        World world(forest);
        Dims& dims = world.dims;
        const Tree inner = forest.tree(2);
        const DimId dividend = inner.build(dims, {});
        const bool plain = std::ranges::none_of(dims.terms(dividend), [&](const Term& term) {
            return std::ranges::any_of(term.atoms,
                                       [&](AtomId id) { return dims.atom(id).kind > AtomKind::axis; });
        });
        if (!plain || !dims.prove_not_negative(dividend, world.assume())) continue;
        const DimId divisor = forest.divisor().build(dims, {});
        for (DimId result : {dims.divide(dividend, divisor, world.assume()),
                             dims.modulo(dividend, divisor, world.assume())}) {
            for (const Term& term : dims.terms(result)) {
                for (AtomId id : term.atoms) {
                    const Atom atom = dims.atom(id);
                    if (atom.kind != AtomKind::divide && atom.kind != AtomKind::modulo) continue;
                    for (std::size_t k = 0; k < world.symbol_values.size(); ++k)
                        ASSERT_GE(dims.evaluate(atom.left, world.symbol_values[k], world.axis_values[k]), 0)
                            << seed << ": " << dims.text(dividend) << " by " << dims.text(divisor) << " is "
                            << dims.text(result);
                }
            }
        }
    }
}

/// The grammar of `expr`, read without any knowledge of the rest.
class Reader {
public:
    Reader(Dims& dims, std::string_view text) : dims_(dims), rest_(text) {}

    DimId expression() {
        DimId left = product();
        for (skip(); !rest_.empty() && (rest_[0] == '+' || rest_[0] == '-'); skip()) {
            const bool plus = take() == '+';
            const DimId right = product();
            left = plus ? dims_.add(left, right) : dims_.sub(left, right);
        }
        return left;
    }

private:
    void skip() {
        while (!rest_.empty() && rest_[0] == ' ') rest_.remove_prefix(1);
    }
    char take() {
        const char first = rest_.at(0);
        rest_.remove_prefix(1);
        return first;
    }
    DimId product() {
        DimId left = leaf();
        for (skip(); !rest_.empty() && std::string_view("*/%").find(rest_[0]) != std::string_view::npos;
             skip()) {
            const char mark = take();
            const DimId right = leaf();
            left = mark == '*'   ? dims_.mul(left, right)
                   : mark == '/' ? dims_.divide(left, right)
                                 : dims_.modulo(left, right);
        }
        return left;
    }
    DimId leaf() {
        skip();
        const char first = take();
        if (first == '(') return closed(expression());
        if (first == '?') return dims_.symbol(std::string(1, take()));
        if (first == 'd') return dims_.axis(static_cast<u32>(take() - '0'));
        if (first == 'm') {
            const bool smaller = take() == 'i';
            rest_.remove_prefix(2);
            const DimId a = expression();
            take();
            const DimId b = closed(expression());
            return smaller ? dims_.minimum(a, b) : dims_.maximum(a, b);
        }
        i64 value = first == '-' ? 0 : first - '0';
        while (!rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9') value = value * 10 + (take() - '0');
        return dims_.constant(first == '-' ? -value : value);
    }
    DimId closed(DimId inside) {
        skip();
        EXPECT_EQ(take(), ')');
        return inside;
    }

    Dims& dims_;
    std::string_view rest_;
};

TEST(DimsProperty, text_reads_back_as_the_same_expression) {
    for (u32 seed = 0; seed < 1000; ++seed) {
        Forest forest(seed + 300'000);
        World world(forest);
        const DimId made = forest.tree(4).build(world.dims, {});
        const std::string text = world.dims.text(made);
        ASSERT_EQ(Reader(world.dims, text).expression(), made) << seed << ": " << text;
        Dims other;
        ASSERT_EQ(other.text(Reader(other, text).expression()), text) << seed;
    }
}

// ---- cost ----------------------------------------------------------------------------------------------------

TEST(DimsCost, deep_expressions_are_rebuilt_once_a_part) {
    // Each level names the last one three times: 3^60 as a tree.
    Dims dims;
    DimId x = dims.add(dims.symbol("n"), dims.axis(0));
    for (int level = 0; level < 60; ++level) {
        const DimId part = dims.modulo(dims.mul(x, dims.constant(3)), dims.constant(1000 + level));
        x = dims.minimum(dims.add(part, dims.constant(level)), dims.divide(x, dims.constant(2)));
    }
    const DimId replaced = dims.substitute(x, std::array{dims.constant(5)});
    EXPECT_FALSE(dims.mentions_any_axis(replaced));
    EXPECT_EQ(dims.evaluate(replaced, std::array<i64, 1>{7}),
              dims.evaluate(x, std::array<i64, 1>{7}, std::array<i64, 1>{5}));
    Dims other;
    EXPECT_EQ(other.evaluate(other.import(dims, x), std::array<i64, 1>{7}, std::array<i64, 1>{5}),
              dims.evaluate(x, std::array<i64, 1>{7}, std::array<i64, 1>{5}));
}

} // namespace
} // namespace heddle::ir
