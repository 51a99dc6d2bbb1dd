// The tree of a module: names, copies, update, apply, freeze, train.

#include "tests/frontend/fixture.h"

#include <heddle/nn.h>

#include <concepts>

using namespace heddle;
using namespace heddle::tests;

namespace {

class Modules : public FrontendTest {};

class Mlp : public nn::Module {
public:
    Mlp(int size, const Array& key)
        : up(size, 2 * size, index(random::split(key, 2), 0, 0)),
          down(2 * size, size, index(random::split(key, 2), 0, 1), false) {}
    Array operator()(const Array& x) const { return down(relu(up(x))); }

    nn::Linear up, down;
    HEDDLE_MEMBERS(up, down)
};

class Stack : public nn::Module {
public:
    explicit Stack(const Array& key) : scale(Array(2.0f)) {
        for (int k = 0; k < 2; ++k) layers.push_back(Mlp(2, random::fold_in(key, k)));
    }
    Array operator()(const Array& x) const {
        Array y = x * scale;
        for (const Mlp& layer : layers) y = layer(y);
        return offset.has_value() ? y + offset : y;
    }

    nn::Parameter scale, offset;
    nn::ModuleList<Mlp> layers;
    HEDDLE_MEMBERS(scale, offset, layers)
};

// Forward functions are const; what changes a module is not.
static_assert(std::invocable<const Stack&, const Array&>);
template <class M>
concept Updates = requires(M& m, nn::NamedTree<Array> values) { m.update(values); };
static_assert(Updates<Stack> && !Updates<const Stack>);

const std::vector<std::string> names{"scale",
                                     "layers.0.up.weight",
                                     "layers.0.up.bias",
                                     "layers.0.down.weight",
                                     "layers.1.up.weight",
                                     "layers.1.up.bias",
                                     "layers.1.down.weight"};

TEST_F(Modules, parameters_have_dotted_names_and_absent_ones_are_not_there) {
    const Stack stack(random::key(1));
    const nn::NamedTree<Array> tree = stack.parameters();
    EXPECT_EQ(tree.names(), names);
    EXPECT_FALSE(tree.contains("offset"));
    EXPECT_FALSE(tree.contains("layers.0.down.bias"));
    EXPECT_EQ(tree.at("layers.0.up.weight").shape(), (Shape{4, 2}));
    EXPECT_EQ(tree.below("layers.1").names(),
              (std::vector<std::string>{"up.weight", "up.bias", "down.weight"}));
    EXPECT_TRUE(contains(message_of<UsageError>([&] { tree.at("offset"); }), "'offset'"));
}

TEST_F(Modules, different_keys_give_different_parameters_and_the_same_key_the_same) {
    const Stack first(random::key(1)), same(random::key(1)), other(random::key(2));
    auto weights = [](const Stack& stack) { return floats(stack.parameters().at("layers.0.up.weight")); };
    EXPECT_EQ(weights(first), weights(same));
    EXPECT_NE(weights(first), weights(other));
    EXPECT_NE(floats(first.parameters().at("layers.0.up.weight")),
              floats(first.parameters().at("layers.1.up.weight")));
}

TEST_F(Modules, a_copy_shares_the_arrays_and_changes_alone) {
    Stack stack(random::key(1));
    for (const auto& leaf : stack.parameters()) leaf.second.eval();
    const std::uint64_t buffers = context.live_buffers();
    Stack copy = stack;
    EXPECT_EQ(context.live_buffers(), buffers);
    for (const auto& [name, value] : copy.parameters())
        EXPECT_EQ(value.data(), stack.parameters().at(name).data()) << name;
    copy.scale = Array(3.0f);
    copy.layers[0].up.weight = zeros({4, 2});
    EXPECT_EQ(stack.scale.as_array().item<float>(), 2);
    EXPECT_EQ(copy.parameters().at("scale").item<float>(), 3);
    EXPECT_NE(floats(stack.layers[0].up.weight)[0], 0);
}

TEST_F(Modules, update_replaces_what_is_named) {
    Stack stack(random::key(1));
    stack.update({{{"scale", Array(0.5f)}, {"layers.1.up.bias", ones({4})}}});
    EXPECT_EQ(stack.scale.as_array().item<float>(), 0.5f);
    EXPECT_EQ(floats(stack.layers[1].up.bias), (std::vector<float>{1, 1, 1, 1}));
    EXPECT_EQ(stack.parameters().names(), names);
}

TEST_F(Modules, a_wrong_update_names_the_parameter_and_changes_nothing) {
    Stack stack(random::key(1));
    auto update = [&](const char* name, const Array& value) {
        stack.update({{{"scale", Array(9.0f)}, {name, value}}});
    };
    std::string message = message_of<UsageError>([&] { update("layers.2.up.bias", ones({4})); });
    EXPECT_TRUE(contains(message, "no parameter 'layers.2.up.bias'"));
    EXPECT_TRUE(contains(message, "module_test.cpp"));
    message = message_of<UsageError>([&] { update("offset", ones({2})); });
    EXPECT_TRUE(contains(message, "no parameter 'offset'"));
    message = message_of<ShapeError>([&] { update("layers.0.up.weight", ones({2, 4})); });
    EXPECT_TRUE(contains(message, "'layers.0.up.weight' is [4, 2], given [2, 4]"));
    EXPECT_EQ(stack.scale.as_array().item<float>(), 2);
}

TEST_F(Modules, apply_reaches_every_parameter) {
    Stack stack(random::key(1));
    stack.apply([](const Array& x) { return cast(x, Dtype::f16); });
    EXPECT_EQ(stack.parameters().names(), names);
    for (const auto& [name, value] : stack.parameters()) EXPECT_EQ(value.dtype(), Dtype::f16) << name;
    EXPECT_THROW(stack.apply([](const Array& x) -> Array {
        if (x.rank() == 1) throw std::domain_error("no");
        return zeros_like(x);
    }),
                 std::domain_error);
    EXPECT_EQ(stack.scale.as_array().item<float>(), 2);
}

TEST_F(Modules, frozen_parameters_are_not_trainable) {
    Stack stack(random::key(1));
    EXPECT_EQ(stack.trainable_parameters().names(), names);
    stack.freeze("layers.0");
    EXPECT_EQ(stack.trainable_parameters().names(),
              (std::vector<std::string>{"scale", "layers.1.up.weight", "layers.1.up.bias",
                                        "layers.1.down.weight"}));
    stack.freeze();
    EXPECT_TRUE(stack.trainable_parameters().empty());
    stack.unfreeze("layers.1.up.bias");
    EXPECT_EQ(stack.trainable_parameters().names(), (std::vector<std::string>{"layers.1.up.bias"}));
    EXPECT_EQ(stack.parameters().names(), names);
    EXPECT_TRUE(contains(message_of<UsageError>([&] { stack.freeze("layer"); }), "no 'layer'"));
}

TEST_F(Modules, train_reaches_the_modules_below) {
    Stack stack(random::key(1));
    EXPECT_FALSE(stack.is_training());
    stack.train();
    EXPECT_TRUE(stack.layers[1].down.is_training());
    EXPECT_TRUE(Stack(stack).layers[0].is_training());
    stack.train(false);
    EXPECT_FALSE(stack.layers[1].down.is_training());
}

TEST_F(Modules, a_module_is_compiled_with_its_parameters_as_captures) {
    const Stack stack(random::key(1));
    auto f = compile("stack", [stack](Array x) { return stack(x); });
    const Array x{{1.f, 2.f}};
    EXPECT_EQ(floats(f(x)), floats(stack(x)));
}

} // namespace
