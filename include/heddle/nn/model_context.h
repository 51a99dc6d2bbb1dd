#pragma once
// What it takes to run a model: its configuration, itself, its tokenizer and its pooling. A `ModelContext` is a value that goes to other
// threads and needs no lock, since nothing in it can change. A `ModelContainer` shares one between its copies.
//
//     const auto vector = container.perform([&](const auto& context) {
//         const hd::Array tokens = context.tokenizer.encode(text);
//         return hd::materialize(context.pooling(context.model.embed(tokens, hd::ones_like(tokens))));
//     });

#include <heddle/nn/materialized_module.h>
#include <heddle/nn/pooling.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace heddle::nn {

struct ModelConfiguration {
    std::string name;
    std::string prompt{};                   ///< put before each text
    std::vector<std::int32_t> end_tokens{}; ///< a continuation ends with one of them
    int most_tokens = 256;                  ///< of one text
};

/// A token a byte: for models that are trained on bytes.
struct ByteTokenizer {
    /// i32[1, length].
    Array encode(std::string_view text, Array::Where where = Array::Where::current()) const;
    /// UsageError for a token that is no byte.
    std::string decode(const std::vector<std::int32_t>& tokens) const;
};

template <std::derived_from<Module> M, Sendable Tokenizer = ByteTokenizer,
          Sendable Configuration = ModelConfiguration>
struct ModelContext {
    Configuration configuration;
    MaterializedModule<M> model;
    Tokenizer tokenizer;
    Pooling pooling;
};
template <class C, class M, class T> ModelContext(C, MaterializedModule<M>, T, Pooling)
    -> ModelContext<M, T, C>;

/// A handle; copies share one context. Everything here may be called from any thread at any time: calls overlap, none waits for
/// another, and nothing is promised about their order. State that changes from call to call belongs in a Synchronized of its own.
template <class M, class Tokenizer = ByteTokenizer, class Configuration = ModelConfiguration>
class ModelContainer {
public:
    using Context = ModelContext<M, Tokenizer, Configuration>;

    explicit ModelContainer(Context context)
        : context_(std::make_shared<const Context>(std::move(context))) {}

    const Configuration& configuration() const { return context_->configuration; }
    /// Calls `use` with the context, on the caller's thread. Gives its value (a copy, where it returns a reference) or lets its
    /// exception through.
    template <class F>
        requires std::invocable<F, const Context&>
    auto perform(F&& use) const {
        return std::invoke(std::forward<F>(use), *context_);
    }

private:
    std::shared_ptr<const Context> context_;
};

} // namespace heddle::nn

namespace heddle {

template <class M, class T, class C> inline constexpr bool enable_sendable<nn::ModelContext<M, T, C>> = true;
template <class M, class T, class C> inline constexpr bool enable_sendable<nn::ModelContainer<M, T, C>> =
    true;

} // namespace heddle
