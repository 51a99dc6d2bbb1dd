// Attention with and without a key-value cache must agree, and what the mask hides must not matter.

#include "tests/frontend/fixture.h"

#include <heddle/nn.h>

#include <algorithm>
#include <cmath>

using namespace heddle;
using namespace heddle::tests;

namespace {

class Transformers : public FrontendTest {};

const nn::TransformerOptions small{
    .vocabulary = 11, .size = 8, .heads = 2, .layers = 2, .hidden = 12, .positions = 16};

/// f32 sums of at most 16 products in another order: a few ulp of values around 1.
void expect_near(const std::vector<float>& a, const std::vector<float>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t k = 0; k < a.size(); ++k) EXPECT_NEAR(a[k], b[k], 1e-5f) << k;
}

TEST_F(Transformers, attention_is_the_weighted_mean_of_values) {
    nn::Attention attention(2, 1, random::key(1));
    for (nn::Linear* linear : {&attention.query, &attention.key, &attention.value, &attention.output})
        linear->weight = eye(2, 2);
    const Array x{{1.f, 0.f}, {0.f, 2.f}};
    const std::vector<float> y = floats(attention(expand_dims(x, 0), ones({2, 2}, Dtype::boolean)));
    // Scores of the first row: [1, 0] / sqrt 2; of the second: [0, 4] / sqrt 2.
    const double first = std::exp(1 / std::sqrt(2.0)), second = std::exp(4 / std::sqrt(2.0));
    expect_near(y, {static_cast<float>(first / (first + 1)), static_cast<float>(2 / (first + 1)),
                    static_cast<float>(1 / (1 + second)), static_cast<float>(2 * second / (1 + second))});
    const std::vector<float> masked = floats(attention(expand_dims(x, 0), tri(2, 2, 0, Dtype::boolean)));
    expect_near({masked[0], masked[1]}, {1, 0});
}

TEST_F(Transformers, step_by_step_equals_all_at_once) {
    const nn::Decoder decoder(small, random::key(7));
    const std::vector<int> text{3, 1, 4, 1, 5, 9, 2};
    nn::KeyValueCache whole = decoder.make_cache(8, 1);
    const std::vector<float> expected = floats(decoder.logits(Array::from(text, {1, 7}), whole));
    nn::KeyValueCache cache = decoder.make_cache(12, 1);
    std::vector<float> steps = floats(decoder.logits(Array::from(std::vector<int>{3, 1, 4}, {1, 3}), cache));
    for (std::size_t k = 3; k < text.size(); ++k) {
        EXPECT_EQ(cache.length(), static_cast<int>(k));
        const std::vector<float> step = floats(decoder.logits(Array{{text[k]}}, cache));
        steps.insert(steps.end(), step.begin(), step.end());
    }
    expect_near(steps, expected);
}

TEST_F(Transformers, going_back_gives_the_same_again) {
    const nn::Decoder decoder(small, random::key(7));
    nn::KeyValueCache cache = decoder.make_cache(8, 1);
    decoder.logits(Array{{3, 1}}, cache);
    const std::vector<float> first = floats(decoder.logits(Array{{4}}, cache));
    decoder.logits(Array{{9, 9, 9}}, cache);
    cache.truncate(2);
    EXPECT_EQ(floats(decoder.logits(Array{{4}}, cache)), first);
}

TEST_F(Transformers, steps_of_one_text_run_one_program) {
    const nn::Decoder decoder(small, random::key(7));
    nn::KeyValueCache cache = decoder.make_cache(8, 1);
    auto step = [&](int token) { argmax(decoder.logits(Array{{token}}, cache)).eval(); };
    step(1);
    step(2);
    const std::uint64_t programs = context.statistics().programs;
    step(3);
    step(4);
    EXPECT_EQ(context.statistics().programs, programs);
}

TEST_F(Transformers, padding_changes_nothing) {
    const nn::Encoder encoder(small, random::key(5));
    const std::vector<float> alone = floats(encoder.embed(Array{{3, 1, 4}}, ones({1, 3}, Dtype::boolean)));
    const Array mask = Array{{true, true, true, false, false}};
    const std::vector<float> padded = floats(encoder.embed(Array{{3, 1, 4, 7, 8}}, mask));
    expect_near({padded.begin(), padded.begin() + 24}, alone);
    EXPECT_EQ(encoder.size(), 8);
}

TEST_F(Transformers, what_does_not_fit_is_an_error_that_changes_nothing) {
    const nn::Decoder decoder(small, random::key(7));
    nn::KeyValueCache cache = decoder.make_cache(3, 1);
    decoder.logits(Array{{3, 1}}, cache);
    const std::string message = message_of<UsageError>([&] { decoder.logits(Array{{4, 1}}, cache); });
    EXPECT_TRUE(contains(message, "2 more positions do not fit, 2 of 3 are taken"));
    EXPECT_EQ(cache.length(), 2);
    EXPECT_EQ(decoder.logits(Array{{4}}, cache).shape(), (Shape{1, 1, 11}));
    EXPECT_THROW(decoder.make_cache(17, 1), UsageError);
    EXPECT_THROW(decoder.logits(Array{4}, cache), ShapeError);
    nn::KeyValueCache other(1, 1, 2, 4, 4);
    EXPECT_TRUE(contains(message_of<UsageError>([&] { decoder.logits(Array{{4}}, other); }), "1 layers"));
    EXPECT_THROW(cache.truncate(4), UsageError);
    EXPECT_THROW(other.append(1, zeros({1, 2, 1, 4}), zeros({1, 2, 1, 4})), UsageError);
    EXPECT_THROW(nn::KeyValueCache(0, 1, 1, 1, 1), ShapeError);
    EXPECT_THROW(nn::Attention(8, 3, random::key(1)), UsageError);
    const nn::Encoder encoder(small, random::key(5));
    EXPECT_THROW(encoder.embed(zeros({1, 17}, Dtype::i32), ones({1, 17})), UsageError);
}

} // namespace
