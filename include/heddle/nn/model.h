#pragma once
// What generic code asks of a model. The interfaces are const throughout and no modules: neither through them nor through what implements
// them for a materialized module can a model be changed.

#include <heddle/nn/kv_cache.h>

#include <concepts>

namespace heddle::nn {

/// Turns tokens into vectors, one a position; a Pooling makes one of them.
class EmbeddingModel {
public:
    virtual ~EmbeddingModel() = default;
    /// Tokens i32[batch, length] and mask bool[batch, length] (false: padding, which no other position sees) to f32[batch, length, size].
    virtual Array embed(const Array& tokens, const Array& mask) const = 0;
    virtual int size() const = 0;
};

/// Continues a text.
class LanguageModel {
public:
    virtual ~LanguageModel() = default;
    /// Tokens i32[batch, count] that follow what the cache has seen to scores f32[batch, count, vocabulary] of the token after each;
    /// the cache has then seen them too. UsageError when they do not fit into it.
    virtual Array logits(const Array& tokens, KeyValueCache& cache) const = 0;
    /// For `batch` texts of at most `capacity` tokens; UsageError beyond what the model can.
    virtual KeyValueCache make_cache(int capacity, int batch) const = 0;
    virtual int vocabulary() const = 0;
};

namespace detail {

/// The interfaces that M has, for something that refers to an M: Self has `const M& module() const`.
template <class Self, class M, bool = std::derived_from<M, EmbeddingModel>> class ForwardsEmbedding {};
template <class Self, class M> class ForwardsEmbedding<Self, M, true> : public EmbeddingModel {
public:
    Array embed(const Array& tokens, const Array& mask) const final {
        return static_cast<const Self&>(*this).module().embed(tokens, mask);
    }
    int size() const final { return static_cast<const Self&>(*this).module().size(); }
};

template <class Self, class M, bool = std::derived_from<M, LanguageModel>> class ForwardsLanguage {};
template <class Self, class M> class ForwardsLanguage<Self, M, true> : public LanguageModel {
public:
    Array logits(const Array& tokens, KeyValueCache& cache) const final {
        return static_cast<const Self&>(*this).module().logits(tokens, cache);
    }
    KeyValueCache make_cache(int capacity, int batch) const final {
        return static_cast<const Self&>(*this).module().make_cache(capacity, batch);
    }
    int vocabulary() const final { return static_cast<const Self&>(*this).module().vocabulary(); }
};

} // namespace detail
} // namespace heddle::nn
