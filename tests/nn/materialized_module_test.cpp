// MaterializedModule: O6 and O7, word for word.

#include "tests/frontend/fixture.h"

#include <heddle/nn.h>
#include <heddle/thread.h>

#include <concepts>
#include <latch>

using namespace heddle;
using namespace heddle::tests;

namespace {

class MaterializedModules : public FrontendTest {};

/// An interface of the user's own.
class Scorer {
public:
    virtual ~Scorer() = default;
    virtual Array score(const Array& x) const = 0;
};

class Net : public nn::Module, public Scorer {
public:
    explicit Net(const Array& key)
        : first(2, 3, index(random::split(key, 2), 0, 0)), norm(3, {.bias = false}) {
        layers.push_back(nn::Linear(3, 3, index(random::split(key, 2), 0, 1), false));
    }
    Array operator()(const Array& x) const { return layers[0](norm(first(x))); }
    Array score(const Array& x) const override { return sum((*this)(x), -1); }

    nn::Linear first;
    nn::LayerNorm norm;
    nn::ModuleList<nn::Linear> layers;
    nn::Parameter offset;
    HEDDLE_MEMBERS(first, norm, layers, offset)
};

using Materialized = nn::MaterializedModule<Net>;

// ---- O6: what changes a module does not compile on it, nor through what it converts to.
template <class T>
concept Changeable =
    requires(T& m, nn::NamedTree<Array> values) { m.update(values); } ||
    requires(T& m) { m.apply([](const Array & x) { return x; }); } || requires(T& m) { m.train(); } ||
    requires(T& m) { m.freeze(); } || requires(T& m) { m.unfreeze(); } ||
    requires(T& m, const T& other) { m = other; } || requires(T& m, Array x) { m.first.weight = x; } ||
    requires(T& m, Array x) { m->first.weight = x; } || requires(T& m) { m->train(); } ||
    requires(T& m) { m->freeze(); } || requires(T& m, nn::NamedTree<Array> v) { m->update(v); } ||
    requires(T& m, Array x) { m.module().first.weight = x; } || requires(T& m) { m.module().train(); } ||
    requires(T& m, MaterializedArray x) { m.parameters().leaves.clear(); };
static_assert(Changeable<Net>);
static_assert(!Changeable<Materialized> && !Changeable<const Materialized>);
static_assert(!std::derived_from<Materialized, nn::Module>);
static_assert(!std::convertible_to<Materialized&, nn::Module&>);
static_assert(!std::convertible_to<Materialized&, const nn::Module&>);
static_assert(!std::convertible_to<Materialized&, Net&> && !std::convertible_to<Materialized&, Net>);
// Interfaces are const-only and do not derive from the module class.
static_assert(std::convertible_to<Materialized&, const Scorer&>);
static_assert(!std::convertible_to<Materialized&, Scorer&>);
static_assert(!std::derived_from<nn::EmbeddingModel, nn::Module>);
static_assert(!std::derived_from<nn::LanguageModel, nn::Module>);
static_assert(!Changeable<const nn::EmbeddingModel> && !Changeable<const nn::LanguageModel>);
static_assert(!std::default_initializable<Materialized>);
static_assert(Sendable<Materialized> && !Sendable<Net>);
static_assert(Sendable<nn::NamedTree<MaterializedArray>> && !Sendable<nn::NamedTree<Array>>);

TEST_F(MaterializedModules, O6_every_leaf_of_the_same_tree_is_materialized_and_equal) {
    const Net net(random::key(1));
    const Materialized made = materialize(net);
    const nn::NamedTree<Array> expected = net.parameters();
    EXPECT_EQ(made.parameters().names(), expected.names());
    static_assert(std::same_as<std::remove_cvref_t<decltype(made.parameters().at("x"))>, MaterializedArray>);
    for (const auto& [name, value] : made.parameters())
        EXPECT_EQ(value.to_vector<float>(), floats(expected.at(name))) << name;
    EXPECT_EQ(floats(made(Array{1.f, 2.f})), floats(net(Array{1.f, 2.f})));
}

TEST_F(MaterializedModules, O6_absent_parameters_stay_absent) {
    const Materialized made(Net(random::key(1)));
    for (const char* name : {"offset", "norm.bias", "layers.0.bias"}) {
        EXPECT_FALSE(made.parameters().contains(name)) << name;
        EXPECT_FALSE(made->parameters().contains(name)) << name;
    }
    EXPECT_FALSE(made->offset.has_value());
    EXPECT_TRUE(made.parameters().contains("first.bias"));
}

TEST_F(MaterializedModules, O6_all_parameters_run_as_one_graph_and_share_their_buffers) {
    const Net net(random::key(1));
    const std::uint64_t calls = context.statistics().calls;
    const Materialized made(net);
    EXPECT_EQ(context.statistics().calls, calls + 1);
    // The slots of module, clone and list are one value.
    for (const auto& [name, value] : made.parameters()) {
        EXPECT_EQ(value.data(), net.parameters().at(name).data()) << name;
        EXPECT_EQ(value.data(), made->parameters().at(name).data()) << name;
    }
    const std::uint64_t buffers = context.live_buffers();
    const Materialized again = materialize(made), third(net);
    EXPECT_EQ(context.live_buffers(), buffers);
    EXPECT_EQ(&again.module(), &made.module());
}

TEST_F(MaterializedModules, O6_the_module_it_was_made_from_goes_its_own_way) {
    Net net(random::key(1));
    const Materialized made(net);
    const std::vector<float> before = floats(made(Array{1.f, 2.f}));
    net.first.weight = zeros({3, 2});
    net.layers.pop_back();
    net.apply([](const Array& x) { return x * 0.0f; });
    EXPECT_EQ(floats(made(Array{1.f, 2.f})), before);
}

TEST_F(MaterializedModules, O6_a_call_on_another_thread_gives_the_same_result) {
    const Materialized made(Net(random::key(1)));
    const MaterializedArray x = materialize(Array{{1.f, 2.f}, {-3.f, 4.f}});
    const std::vector<float> expected = floats(made(x));
    auto call = [](const Materialized& net, const MaterializedArray& x) { return net(x).to_vector<float>(); };
    EXPECT_EQ(run_on_thread(call, made, x).get(), expected);
    // One instance, many threads at once.
    std::vector<std::future<std::vector<float>>> all;
    for (int k = 0; k < 8; ++k) all.push_back(run_on_thread(call, made, x));
    for (auto& one : all) EXPECT_EQ(one.get(), expected);
}

TEST_F(MaterializedModules, O6_changing_it_through_the_unsafe_hatch_throws) {
    const Materialized made(Net(random::key(1)));
    const std::vector<float> before = floats(made(Array{1.f, 2.f}));
    Net& net = made.unsafe_module();
    EXPECT_THROW(net.update({{{"first.bias", zeros({3})}}}), UsageError);
    EXPECT_THROW(net.apply([](const Array& x) { return x * 0.0f; }), UsageError);
    EXPECT_THROW(net.train(), UsageError);
    EXPECT_THROW(net.freeze(), UsageError);
    EXPECT_THROW(net.unfreeze(), UsageError);
    EXPECT_THROW(net.first.train(), UsageError);
    EXPECT_THROW(net.layers[0].update({}), UsageError);
    EXPECT_THROW(net.first.weight = zeros({3, 2}), UsageError);
    EXPECT_THROW(net.first.weight = nn::Parameter(), UsageError);
    EXPECT_THROW(net.offset = zeros({3}), UsageError);
    EXPECT_THROW(net.first = nn::Linear(2, 3, random::key(9)), UsageError);
    EXPECT_THROW(net = Net(random::key(9)), UsageError);
    EXPECT_THROW(net.layers.pop_back(), UsageError);
    EXPECT_THROW(net.layers.push_back(nn::Linear(3, 3, random::key(9))), UsageError);
    EXPECT_THROW(net.layers = nn::ModuleList<nn::Linear>(), UsageError);
    const Net taken = std::move(net); // copies: nothing moves out of it
    EXPECT_EQ(floats(taken(Array{1.f, 2.f})), before);
    EXPECT_EQ(floats(made(Array{1.f, 2.f})), before);
    EXPECT_TRUE(contains(message_of<UsageError>([&] { net.freeze(); }), "materialized"));
}

TEST_F(MaterializedModules, O6_a_copy_of_the_module_may_be_changed) {
    const Materialized made(Net(random::key(1)));
    const std::vector<float> before = floats(made(Array{1.f, 2.f}));
    Net own = made.module();
    own.train();
    own.first.weight = zeros({3, 2});
    own.layers.push_back(nn::Linear(3, 3, random::key(9)));
    own.layers[0].freeze();
    EXPECT_EQ(floats(own.first.weight)[0], 0);
    EXPECT_EQ(floats(made(Array{1.f, 2.f})), before);
}

TEST_F(MaterializedModules, O6_when_a_parameter_cannot_be_evaluated_there_is_none) {
    Net net(random::key(1));
    net.offset = Array();
    EXPECT_FALSE(net.offset.has_value());
    std::optional<Materialized> made;
    auto f = compile("f", [&](Array x) {
        Net traced = net;
        traced.first.bias = x;
        made.emplace(traced);
        return x;
    });
    EXPECT_THROW(f(zeros({3})), TraceError);
    EXPECT_FALSE(made.has_value());
}

TEST_F(MaterializedModules, O6_a_part_of_a_larger_module_is_refused) {
    struct Larger : Net {
        using Net::Net;
        nn::Linear more{2, 2, random::key(1)};
    };
    const Larger larger(random::key(1));
    const std::string message = message_of<UsageError>([&] { materialize(static_cast<const Net&>(larger)); });
    EXPECT_TRUE(contains(message, "Larger"));
    EXPECT_TRUE(contains(message, "materialized_module_test.cpp"));
}

TEST_F(MaterializedModules, O7_code_for_an_interface_takes_both) {
    auto through_interface = [](const Scorer& model) { return model.score(Array{1.f, 2.f}).item<float>(); };
    const Net net(random::key(1));
    const Materialized made(net);
    EXPECT_EQ(through_interface(net), through_interface(made));
}

const nn::TransformerOptions small{
    .vocabulary = 11, .size = 8, .heads = 2, .layers = 1, .hidden = 8, .positions = 8};

TEST_F(MaterializedModules, O7_an_embedding_model_stays_one) {
    const nn::Encoder encoder(small, random::key(2));
    const auto made = materialize(encoder);
    static_assert(std::derived_from<std::remove_cvref_t<decltype(made)>, nn::EmbeddingModel>);
    static_assert(!std::derived_from<std::remove_cvref_t<decltype(made)>, nn::LanguageModel>);
    auto by_reference = [](const nn::EmbeddingModel& model) {
        EXPECT_EQ(model.size(), 8);
        return floats(model.embed(Array{{1, 2, 3}}, ones({1, 3}, Dtype::boolean)));
    };
    auto by_template = [](const auto& model) { return floats(model.embed(Array{{1, 2, 3}}, ones({1, 3}))); };
    EXPECT_EQ(by_reference(made), by_reference(encoder));
    EXPECT_EQ(by_template(made), by_template(encoder));
}

TEST_F(MaterializedModules, O7_a_language_model_stays_one) {
    const nn::Decoder decoder(small, random::key(2));
    const auto made = materialize(decoder);
    static_assert(std::derived_from<std::remove_cvref_t<decltype(made)>, nn::LanguageModel>);
    auto next = [](const nn::LanguageModel& model) {
        nn::KeyValueCache cache = model.make_cache(4, 1);
        EXPECT_EQ(model.vocabulary(), 11);
        return floats(model.logits(Array{{1, 2, 3}}, cache));
    };
    EXPECT_EQ(next(made), next(decoder));
}

} // namespace
