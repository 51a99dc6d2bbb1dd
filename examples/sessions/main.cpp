// Chat sessions over one materialized model: each has its own key-value cache, none has a copy of the weights, and all run at the same
// time. Prints what they produce together against one session after another. The model is not trained: what it says means nothing,
// but it must say the same both ways.
//
// usage: example_sessions [SESSIONS [TOKENS [SIZE]]]

#include <heddle/heddle.h>
#include <heddle/nn.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <string>
#include <vector>

namespace {

namespace hd = heddle;
namespace nn = heddle::nn;

using Chat = nn::ModelContainer<nn::Decoder>;
using Session = hd::Synchronized<nn::KeyValueCache>;
using Tokens = std::vector<std::int32_t>;

struct Options {
    int sessions = 8, tokens = 64, size = 128;
};

Chat make_chat(const Options& options) {
    const nn::Decoder decoder({.size = options.size,
                               .heads = 4,
                               .layers = 4,
                               .hidden = 3 * options.size,
                               .positions = options.tokens + 32},
                              hd::random::key(1));
    const nn::ModelConfiguration configuration{.name = "untrained", .most_tokens = options.tokens};
    return Chat({configuration, hd::materialize(decoder), {}, {}});
}

/// Reads the prompt and says `count` tokens, each the likeliest.
Tokens say(const Chat& chat, const std::shared_ptr<Session>& session, const std::string& prompt, int count) {
    return chat.perform([&](const auto& context) {
        return session->with_lock([&](nn::KeyValueCache& cache) {
            cache.truncate(0);
            Tokens said;
            hd::Array next = context.tokenizer.encode(prompt);
            while (static_cast<int>(said.size()) < count) {
                const hd::Array scores = context.model.logits(next, cache);
                said.push_back(
                    hd::argmax(hd::index(scores, 1, scores.shape(1) - 1), -1).template item<int>());
                next = hd::Array{{said.back()}};
            }
            return said;
        });
    });
}

template <class Work> double seconds(const Work& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

int run(const Options& options) {
    const Chat chat = make_chat(options);
    std::vector<std::shared_ptr<Session>> sessions;
    std::vector<std::string> prompts;
    for (int k = 0; k < options.sessions; ++k) {
        sessions.push_back(std::make_shared<Session>(chat.perform([&](const auto& context) {
            return context.model.make_cache(chat.configuration().most_tokens + 32, 1);
        })));
        prompts.push_back("session " + std::to_string(k % 10));
    }
    say(chat, sessions[0], prompts[0], 3); // compiles

    std::vector<Tokens> alone, together;
    const double one_after_another = seconds([&] {
        for (std::size_t k = 0; k < sessions.size(); ++k)
            alone.push_back(say(chat, sessions[k], prompts[k], options.tokens));
    });
    const double at_once = seconds([&] {
        std::vector<std::future<Tokens>> running;
        for (std::size_t k = 0; k < sessions.size(); ++k)
            running.push_back(hd::run_on_thread(say, chat, sessions[k], prompts[k], options.tokens));
        for (std::future<Tokens>& session : running) together.push_back(session.get());
    });

    const double tokens = static_cast<double>(options.sessions) * options.tokens;
    std::printf("%d sessions of %d tokens\n", options.sessions, options.tokens);
    std::printf("one after another %8.1f ms, %7.0f tokens/s\n", one_after_another * 1e3,
                tokens / one_after_another);
    std::printf("at the same time  %8.1f ms, %7.0f tokens/s: %.2f times as many\n", at_once * 1e3,
                tokens / at_once, one_after_another / at_once);
    std::printf(alone == together ? "the same text both ways\n" : "the texts differ\n");
    return alone == together ? 0 : 1;
}

} // namespace

int main(int count, char** arguments) {
    try {
        Options options;
        if (count > 1) options.sessions = std::stoi(arguments[1]);
        if (count > 2) options.tokens = std::stoi(arguments[2]);
        if (count > 3) options.size = std::stoi(arguments[3]);
        if (count > 4 || options.sessions < 1 || options.tokens < 1)
            throw hd::UsageError("usage: example_sessions [SESSIONS [TOKENS [SIZE]]]");
        return run(options);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "error: %s\n", error.what());
        return 2;
    }
}
