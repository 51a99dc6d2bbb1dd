// Size expressions: one canonical form, the rules M2 to M5 (each with its case where the fact is missing), proofs, and
// evaluation.

#include "ir/dims.h"

#include <heddle/error.h>

#include <gtest/gtest.h>

#include <array>
#include <limits>

namespace heddle::ir {
namespace {

constexpr i64 largest = std::numeric_limits<i64>::max();

struct DimsTest : testing::Test {
    Dims dims;
    const DimId n = dims.symbol("n"), m = dims.symbol("m"), k = dims.symbol("k");
    const DimId d0 = dims.axis(0), d1 = dims.axis(1), d2 = dims.axis(2);

    DimId c(i64 value) { return dims.constant(value); }
    DimId add(DimId a, DimId b) { return dims.add(a, b); }
    DimId sub(DimId a, DimId b) { return dims.sub(a, b); }
    DimId mul(DimId a, DimId b) { return dims.mul(a, b); }
    DimId div(DimId a, DimId b, const Assumptions& assume = {}) { return dims.divide(a, b, assume); }
    DimId mod(DimId a, DimId b, const Assumptions& assume = {}) { return dims.modulo(a, b, assume); }
    Fact at_least(DimId a, i64 low) { return {c(low), Relation::less_equal, a}; }
    Fact at_most(DimId a, i64 high) { return {a, Relation::less_equal, c(high)}; }
    Fact equal(DimId a, DimId b) { return {a, Relation::equal, b}; }
};

// ---- canonical form ------------------------------------------------------------------------------------------

TEST_F(DimsTest, equal_polynomials_have_equal_ids) {
    EXPECT_EQ(mul(add(n, m), sub(n, m)), sub(mul(n, n), mul(m, m)));
    EXPECT_EQ(add(mul(n, c(3)), sub(m, mul(n, c(2)))), add(m, n));
    EXPECT_EQ(sub(add(n, c(5)), add(n, c(2))), c(3));
    EXPECT_EQ(mul(mul(n, m), k), mul(k, mul(m, n)));
    EXPECT_NE(mul(n, n), n);
    EXPECT_EQ(dims.product({}), c(1));
}

TEST_F(DimsTest, constants_fold_with_floor_semantics) {
    EXPECT_EQ(div(c(-7), c(2)), c(-4));
    EXPECT_EQ(mod(c(-7), c(2)), c(1));
    EXPECT_EQ(div(c(7), c(-2)), c(-4));
    EXPECT_EQ(mod(c(7), c(-2)), c(-1));
    EXPECT_EQ(dims.ceil_divide(c(9), c(4)), c(3));
    EXPECT_EQ(dims.ceil_divide(c(largest), c(2)), c(largest / 2 + 1));
    EXPECT_EQ(dims.minimum(c(3), c(-2)), c(-2));
    EXPECT_EQ(dims.as_constant(sub(n, n)), 0);
    EXPECT_FALSE(dims.as_constant(n));
}

TEST_F(DimsTest, a_negative_constant_divisor_floors_too) {
    const DimId quotient = div(add(n, c(1)), c(-4)), rest = mod(add(n, c(1)), c(-4));
    for (i64 value : {0, 1, 2, 3, 4, 9}) {
        const std::array symbols{value, i64{0}, i64{0}};
        EXPECT_EQ(dims.evaluate(quotient, symbols), dims.evaluate(div(c(value + 1), c(-4)), {}));
        EXPECT_EQ(dims.evaluate(rest, symbols), dims.evaluate(mod(c(value + 1), c(-4)), {}));
    }
}

TEST_F(DimsTest, symbols_are_found_again_by_name_and_fresh_ones_are_new) {
    EXPECT_EQ(dims.symbol("n"), n);
    const DimId fresh = dims.fresh_symbol("n"), other = dims.fresh_symbol("n");
    EXPECT_NE(fresh, n);
    EXPECT_NE(fresh, other);
    EXPECT_EQ(dims.text(fresh), "?n1");
    EXPECT_EQ(dims.symbol_count(), 5u);
    dims.symbol("p1");
    EXPECT_EQ(dims.text(dims.fresh_symbol("p")), "?p");
    EXPECT_EQ(dims.text(dims.fresh_symbol("p")), "?p2");
}

// ---- M2 to M5, each with what it needs ------------------------------------------------------------------------

TEST_F(DimsTest, m2_takes_multiples_of_the_divisor_out) {
    EXPECT_EQ(div(add(mul(d0, c(12)), d1), c(4)), add(mul(d0, c(3)), div(d1, c(4))));
    EXPECT_EQ(mod(add(mul(d0, c(12)), d1), c(4)), mod(d1, c(4)));
    EXPECT_EQ(div(add(mul(d0, c(5)), c(9)), c(4)), add(add(d0, c(2)), div(add(d0, c(1)), c(4))));
    EXPECT_NE(div(add(mul(d0, c(3)), d1), c(4)), div(d1, c(4)));
}

TEST_F(DimsTest, m2_with_a_symbolic_divisor) {
    EXPECT_EQ(div(add(mul(d0, m), d1), m), add(d0, div(d1, m)));
    EXPECT_EQ(mod(add(mul(d0, m), d1), m), mod(d1, m));
    const DimId wide = add(m, c(4));
    EXPECT_EQ(div(add(mul(d0, wide), d1), wide), add(d0, div(d1, wide)));
    EXPECT_EQ(mod(add(mul(d0, wide), d1), wide), mod(d1, wide));
    EXPECT_EQ(div(mul(mul(n, m), k), mul(n, m)), k);
    EXPECT_NE(div(add(mul(d0, n), d1), m), add(d0, div(d1, m)));
}

TEST_F(DimsTest, m2_keeps_dividends_from_becoming_negative) {
    // 11 - d0 is an index; 3 - d0 is not.
    const std::array extents{c(12)};
    EXPECT_EQ(dims.text(div(sub(c(11), d0), c(4), {extents, {}})), "(11 - d0) / 4");
    EXPECT_EQ(dims.text(div(sub(sub(mul(n, m), c(1)), d0), m)), "(?m * ?n - d0 - 1) / ?m");
    EXPECT_EQ(dims.text(div(sub(d0, c(2)), c(4))), "(d0 + 2) / 4 - 1");
}

TEST_F(DimsTest, m3_drops_the_division_of_what_is_smaller) {
    const std::array extents{c(12), m};
    const Assumptions assume{extents, {}};
    EXPECT_EQ(div(d0, c(12), assume), c(0));
    EXPECT_EQ(mod(d0, c(12), assume), d0);
    EXPECT_EQ(div(d1, m, assume), c(0));
    EXPECT_EQ(mod(d1, m, assume), d1);
    EXPECT_EQ(div(add(mul(d0, m), d1), m, assume), d0);
    EXPECT_EQ(mod(add(mul(d0, m), d1), m, assume), d1);
    // Without the extent, with a divisor that is too small, with a sum that may be negative.
    EXPECT_NE(div(d0, c(12)), c(0));
    EXPECT_NE(mod(d0, c(11), assume), d0);
    EXPECT_NE(div(sub(d0, c(1)), c(12), assume), c(0));
}

TEST_F(DimsTest, m3_by_facts_about_symbols) {
    const std::array facts{at_most(n, 100)};
    EXPECT_EQ(div(n, c(101), {{}, facts}), c(0));
    EXPECT_NE(div(n, c(100), {{}, facts}), c(0));
    EXPECT_NE(div(n, c(101)), c(0));
    const std::array ordered{Fact{n, Relation::less, m}};
    EXPECT_EQ(mod(n, m, {{}, ordered}), n);
    EXPECT_NE(mod(n, m), n);
    EXPECT_NE(mod(m, n, {{}, ordered}), m);
}

TEST_F(DimsTest, m4_joins_nested_divisions) {
    EXPECT_EQ(div(div(d0, c(3)), c(4)), div(d0, c(12)));
    EXPECT_EQ(div(div(d0, n), m), div(d0, mul(n, m)));
    EXPECT_EQ(mod(mod(d0, c(12)), c(4)), mod(d0, c(4)));
    EXPECT_EQ(mod(mod(d0, mul(n, m)), m), mod(d0, m));
    EXPECT_EQ(div(mod(d0, c(12)), c(4)), mod(div(d0, c(4)), c(3)));
    EXPECT_EQ(div(mod(d0, mul(n, m)), m), mod(div(d0, m), n));
    // 4 does not divide 14.
    EXPECT_NE(mod(mod(d0, c(14)), c(4)), mod(d0, c(4)));
    EXPECT_EQ(dims.text(div(mod(d0, c(14)), c(4))), "d0 % 14 / 4");
}

TEST_F(DimsTest, m4_drops_the_remainder_of_a_small_quotient) {
    const std::array extents{c(24), mul(n, m)};
    const Assumptions assume{extents, {}};
    EXPECT_EQ(mod(div(d0, c(4)), c(6), assume), div(d0, c(4)));
    EXPECT_NE(mod(div(d0, c(4)), c(5), assume), div(d0, c(4)));
    EXPECT_EQ(mod(div(d1, m), n, assume), div(d1, m));
    EXPECT_NE(mod(div(d1, m), n), div(d1, m));
}

TEST_F(DimsTest, common_factors_leave_dividend_and_divisor) {
    const std::array extents{n, c(4), m};
    const Assumptions assume{extents, {}};
    const DimId x = add(mul(d0, c(4)), d1);
    EXPECT_EQ(div(x, c(8), assume), div(d0, c(2)));
    EXPECT_EQ(mod(x, c(8), assume), add(mul(mod(d0, c(2)), c(4)), d1));
    EXPECT_EQ(div(add(mul(d0, c(4)), c(3)), c(8)), div(d0, c(2)));
    EXPECT_EQ(div(add(mul(d0, m), d2), mul(m, c(4)), assume), div(d0, c(4)));
    EXPECT_NE(div(x, c(8)), div(d0, c(2)));
}

TEST_F(DimsTest, m5_puts_quotient_and_remainder_together) {
    EXPECT_EQ(add(mul(div(d0, c(4)), c(4)), mod(d0, c(4))), d0);
    EXPECT_EQ(add(mul(div(d0, m), m), mod(d0, m)), d0);
    EXPECT_EQ(add(mul(mul(div(d0, m), m), k), mul(mod(d0, m), k)), mul(d0, k));
    const DimId x = add(mul(d0, n), d1);
    EXPECT_EQ(add(mul(div(x, c(7)), c(7)), mod(x, c(7))), x);
    EXPECT_EQ(sub(mul(div(d0, c(-4)), c(-4)), sub(c(0), mod(d0, c(-4)))), d0);
    // Another divisor, another factor.
    EXPECT_NE(add(mul(div(d0, c(4)), c(3)), mod(d0, c(4))), d0);
    EXPECT_NE(add(mul(div(d0, c(5)), c(4)), mod(d0, c(4))), d0);
}

TEST_F(DimsTest, m5_puts_the_digits_of_a_number_together) {
    DimId x = mul(div(d0, c(12)), c(12));
    x = add(x, mul(mod(div(d0, c(4)), c(3)), c(4)));
    EXPECT_EQ(add(x, mod(d0, c(4))), d0);
    x = mul(div(d0, mul(n, m)), mul(n, m));
    x = add(x, mul(mod(div(d0, m), n), m));
    EXPECT_EQ(add(x, mod(d0, m)), d0);
}

TEST_F(DimsTest, minimum_and_maximum_of_what_is_ordered) {
    EXPECT_EQ(dims.minimum(n, add(n, m)), n);
    EXPECT_EQ(dims.maximum(n, add(n, c(1))), add(n, c(1)));
    EXPECT_EQ(dims.minimum(n, m), dims.minimum(m, n));
    const std::array facts{Fact{n, Relation::less_equal, m}};
    EXPECT_EQ(dims.maximum(n, m, {{}, facts}), m);
    EXPECT_NE(dims.maximum(n, m), m);
}

// ---- facts ---------------------------------------------------------------------------------------------------

TEST_F(DimsTest, bounds_of_symbols_prove) {
    const std::array facts{at_least(n, 1), at_most(m, 64)};
    const Assumptions assume{{}, facts};
    EXPECT_TRUE(dims.prove_not_negative(sub(n, c(1)), assume));
    EXPECT_FALSE(dims.prove_not_negative(sub(n, c(1))));
    EXPECT_FALSE(dims.prove_not_negative(sub(n, c(2)), assume));
    EXPECT_TRUE(dims.prove_not_negative(sub(mul(n, m), m), assume));
    EXPECT_FALSE(dims.prove_not_negative(sub(mul(n, m), m)));
    EXPECT_TRUE(dims.prove_less(m, c(65), assume));
    EXPECT_FALSE(dims.prove_less(m, c(64), assume));
    EXPECT_EQ(dims.upper_bound(add(m, c(1)), assume), 65);
    EXPECT_EQ(dims.upper_bound(n, assume), std::nullopt);
    EXPECT_EQ(dims.lower_bound(sub(n, m), assume), -63);
}

TEST_F(DimsTest, a_size_that_is_not_zero_is_at_least_one) {
    const std::array facts{Fact{n, Relation::not_equal, c(0)}};
    EXPECT_EQ(dims.lower_bound(n, {{}, facts}), 1);
    EXPECT_EQ(dims.lower_bound(n), 0);
}

TEST_F(DimsTest, facts_chain) {
    const std::array facts{Fact{n, Relation::less, m}, Fact{m, Relation::less_equal, k}, at_most(k, 10)};
    const Assumptions assume{{}, facts};
    EXPECT_TRUE(dims.prove_less(n, k, assume));
    EXPECT_FALSE(dims.prove_less(k, n, assume));
    EXPECT_TRUE(dims.prove_less(n, c(10), assume));
    EXPECT_FALSE(dims.prove_less(n, c(9), assume));
    EXPECT_EQ(dims.upper_bound(n, assume), 9);
}

TEST_F(DimsTest, a_fact_about_a_product_bounds_it) {
    const std::array facts{at_most(mul(n, m), 1000)};
    EXPECT_EQ(dims.upper_bound(mul(n, m), {{}, facts}), 1000);
    EXPECT_EQ(dims.upper_bound(add(mul(mul(n, m), c(4)), c(3)), {{}, facts}), 4003);
    EXPECT_EQ(dims.upper_bound(n, {{}, facts}), std::nullopt); // m may be 0
    const std::array extents{n, m};
    EXPECT_EQ(dims.upper_bound(add(mul(d0, m), d1), {extents, facts}), 999);
}

TEST_F(DimsTest, equalities_determine_symbols) {
    const std::array facts{equal(m, c(768)), equal(k, mul(n, c(2)))};
    const Assumptions assume{{}, facts};
    EXPECT_TRUE(dims.prove_equal(mul(c(12), c(64)), m, assume));
    EXPECT_TRUE(dims.prove_equal(mul(k, m), mul(n, c(1536)), assume));
    EXPECT_FALSE(dims.prove_equal(m, c(768)));
    EXPECT_FALSE(dims.prove_equal(n, k, assume));
    EXPECT_EQ(dims.upper_bound(m, assume), 768);
    EXPECT_EQ(div(add(mul(d0, m), m), c(768), assume), add(d0, c(1)));
}

TEST_F(DimsTest, an_equality_of_products_is_used) {
    const std::array facts{equal(mul(n, m), mul(k, c(12)))};
    EXPECT_TRUE(dims.prove_equal(mul(mul(n, m), d0), mul(mul(k, d0), c(12)), {{}, facts}));
    EXPECT_FALSE(dims.prove_equal(mul(n, m), mul(k, c(12))));
}

TEST_F(DimsTest, an_axis_that_has_an_index_has_an_element) {
    const std::array extents{n, m};
    const Assumptions assume{extents, {}};
    EXPECT_TRUE(dims.prove_less(d0, mul(n, n), assume));
    EXPECT_FALSE(dims.prove_less(d0, mul(n, m), assume)); // m may be 0
    EXPECT_TRUE(dims.prove_less(add(mul(d0, m), d1), mul(n, m), assume));
    EXPECT_FALSE(dims.prove_not_negative(sub(n, c(1)), assume)); // no index, no element
}

TEST_F(DimsTest, divisibility_follows_from_coefficients_and_facts) {
    const std::array facts{equal(mod(n, c(8)), c(0))};
    const Assumptions assume{{}, facts};
    EXPECT_TRUE(dims.prove_divisible(add(mul(n, m), c(16)), 8, assume));
    EXPECT_FALSE(dims.prove_divisible(add(mul(n, m), c(12)), 8, assume));
    EXPECT_TRUE(dims.prove_divisible(add(mul(n, c(2)), c(16)), 16, assume));
    EXPECT_FALSE(dims.prove_divisible(n, 8));
    EXPECT_TRUE(dims.prove_divisible(mul(n, c(8)), 8));
    EXPECT_EQ(mod(n, c(4), assume), c(0));
    EXPECT_EQ(mod(add(n, d0), c(4), assume), mod(d0, c(4)));
    EXPECT_EQ(dims.simplify(mul(div(n, c(4)), c(4)), assume), n);
    EXPECT_NE(dims.simplify(mul(div(n, c(4)), c(4)), {}), n);
}

TEST_F(DimsTest, quotients_and_remainders_are_bounded) {
    const std::array extents{mul(n, m), c(30)};
    const Assumptions assume{extents, {}};
    EXPECT_TRUE(dims.prove_less(div(d0, m), n, assume));
    EXPECT_FALSE(dims.prove_less(div(d0, n), n, assume));
    EXPECT_TRUE(dims.prove_less(mod(d0, m), m, assume));
    EXPECT_TRUE(dims.prove_less(div(d1, c(7)), c(5), assume));
    EXPECT_FALSE(dims.prove_less(div(d1, c(7)), c(4), assume));
    EXPECT_EQ(dims.upper_bound(div(d1, c(7)), assume), 4);
    EXPECT_EQ(dims.upper_bound(mod(d1, c(7)), assume), 6);
    EXPECT_TRUE(dims.prove_not_negative(sub(n, mul(div(n, c(4)), c(4)))));
    EXPECT_TRUE(dims.prove_less(dims.minimum(d1, n), c(30), assume));
    EXPECT_TRUE(dims.prove_not_negative(sub(dims.maximum(n, c(3)), c(3))));
    EXPECT_FALSE(dims.prove_not_negative(sub(dims.minimum(n, c(3)), c(3))));
}

// ---- rewriting, evaluation, text -----------------------------------------------------------------------------

TEST_F(DimsTest, substitution_replaces_leaves_everywhere) {
    const DimId x = add(mul(div(d0, c(4)), n), d1);
    EXPECT_EQ(dims.substitute(x, std::array{add(mul(d1, c(4)), c(3)), c(0)}), mul(d1, n));
    EXPECT_EQ(dims.substitute(x, {}, std::array{c(0)}), d1);
    EXPECT_EQ(dims.substitute(x, std::array{DimId{}, c(2)}), add(mul(div(d0, c(4)), n), c(2)));
}

TEST_F(DimsTest, an_axis_coefficient_is_there_when_the_rest_is_free_of_the_axis) {
    const DimId x = add(add(mul(d0, mul(m, c(4))), d1), div(d2, c(3)));
    EXPECT_EQ(dims.axis_coefficient(x, 0), mul(m, c(4)));
    EXPECT_EQ(dims.axis_coefficient(x, 1), c(1));
    EXPECT_EQ(dims.axis_coefficient(x, 2), std::nullopt);
    EXPECT_EQ(dims.axis_coefficient(x, 3), c(0));
    EXPECT_EQ(dims.axis_coefficient(mul(d0, d0), 0), std::nullopt);
    EXPECT_EQ(dims.axis_coefficient(mul(d0, div(d0, c(2))), 0), std::nullopt);
    EXPECT_TRUE(dims.mentions_axis(x, 2));
    EXPECT_FALSE(dims.mentions_axis(x, 3));
    const DimId far = add(div(dims.axis(70), c(3)), d0);
    EXPECT_TRUE(dims.mentions_axis(far, 70));
    EXPECT_FALSE(dims.mentions_axis(far, 71));
}

TEST_F(DimsTest, another_table_gives_the_same_expression) {
    const DimId x = add(mul(div(add(n, d1), m), k), dims.minimum(n, mul(m, c(3))));
    Dims other;
    const DimId there_k = other.symbol("k");
    const DimId there = other.import(dims, x);
    EXPECT_EQ(other.text(there), dims.text(x));
    EXPECT_EQ(other.symbol("k"), there_k);
    EXPECT_EQ(other.import(dims, k), there_k);
}

TEST_F(DimsTest, overflow_and_division_by_zero_are_shape_errors) {
    const DimId square = mul(n, n);
    EXPECT_EQ(dims.evaluate(square, std::array<i64, 1>{3037000499}), 3037000499 * 3037000499);
    EXPECT_THROW(dims.evaluate(square, std::array<i64, 1>{3037000500}), ShapeError);
    EXPECT_THROW(dims.evaluate(add(n, m), std::array<i64, 2>{largest, 1}), ShapeError);
    EXPECT_THROW(dims.evaluate(div(n, m), std::array<i64, 2>{1, 0}), ShapeError);
    EXPECT_THROW(dims.evaluate(mod(n, m), std::array<i64, 2>{1, 0}), ShapeError);
    EXPECT_THROW(mul(c(largest), c(2)), ShapeError);
    EXPECT_THROW(add(mul(n, c(largest)), n), ShapeError);
    EXPECT_THROW(div(n, c(0)), ShapeError);
    EXPECT_FALSE(dims.prove_less(c(largest), add(n, c(largest))));
    EXPECT_THROW(dims.evaluate(n, {}), InternalError);
}

TEST_F(DimsTest, facts_are_checked_with_values) {
    const std::array values{i64{3}, i64{4}};
    EXPECT_TRUE(dims.holds({n, Relation::less, m}, values));
    EXPECT_FALSE(dims.holds({m, Relation::less_equal, n}, values));
    EXPECT_TRUE(dims.holds({mod(m, c(2)), Relation::equal, c(0)}, values));
    EXPECT_FALSE(dims.holds({n, Relation::not_equal, c(3)}, values));
}

TEST_F(DimsTest, text_is_short_and_does_not_depend_on_the_order_of_making) {
    EXPECT_EQ(dims.text(add(mul(n, c(4)), div(d0, c(2)))), "?n * 4 + d0 / 2");
    EXPECT_EQ(dims.text(add(mul(d0, n), d1)), "d0 * ?n + d1");
    EXPECT_EQ(dims.text(sub(sub(n, c(1)), d0)), "?n - d0 - 1");
    EXPECT_EQ(dims.text(mul(div(d0, c(2)), c(64))), "d0 / 2 * 64");
    EXPECT_EQ(dims.text(mul(n, mod(d0, m))), "d0 % ?m * ?n");
    EXPECT_EQ(dims.text(div(add(d0, d1), add(n, c(1)))), "(d0 + d1) / (?n + 1)");
    EXPECT_EQ(dims.text(div(d0, mul(n, c(2)))), "d0 / (?n * 2)");
    EXPECT_EQ(dims.text(dims.minimum(m, n)), "min(?m, ?n)");
    EXPECT_EQ(dims.text(sub(c(-3), n)), "?n * -1 - 3");
    EXPECT_EQ(dims.text(c(-3)), "-3");
    EXPECT_EQ(dims.text(Fact{mul(n, c(2)), Relation::less_equal, c(7)}), "?n * 2 <= 7");
    Dims other;
    const DimId b = other.symbol("n"), a = other.symbol("k");
    EXPECT_EQ(other.text(other.add(b, a)), dims.text(add(n, k)));
}

} // namespace
} // namespace heddle::ir
