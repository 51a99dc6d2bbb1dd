#pragma once
// Small transformers out of the layers: an encoder that gives vectors and a decoder that continues texts. Blocks are
// x + attention(norm(x)), then x + feed_forward(norm(x)), with RMS norms (Xiong et al., "On layer normalization in the transformer
// architecture", 2020; Zhang and Sennrich, "Root mean square layer normalization", 2019); positions are learned.

#include <heddle/nn/layers.h>
#include <heddle/nn/model.h>

namespace heddle::nn {

struct TransformerOptions {
    int vocabulary = 256;
    int size = 64; ///< of the vectors; a multiple of `heads`
    int heads = 4;
    int layers = 2;
    int hidden = 128;    ///< of the feed-forward layers
    int positions = 256; ///< the longest text
};

/// softmax(q k^T / sqrt(size of a head)) v for each head (Vaswani et al., "Attention is all you need", 2017).
class Attention : public Module {
public:
    /// UsageError unless `heads` divides `size`.
    Attention(int size, int heads, const Array& random_key);
    /// x [batch, length, size] to the same. mask, bool, broadcasts to [batch, heads, length, length]: what a position looks at.
    Array operator()(const Array& x, const Array& mask) const;
    /// Continues: x [batch, count, size] are the next positions; they see those in the cache and themselves.
    Array operator()(const Array& x, KeyValueCache& cache, int layer) const;
    int heads() const { return heads_; }

    Linear query, key, value, output;
    HEDDLE_MEMBERS(query, key, value, output)

private:
    Array split_heads(const Array& x) const;
    Array attend(const Array& queries, const Array& keys, const Array& values, const Array& mask) const;
    int heads_;
};

/// down(silu(gate(x)) * up(x)) (Shazeer, "GLU variants improve transformer", 2020).
class FeedForward : public Module {
public:
    FeedForward(int size, int hidden, const Array& key);
    Array operator()(const Array& x) const;

    Linear gate, up, down;
    HEDDLE_MEMBERS(gate, up, down)
};

class TransformerBlock : public Module {
public:
    TransformerBlock(const TransformerOptions& options, const Array& key);
    /// `attend` is called with the normalised x.
    template <class Attend> Array operator()(const Array& x, Attend attend) const {
        const Array seen = x + attend(attention_norm(x));
        return seen + feed_forward(feed_forward_norm(seen));
    }

    RMSNorm attention_norm, feed_forward_norm;
    Attention attention;
    FeedForward feed_forward;
    HEDDLE_MEMBERS(attention_norm, feed_forward_norm, attention, feed_forward)
};

/// What encoder and decoder share.
class Transformer : public Module {
public:
    const TransformerOptions& options() const { return options_; }

    Embedding tokens, positions;
    ModuleList<TransformerBlock> layers;
    RMSNorm norm;
    HEDDLE_MEMBERS(tokens, positions, layers, norm)

protected:
    Transformer(const TransformerOptions& options, const Array& key);
    /// Vectors of tokens i32[batch, count] at `first` and on. ShapeError for another rank, UsageError beyond the last position.
    Array embed_tokens(const Array& tokens, int first) const;

private:
    Transformer(const TransformerOptions& options, const std::vector<Array>& keys);
    TransformerOptions options_;
};

/// Every position sees every other that the mask lets through.
class Encoder : public Transformer, public EmbeddingModel {
public:
    Encoder(const TransformerOptions& options, const Array& key) : Transformer(options, key) {}
    Array embed(const Array& tokens, const Array& mask) const override;
    int size() const override { return options().size; }
};

/// Every position sees itself and those before it.
class Decoder : public Transformer, public LanguageModel {
public:
    Decoder(const TransformerOptions& options, const Array& key) : Transformer(options, key) {}
    Array logits(const Array& tokens, KeyValueCache& cache) const override;
    KeyValueCache make_cache(int capacity, int batch) const override;
    int vocabulary() const override { return options().vocabulary; }
};

} // namespace heddle::nn
