// ModelContext and ModelContainer: O8; chat sessions, each with its cache in a Synchronized, over one materialized model: O10.

#include "tests/frontend/fixture.h"

#include <heddle/nn.h>
#include <heddle/synchronized.h>
#include <heddle/thread.h>

#include <algorithm>
#include <latch>
#include <stdexcept>

using namespace heddle;
using namespace heddle::tests;

namespace {

class ModelContexts : public FrontendTest {};

const nn::TransformerOptions small{.size = 8, .heads = 2, .layers = 1, .hidden = 8, .positions = 32};

using Context8 = nn::ModelContext<nn::Encoder>;
using Container = nn::ModelContainer<nn::Encoder>;
using Chat = nn::ModelContainer<nn::Decoder>;

static_assert(Sendable<Context8> && Sendable<Container> && Sendable<Chat>);
template <class Tokenizer>
concept FitsContext = requires { typename nn::ModelContext<nn::Encoder, Tokenizer>; };
static_assert(FitsContext<nn::ByteTokenizer> && !FitsContext<Array> && !FitsContext<std::vector<Array>>);

Context8 make_context() {
    const nn::ModelConfiguration configuration{.name = "small"};
    const auto model = materialize(nn::Encoder(small, random::key(3)));
    return {configuration, model, {}, {nn::Pooling::Strategy::mean, true}};
}

Container make_container() { return Container(make_context()); }

/// Generic: any context whose model embeds.
template <class Context> std::vector<float> vector_of(const Context& context, const std::string& text) {
    const Array tokens = context.tokenizer.encode(context.configuration.prompt + text);
    return floats(context.pooling(context.model.embed(tokens, ones_like(tokens)), ones_like(tokens)));
}

TEST_F(ModelContexts, O8_configuration_is_a_plain_accessor) {
    const Container container = make_container();
    static_assert(std::same_as<decltype(container.configuration()), const nn::ModelConfiguration&>);
    EXPECT_EQ(container.configuration().name, "small");
}

TEST_F(ModelContexts, O8_perform_gives_the_value_and_lets_the_exception_through) {
    const Container container = make_container();
    const std::vector<float> vector =
        container.perform([](const auto& context) { return vector_of(context, "text"); });
    EXPECT_EQ(vector.size(), 8u);
    static_assert(std::same_as<decltype(container.perform(
                                   [](const Context8& c) -> const nn::Pooling& { return c.pooling; })),
                               nn::Pooling>);
    EXPECT_EQ(message_of<std::domain_error>([&] {
                  container.perform([](const Context8&) -> int { throw std::domain_error("mine"); });
              }),
              "mine");
    bool called = false;
    container.perform([&](const Context8&) { called = true; });
    EXPECT_TRUE(called);
}

TEST_F(ModelContexts, O8_copies_share_one_instance) {
    const Container container = make_container(), copy = container;
    const auto address = [](const Context8& context) { return reinterpret_cast<std::uintptr_t>(&context); };
    EXPECT_EQ(container.perform(address), copy.perform(address));
    EXPECT_EQ(&container.configuration(), &copy.configuration());
}

TEST_F(ModelContexts, O8_calls_overlap) {
    const Container container = make_container();
    const std::vector<float> expected = container.perform([](const auto& c) { return vector_of(c, "text"); });
    // Each call waits inside perform() until all are inside: were they exclusive, none would come out.
    constexpr int callers = 4;
    const auto all_inside = std::make_shared<std::latch>(callers);
    std::vector<std::future<std::vector<float>>> results;
    for (int k = 0; k < callers; ++k)
        results.push_back(run_on_thread(
            [](const Container& own, AssumedSendable<std::shared_ptr<std::latch>> inside) {
                return own.perform([&](const Context8& context) {
                    inside.value->arrive_and_wait();
                    return vector_of(context, "text");
                });
            },
            container, assume_sendable(all_inside)));
    for (auto& result : results) EXPECT_EQ(result.get(), expected);
}

TEST_F(ModelContexts, O8_a_context_is_a_value_that_goes_to_another_thread) {
    const Context8 context = make_context();
    auto work = [](const Context8& own) { return vector_of(own, "abc"); };
    EXPECT_EQ(run_on_thread(work, context).get(), vector_of(context, "abc"));
}

TEST_F(ModelContexts, bytes_are_tokens) {
    const nn::ByteTokenizer tokenizer;
    const Array tokens = tokenizer.encode("a\xff");
    EXPECT_EQ(tokens.shape(), (Shape{1, 2}));
    EXPECT_EQ(tokenizer.decode(tokens.to_vector<std::int32_t>()), "a\xff");
    EXPECT_EQ(tokenizer.encode("").shape(), (Shape{1, 0}));
    EXPECT_THROW(tokenizer.decode({256}), UsageError);
}

// ---- O10
using Session = Synchronized<nn::KeyValueCache>;

/// Feeds the text and then `count` times the likeliest token.
std::vector<std::int32_t> continue_text(const Chat& chat, Session& session, const std::string& text,
                                        int count) {
    return chat.perform([&](const nn::ModelContext<nn::Decoder>& context) {
        return session.with_lock([&](nn::KeyValueCache& cache) {
            std::vector<std::int32_t> said;
            Array tokens = context.tokenizer.encode(text);
            for (int k = 0; k < count; ++k) {
                const Array scores = context.model.logits(tokens, cache);
                const std::int32_t next =
                    argmax(index(scores, 1, scores.shape(1) - 1), -1).item<std::int32_t>();
                said.push_back(next);
                tokens = Array{{next}};
            }
            return said;
        });
    });
}

Chat make_chat() {
    const nn::ModelConfiguration configuration{.name = "chat"};
    return Chat({configuration, materialize(nn::Decoder(small, random::key(4))), {}, {}});
}

std::shared_ptr<Session> make_session(const Chat& chat) {
    return std::make_shared<Session>(
        chat.perform([](const auto& context) { return context.model.make_cache(32, 1); }));
}

TEST_F(ModelContexts, O10_sessions_share_a_model_and_run_at_the_same_time) {
    const Chat chat = make_chat();
    const std::vector<std::string> prompts{"one", "another", "a third", "x", "yy", "zzz"};
    std::vector<std::vector<std::int32_t>> expected;
    for (const std::string& prompt : prompts)
        expected.push_back(continue_text(chat, *make_session(chat), prompt, 8));
    const auto start = std::make_shared<std::latch>(static_cast<std::ptrdiff_t>(prompts.size()));
    std::vector<std::future<std::vector<std::int32_t>>> results;
    for (const std::string& prompt : prompts)
        results.push_back(run_on_thread(
            [](const Chat& own, const std::shared_ptr<Session>& session, const std::string& text,
               AssumedSendable<std::shared_ptr<std::latch>> all) {
                all.value->arrive_and_wait();
                return continue_text(own, *session, text, 8);
            },
            chat, make_session(chat), prompt, assume_sendable(start)));
    for (std::size_t k = 0; k < results.size(); ++k) EXPECT_EQ(results[k].get(), expected[k]) << prompts[k];
}

TEST_F(ModelContexts, O10_threads_that_share_a_session_take_turns) {
    const Chat chat = make_chat();
    const auto session = make_session(chat);
    // Four tokens a turn: whoever comes first, the cache has seen them all, in whole turns.
    std::vector<std::future<int>> turns;
    for (int k = 0; k < 4; ++k)
        turns.push_back(run_on_thread(
            [](const Chat& own, const std::shared_ptr<Session>& shared) {
                continue_text(own, *shared, "a", 4);
                return shared->with_lock([](const nn::KeyValueCache& cache) { return cache.length() % 4; });
            },
            chat, session));
    for (auto& turn : turns) EXPECT_EQ(turn.get(), 0);
    EXPECT_EQ(session->with_lock([](const nn::KeyValueCache& cache) { return cache.length(); }), 16);
}

TEST_F(ModelContexts, O10_a_turn_that_fails_leaves_the_session_usable) {
    const Chat chat = make_chat();
    const auto session = make_session(chat);
    EXPECT_THROW(continue_text(chat, *session, std::string(40, 'a'), 1), UsageError);
    EXPECT_EQ(continue_text(chat, *session, "one", 4), continue_text(chat, *make_session(chat), "one", 4));
}

} // namespace
