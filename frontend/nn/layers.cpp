#include <heddle/nn/layers.h>

#include "frontend/location.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <cmath>

namespace heddle::nn {

namespace {

void check_sizes(const char* layer, int first, int second = 1) {
    if (first < 1 || second < 1)
        throw ShapeError(fmt::format("{}: sizes must be at least 1, given {} and {}", layer, first, second));
}

void check_last_axis(const char* layer, const Array& x, const Dim& expected) {
    if (x.rank() < 1 || x.shape(-1) != expected)
        throw ShapeError(fmt::format("{}: the last axis must have {} elements, given {}", layer,
                                     expected.text(), x.shape().text()));
}

} // namespace

Linear::Linear(int inputs, int outputs, const Array& key, bool with_bias) {
    check_sizes("Linear", inputs, outputs);
    const float bound = 1.0f / std::sqrt(static_cast<float>(inputs));
    const auto [first, second] = random::split(key);
    weight = random::uniform(first, {outputs, inputs}, -bound, bound);
    if (with_bias) bias = random::uniform(second, {outputs}, -bound, bound);
}

Array Linear::operator()(const Array& x) const {
    check_last_axis("Linear", x, weight.as_array().shape(1));
    const Array product = matmul(x, transpose(weight));
    return bias.has_value() ? product + bias : product;
}

Embedding::Embedding(int count, int size, const Array& key) {
    check_sizes("Embedding", count, size);
    weight = random::normal(key, {count, size}) * (1.0f / std::sqrt(static_cast<float>(size)));
}

Array Embedding::operator()(const Array& indices) const { return take(weight, indices, 0); }

Array Embedding::scores(const Array& x) const {
    check_last_axis("Embedding", x, weight.as_array().shape(1));
    return matmul(x, transpose(weight));
}

LayerNorm::LayerNorm(int size, const NormOptions& options) : size_(size), epsilon_(options.epsilon) {
    check_sizes("LayerNorm", size);
    if (options.weight) weight = ones({size});
    if (options.bias) bias = zeros({size});
}

Array LayerNorm::operator()(const Array& x) const {
    check_last_axis("LayerNorm", x, size_);
    return layer_norm(x, weight.optional(), bias.optional(), epsilon_);
}

RMSNorm::RMSNorm(int size, const NormOptions& options) : size_(size), epsilon_(options.epsilon) {
    check_sizes("RMSNorm", size);
    if (options.weight) weight = ones({size});
}

Array RMSNorm::operator()(const Array& x) const {
    check_last_axis("RMSNorm", x, size_);
    return rms_norm(x, weight.optional(), epsilon_);
}

Dropout::Dropout(float probability) : probability_(probability) {
    if (!(probability >= 0.0f && probability < 1.0f))
        throw UsageError(fmt::format("Dropout: the probability must be in [0, 1), given {}", probability));
}

Array Dropout::operator()(const Array& x, const Array& key) const {
    if (!is_training() || probability_ == 0.0f) return x;
    const Array kept = random::uniform(key, x.shape()) >= probability_;
    return where(kept, x / (1.0f - probability_), 0.0f);
}

} // namespace heddle::nn
