#include <heddle/heddle.h>
#include <heddle/nn.h>

#include <future>
#include <iostream>
#include <string>

namespace hd = heddle;
namespace nn = heddle::nn;

using Embedder = nn::ModelContainer<nn::Encoder>;

hd::MaterializedArray embed(const Embedder& embedder, const std::string& text) {
    return embedder.perform([&](const auto& context) {
        const hd::Array tokens = context.tokenizer.encode(text), all = hd::ones_like(tokens);
        return hd::materialize(context.pooling(context.model.embed(tokens, all), all));
    });
}

int main() {
    nn::Encoder encoder({.size = 32, .heads = 4, .layers = 2}, hd::random::key(1));
    const nn::ModelConfiguration configuration{.name = "untrained"};
    const nn::Pooling pooling{nn::Pooling::Strategy::mean, true};
    // Shares the arrays of `encoder`.
    const Embedder embedder({configuration, hd::materialize(encoder), {}, pooling});
    encoder.norm.weight = hd::zeros({32}); // changes `encoder` alone

    std::future<hd::MaterializedArray> one = hd::run_on_thread(embed, embedder, std::string("warp and weft"));
    std::future<hd::MaterializedArray> two = hd::run_on_thread(embed, embedder, std::string("warp and weft"));
    const float similarity = hd::sum(one.get() * two.get()).item<float>();
    std::cout << embedder.configuration().name << ": " << similarity << "\n";
    return similarity > 0.999f && similarity < 1.001f ? 0 : 1;
}
