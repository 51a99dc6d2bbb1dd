// The layers, against plain loops or numbers worked out by hand.

#include "tests/frontend/fixture.h"

#include <heddle/nn.h>

#include <algorithm>
#include <cmath>

using namespace heddle;
using namespace heddle::tests;

namespace {

class Layers : public FrontendTest {};

TEST_F(Layers, linear_multiplies_and_adds) {
    nn::Linear linear(2, 3, random::key(1));
    linear.weight = Array{{1.f, 2.f}, {3.f, 4.f}, {5.f, 6.f}};
    linear.bias = Array{10.f, 20.f, 30.f};
    EXPECT_EQ(floats(linear(Array{1.f, 1.f})), (std::vector<float>{13, 27, 41}));
    EXPECT_EQ(floats(linear(Array{{1.f, 0.f}, {0.f, 1.f}})), (std::vector<float>{11, 23, 35, 12, 24, 36}));
    EXPECT_EQ(linear(zeros({4, 5, 2})).shape(), (Shape{4, 5, 3}));
    linear.bias = nn::Parameter();
    EXPECT_EQ(floats(linear(Array{1.f, 1.f})), (std::vector<float>{3, 7, 11}));
}

TEST_F(Layers, linear_is_drawn_from_its_bounds) {
    const nn::Linear linear(16, 64, random::key(3));
    std::vector<float> all = floats(linear.weight);
    const std::vector<float> bias = floats(linear.bias);
    all.insert(all.end(), bias.begin(), bias.end());
    const auto [low, high] = std::ranges::minmax(all);
    EXPECT_GE(low, -0.25f);
    EXPECT_LT(high, 0.25f);
    // 1088 draws leave less than a tenth of the range empty at either end.
    EXPECT_LT(low, -0.2f);
    EXPECT_GT(high, 0.2f);
    EXPECT_FALSE(nn::Linear(2, 2, random::key(1), false).bias.has_value());
}

TEST_F(Layers, embedding_looks_rows_up_and_scores_them) {
    nn::Embedding embedding(3, 2, random::key(1));
    embedding.weight = Array{{1.f, 2.f}, {3.f, 4.f}, {5.f, 6.f}};
    EXPECT_EQ(floats(embedding(Array{2, 0})), (std::vector<float>{5, 6, 1, 2}));
    EXPECT_EQ(embedding(Array{{1, 1}, {0, 2}}).shape(), (Shape{2, 2, 2}));
    EXPECT_EQ(floats(embedding.scores(Array{1.f, 1.f})), (std::vector<float>{3, 7, 11}));
}

TEST_F(Layers, norms_scale_rows) {
    const Array x{{1.f, -1.f}, {3.f, 5.f}};
    nn::LayerNorm centred(2, {.epsilon = 0.0f});
    EXPECT_EQ(floats(centred(x)), (std::vector<float>{1, -1, -1, 1}));
    centred.weight = Array{2.f, 3.f};
    centred.bias = Array{0.f, 1.f};
    EXPECT_EQ(floats(centred(x)), (std::vector<float>{2, -2, -2, 4}));
    const nn::LayerNorm plain(2, {.weight = false, .bias = false});
    EXPECT_TRUE(plain.parameters().empty());
    nn::RMSNorm rms(2, {.epsilon = 0.0f});
    rms.weight = Array{2.f, 4.f};
    EXPECT_EQ(floats(rms(Array{3.f, -3.f})), (std::vector<float>{2, -4}));
    EXPECT_EQ(rms.parameters().names(), (std::vector<std::string>{"weight"}));
    EXPECT_EQ(nn::RMSNorm(2, {.epsilon = 0.5f}).epsilon(), 0.5f);
}

TEST_F(Layers, dropout_drops_in_training_only) {
    nn::Dropout dropout(0.5f);
    const Array x = ones({1000});
    EXPECT_EQ(floats(dropout(x, random::key(1))), floats(x));
    dropout.train();
    const std::vector<float> dropped = floats(dropout(x, random::key(1)));
    const auto zeros = std::ranges::count(dropped, 0.0f), doubled = std::ranges::count(dropped, 2.0f);
    EXPECT_EQ(zeros + doubled, 1000);
    // Five standard deviations of a thousand even draws are 79.
    EXPECT_NEAR(static_cast<double>(zeros), 500.0, 79.0);
    EXPECT_EQ(floats(dropout(x, random::key(1))), dropped);
    EXPECT_NE(floats(dropout(x, random::key(2))), dropped);
    EXPECT_THROW(nn::Dropout(1.0f), UsageError);
    EXPECT_THROW(nn::Dropout(-0.1f), UsageError);
}

TEST_F(Layers, a_wrong_size_is_an_error_that_names_the_layer) {
    const nn::Linear linear(2, 3, random::key(1));
    EXPECT_TRUE(contains(message_of<ShapeError>([&] { linear(zeros({4, 3})); }),
                         "Linear: the last axis must have 2 elements, given [4, 3]"));
    EXPECT_TRUE(contains(message_of<ShapeError>([&] { nn::LayerNorm{3}(zeros({4, 1})); }), "LayerNorm"));
    EXPECT_TRUE(contains(message_of<ShapeError>([&] { nn::RMSNorm{3}(zeros({4, 1})); }), "RMSNorm"));
    EXPECT_TRUE(contains(message_of<ShapeError>([] { nn::Linear(0, 3, random::key(1)); }), "Linear"));
    const nn::Parameter absent;
    EXPECT_TRUE(contains(message_of<UsageError>([&] { absent.as_array(); }), "absent"));
}

} // namespace
