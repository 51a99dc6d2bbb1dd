// Pooling: O9, against numbers worked out by hand.

#include "tests/frontend/fixture.h"

#include <heddle/nn.h>

#include <concepts>

using namespace heddle;
using namespace heddle::tests;
using nn::Pooling;

namespace {

class PoolingTest : public FrontendTest {};

// A plain value, for any thread, and no part of the parameter tree.
static_assert(std::is_trivially_copyable_v<Pooling> && std::is_aggregate_v<Pooling>);
static_assert(Sendable<Pooling> && !std::derived_from<Pooling, nn::Module>);
template <class T>
concept Listed = requires(nn::detail::MutableMembers list, T& member) { list.add("pooling", member); };
static_assert(Listed<nn::Linear> && Listed<nn::Parameter> && !Listed<Pooling>);

/// Two texts of three positions; of the first the last is padding, of the second the first two.
const std::vector<float> vectors{1, 8, 3, 2, 100, 100, -100, -100, 50, 50, 3, -4};
Array batch() { return Array::from(vectors, {2, 3, 2}); }
Array mask() { return Array{{1, 1, 0}, {0, 0, 1}}; }

TEST_F(PoolingTest, O9_each_strategy_looks_at_what_the_mask_lets_through) {
    auto pool = [](Pooling::Strategy strategy) { return floats(Pooling{strategy}(batch(), mask())); };
    EXPECT_EQ(pool(Pooling::Strategy::mean), (std::vector<float>{2, 5, 3, -4}));
    EXPECT_EQ(pool(Pooling::Strategy::max), (std::vector<float>{3, 8, 3, -4}));
    EXPECT_EQ(pool(Pooling::Strategy::first), (std::vector<float>{1, 8, 3, -4}));
    EXPECT_EQ(pool(Pooling::Strategy::last), (std::vector<float>{3, 2, 3, -4}));
}

TEST_F(PoolingTest, O9_without_a_mask_every_position_counts) {
    auto pool = [](Pooling::Strategy strategy) {
        return floats(Pooling{strategy}(Array::from(std::vector<float>{1, 2, 3, 4, 8, 0}, {1, 3, 2})));
    };
    EXPECT_EQ(pool(Pooling::Strategy::mean), (std::vector<float>{4, 2}));
    EXPECT_EQ(pool(Pooling::Strategy::max), (std::vector<float>{8, 4}));
    EXPECT_EQ(pool(Pooling::Strategy::first), (std::vector<float>{1, 2}));
    EXPECT_EQ(pool(Pooling::Strategy::last), (std::vector<float>{8, 0}));
}

TEST_F(PoolingTest, O9_normalized_vectors_have_length_one) {
    const Pooling pooling{Pooling::Strategy::last, true};
    const std::vector<float> pooled = floats(pooling(batch(), mask()));
    // One rounding of the root and one of the quotient.
    EXPECT_NEAR(pooled[2], 0.6f, 1e-7f);
    EXPECT_NEAR(pooled[3], -0.8f, 1e-7f);
    EXPECT_NEAR(pooled[0] * pooled[0] + pooled[1] * pooled[1], 1.0f, 1e-6f);
}

TEST_F(PoolingTest, O9_a_text_of_padding_gives_zeros) {
    for (const auto strategy :
         {Pooling::Strategy::mean, Pooling::Strategy::max, Pooling::Strategy::first, Pooling::Strategy::last})
        for (const bool normalize : {false, true})
            EXPECT_EQ(floats(Pooling{strategy, normalize}(batch(), zeros({2, 3}, Dtype::boolean))),
                      (std::vector<float>{0, 0, 0, 0}));
}

TEST_F(PoolingTest, O9_the_dtype_stays_and_padding_of_any_value_is_ignored) {
    const Array nan = full({1, 2, 2}, std::numeric_limits<float>::quiet_NaN());
    const Array padded = concatenate({ones({1, 1, 2}), nan}, 1);
    EXPECT_EQ(floats(Pooling{}(padded, Array{{1, 0, 0}})), (std::vector<float>{1, 1}));
    EXPECT_EQ(Pooling{}(cast(batch(), Dtype::f16), mask()).dtype(), Dtype::f16);
}

TEST_F(PoolingTest, O9_a_copy_is_equal_and_works_on_another_thread) {
    const Pooling pooling{Pooling::Strategy::max, true}, copy = pooling;
    EXPECT_EQ(copy, pooling);
    auto work = [](Pooling own, const MaterializedArray& x) { return own(x).to_vector<float>(); };
    EXPECT_EQ(run_on_thread(work, pooling, materialize(batch())).get(), floats(copy(batch())));
}

TEST_F(PoolingTest, wrong_shapes_are_errors) {
    EXPECT_TRUE(contains(message_of<ShapeError>([] { Pooling{}(ones({3, 2})); }), "given [3, 2]"));
    EXPECT_TRUE(contains(message_of<ShapeError>([] { Pooling{}(batch(), ones({2, 2})); }), "given [2, 2]"));
    EXPECT_TRUE(contains(message_of<ShapeError>([] { Pooling{}(batch(), ones({2})); }), "pooling_test.cpp"));
}

} // namespace
