#include <heddle/nn/transformer.h>

#include <heddle/error.h>

#include <fmt/format.h>

#include <cmath>
#include <limits>

namespace heddle::nn {

namespace {

std::vector<Array> keys_of(const Array& key, int count) {
    const Array all = random::split(key, count);
    std::vector<Array> result;
    for (int k = 0; k < count; ++k) result.push_back(index(all, 0, k));
    return result;
}

int checked_heads(int size, int heads) {
    if (heads < 1 || size % heads != 0)
        throw UsageError(fmt::format("Attention: {} heads do not divide a size of {}", heads, size));
    return heads;
}

} // namespace

Attention::Attention(int size, int heads, const Array& random_key)
    : query(size, size, index(random::split(random_key, 4), 0, 0), false),
      key(size, size, index(random::split(random_key, 4), 0, 1), false),
      value(size, size, index(random::split(random_key, 4), 0, 2), false),
      output(size, size, index(random::split(random_key, 4), 0, 3), false),
      heads_(checked_heads(size, heads)) {}

Array Attention::split_heads(const Array& x) const {
    return swap_axes(reshape(x, {x.shape(0), x.shape(1), heads_, x.shape(2) / heads_}), 1, 2);
}

Array Attention::attend(const Array& queries, const Array& keys, const Array& values,
                        const Array& mask) const {
    const float scale = 1.0f / std::sqrt(static_cast<float>(static_cast<int>(queries.shape(3))));
    const Array scores = matmul(queries * scale, swap_axes(keys, 2, 3));
    // Not -inf: a position that sees nothing gets the mean of what there is, not NaN.
    const Array weights = softmax(where(mask, scores, std::numeric_limits<float>::lowest()), -1);
    const Array heads = swap_axes(matmul(weights, values), 1, 2);
    return output(reshape(heads, {heads.shape(0), heads.shape(1), heads.shape(2) * heads.shape(3)}));
}

Array Attention::operator()(const Array& x, const Array& mask) const {
    return attend(split_heads(query(x)), split_heads(key(x)), split_heads(value(x)), mask);
}

Array Attention::operator()(const Array& x, KeyValueCache& cache, int layer) const {
    const Array queries = split_heads(query(x));
    const Array mask = cache.mask(static_cast<int>(x.shape(1)));
    const KeyValueCache::Layer& seen = cache.append(layer, split_heads(key(x)), split_heads(value(x)));
    return attend(queries, seen.keys, seen.values, mask);
}

FeedForward::FeedForward(int size, int hidden, const Array& key)
    : gate(size, hidden, index(random::split(key, 3), 0, 0), false),
      up(size, hidden, index(random::split(key, 3), 0, 1), false),
      down(hidden, size, index(random::split(key, 3), 0, 2), false) {}

Array FeedForward::operator()(const Array& x) const { return down(silu(gate(x)) * up(x)); }

TransformerBlock::TransformerBlock(const TransformerOptions& options, const Array& key)
    : attention_norm(options.size), feed_forward_norm(options.size),
      attention(options.size, options.heads, index(random::split(key, 2), 0, 0)),
      feed_forward(options.size, options.hidden, index(random::split(key, 2), 0, 1)) {}

Transformer::Transformer(const TransformerOptions& options, const Array& key)
    : Transformer(options, keys_of(key, 2 + options.layers)) {}

Transformer::Transformer(const TransformerOptions& options, const std::vector<Array>& keys)
    : tokens(options.vocabulary, options.size, keys[0]), positions(options.positions, options.size, keys[1]),
      norm(options.size), options_(options) {
    for (int k = 0; k < options.layers; ++k)
        layers.push_back(TransformerBlock(options, keys[static_cast<std::size_t>(2 + k)]));
}

Array Transformer::embed_tokens(const Array& text, int first) const {
    if (text.rank() != 2)
        throw ShapeError(
            fmt::format("Transformer: tokens must be [batch, length], given {}", text.shape().text()));
    const int count = static_cast<int>(text.shape(1));
    if (first + count > options_.positions)
        throw UsageError(fmt::format("Transformer: {} tokens after {}, it takes {} at most", count, first,
                                     options_.positions));
    return tokens(text) + positions(arange(count) + first);
}

Array Encoder::embed(const Array& text, const Array& mask) const {
    const Array seen = reshape(mask, {text.shape(0), 1, 1, text.shape(1)}) != 0;
    Array x = embed_tokens(text, 0);
    for (const TransformerBlock& block : layers)
        x = block(x, [&](const Array& normal) { return block.attention(normal, seen); });
    return norm(x);
}

Array Decoder::logits(const Array& text, KeyValueCache& cache) const {
    if (cache.layers() != options().layers)
        throw UsageError(
            fmt::format("Decoder: a cache of {} layers, the model has {}", cache.layers(), options().layers));
    Array x = embed_tokens(text, cache.length());
    int layer = 0;
    for (const TransformerBlock& block : layers) {
        x = block(x, [&](const Array& normal) { return block.attention(normal, cache, layer); });
        ++layer;
    }
    cache.advance(static_cast<int>(text.shape(1)));
    return tokens.scores(norm(x));
}

KeyValueCache Decoder::make_cache(int capacity, int batch) const {
    if (capacity > options().positions)
        throw UsageError(fmt::format("Decoder: a cache for {} tokens, the model takes {} at most", capacity,
                                     options().positions));
    return KeyValueCache(options().layers, batch, options().heads, capacity,
                         options().size / options().heads);
}

} // namespace heddle::nn
