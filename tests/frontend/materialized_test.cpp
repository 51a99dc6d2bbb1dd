// MaterializedArray: O1 to O3, O5. What must not compile is asserted with `requires`.

#include "fixture.h"

#include "frontend/value.h"

#include <heddle/error.h>

#include <concepts>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <type_traits>

using namespace heddle;
using namespace heddle::tests;

namespace {

class Materialized : public FrontendTest {};

// ---- O1: there is no other way to make one, and none without a value.
static_assert(!std::default_initializable<MaterializedArray>);
static_assert(!std::constructible_from<MaterializedArray, Array>);
static_assert(!std::constructible_from<MaterializedArray, const Array&>);
static_assert(!std::constructible_from<MaterializedArray, float>);
static_assert(!std::constructible_from<MaterializedArray, std::initializer_list<float>>);
static_assert(!std::convertible_to<Array, MaterializedArray>);
static_assert(!std::derived_from<MaterializedArray, Array>);
static_assert(!std::is_aggregate_v<MaterializedArray>);
// A move is a copy: what was moved from still has its value.
static_assert(std::is_nothrow_copy_constructible_v<MaterializedArray>);

// ---- O3: what would change one does not compile.
template <class M>
concept Changeable =
    requires(M m, const M& other) { m = other; } || requires(M m, Array x) { m = x; } ||
    requires(M m) { m += 1.0f; } || requires(M m) { m -= 1.0f; } || requires(M m) { m *= 1.0f; } ||
    requires(M m) { m /= 1.0f; } || requires(M m) { m.release_value(); } ||
    requires(M m, M n) { std::swap(m, n); } || requires(M m) { std::declval<void (&)(Array&)>()(m); } ||
    requires(M m) { std::declval<void (&)(Array&)>()(m.as_array()); };
static_assert(Changeable<Array>);
static_assert(!Changeable<MaterializedArray>);
static_assert(!Changeable<const MaterializedArray>);
static_assert(std::same_as<decltype(std::declval<MaterializedArray&>().as_array()), const Array&>);
static_assert(
    std::same_as<decltype(std::declval<MaterializedArray&>().data()), const void*>); // read-only memory

// ---- O2: what ops give back is an ordinary array.
static_assert(std::same_as<decltype(std::declval<MaterializedArray&>() + 1.0f), Array>);
static_assert(std::convertible_to<MaterializedArray, Array>);

TEST_F(Materialized, O1_both_spellings_evaluate) {
    const Array x = arange(4, Dtype::f32) * 2.0f;
    const Array y = x + 1.0f;
    ASSERT_FALSE(x.is_evaluated());
    const MaterializedArray first = materialize(x);
    EXPECT_TRUE(x.is_evaluated());
    const MaterializedArray second = y.materialized();
    EXPECT_TRUE(y.is_evaluated());
    EXPECT_EQ(first.to_vector<float>(), (std::vector<float>{0, 2, 4, 6}));
    EXPECT_EQ(second.to_vector<float>(), (std::vector<float>{1, 3, 5, 7}));
}

TEST_F(Materialized, O1_several_are_evaluated_as_one_graph) {
    const std::vector<Array> both{arange(4, Dtype::f32) * 2.0f, arange(4, Dtype::f32) + 1.0f};
    const std::uint64_t calls = context.statistics().calls;
    const std::vector<MaterializedArray> made = materialize(both);
    EXPECT_EQ(context.statistics().calls, calls + 1);
    EXPECT_EQ(made[0].to_vector<float>()[3], 6);
    EXPECT_EQ(made[1].to_vector<float>()[3], 4);
}

TEST_F(Materialized, O1_when_evaluation_throws_there_is_none) {
    std::optional<MaterializedArray> made;
    Context closed({.device = "interp", .cache_directory = ""});
    Array pending;
    {
        Context::Scope scope(closed);
        pending = arange(4, Dtype::f32) + 1.0f;
    }
    closed.shutdown();
    EXPECT_THROW(made.emplace(materialize(pending)), UsageError);
    EXPECT_FALSE(made.has_value());
    EXPECT_FALSE(pending.is_evaluated());
}

/// A timeline whose work turns out to have failed.
class FailedStream final : public runtime::Stream {
public:
    bool reached(u64) const override { return false; }
    void wait(u64) const override { throw DeviceError("the kernel failed"); }
};

TEST_F(Materialized, O1_when_the_device_fails_there_is_none) {
    const Array x{1.f, 2.f};
    x.value()->buffer->set_written(runtime::Event(std::make_shared<FailedStream>(), 1));
    std::optional<MaterializedArray> made;
    EXPECT_THROW(made.emplace(materialize(x)), DeviceError);
    const std::vector<Array> both{Array{1.f}, x};
    std::vector<MaterializedArray> list;
    EXPECT_THROW(list = materialize(both), DeviceError);
    EXPECT_FALSE(made.has_value());
    EXPECT_TRUE(list.empty());
}

TEST_F(Materialized, O1_an_empty_array_and_a_tracer_are_errors) {
    EXPECT_TRUE(contains(message_of<UsageError>([] { materialize(Array()); }), "materialize"));
    auto f = compile("reader", [](Array x) { return Array(materialize(x)); });
    const std::string message = message_of<TraceError>([&] { f(Array{1.f}); });
    EXPECT_TRUE(contains(message, "reader: materialize of f32[1]"));
    auto g = compile("list_reader", [](Array x) {
        const std::vector<Array> list{x};
        return Array(materialize(list)[0]);
    });
    EXPECT_TRUE(
        contains(message_of<TraceError>([&] { g(Array{1.f}); }), "list_reader: materialize of f32[1]"));
}

float first_element(const Array& x) { return x.to_vector<float>()[0]; }
float by_value(Array x) { return (x + 1.0f).to_vector<float>()[0]; }

TEST_F(Materialized, O2_it_is_used_wherever_an_array_is_read) {
    const MaterializedArray m = materialize(Array{3.f, 4.f});
    EXPECT_EQ(floats(m + m)[0], 6);
    EXPECT_EQ(floats(2.0f * m)[1], 8);
    EXPECT_EQ(floats(-m)[0], -3);
    EXPECT_EQ(sum(m).item<float>(), 7);
    EXPECT_EQ(floats(layer_norm(Array{1.f, -1.f}, m, m, 0.0f)), (std::vector<float>{6, 0}));
    EXPECT_EQ(floats(concatenate({m, m}))[2], 3);
    EXPECT_EQ(first_element(m), 3);
    EXPECT_EQ(by_value(m), 4);
    const Array plain = m;
    EXPECT_EQ(floats(plain)[0], 3);
    std::ostringstream printed, expected;
    printed << m;
    expected << plain;
    EXPECT_EQ(printed.str(), expected.str());
    EXPECT_EQ(m.text(), plain.text());
    EXPECT_EQ(m.dtype(), Dtype::f32);
    EXPECT_EQ(m.rank(), 1);
    EXPECT_EQ(m.shape(), (Shape{2}));
    EXPECT_EQ(m.shape(-1), 2);
    EXPECT_EQ(m.elements(), 2);
    EXPECT_EQ(m.device(), plain.device());
    EXPECT_TRUE(static_cast<bool>(materialize(Array{1})));
}

TEST_F(Materialized, O2_a_compiled_function_takes_it_as_argument_and_capture) {
    const MaterializedArray m = materialize(Array{3.f, 4.f});
    auto f = compile("f", [](Array x, Array y) { return x * y; });
    EXPECT_EQ(floats(f(m, 2.0f)), (std::vector<float>{6, 8}));
    auto g = compile("g", [m](Array x) { return x + m; });
    EXPECT_EQ(floats(g(Array{1.f, 1.f})), (std::vector<float>{4, 5}));
}

TEST_F(Materialized, O2_materializing_again_copies_nothing) {
    const MaterializedArray m = materialize(arange(1000, Dtype::f32) * 2.0f);
    const std::uint64_t buffers = context.live_buffers(), arrays = live_arrays();
    const MaterializedArray again = materialize(m), through_array = materialize(Array(m)),
                            member = m.materialized(), copy = m;
    EXPECT_EQ(context.live_buffers(), buffers);
    EXPECT_EQ(live_arrays(), arrays);
    for (const MaterializedArray* other : {&again, &through_array, &member, &copy})
        EXPECT_EQ(other->data(), m.data());
}

TEST_F(Materialized, O3_later_changes_of_the_array_do_not_show) {
    Array x{1.f, 2.f};
    const MaterializedArray m = materialize(x);
    x += 5.0f;
    EXPECT_EQ(floats(x)[0], 6);
    EXPECT_EQ(m.to_vector<float>(), (std::vector<float>{1, 2}));
    Array y = m;
    y *= 3.0f;
    y.eval();
    EXPECT_EQ(m.to_vector<float>(), (std::vector<float>{1, 2}));
}

TEST_F(Materialized, O3_it_is_never_donated) {
    Context cpu({.device = "cpu", .cache_directory = ""});
    Context::Scope in(cpu);
    auto f = compile("f", [](Array x) { return x + 1.0f; });
    Array own = Array::from(std::vector<float>(64, 1.0f));
    const void* const place = own.data();
    ASSERT_EQ(f(std::move(own)).data(), place); // an array of one owner is
    const MaterializedArray m = materialize(Array::from(std::vector<float>(64, 1.0f)));
    const std::vector<float> before = m.to_vector<float>();
    // The handle that is given away is another owner of the same value.
    EXPECT_NE(f(Array(m)).data(), m.data());
    MaterializedArray given = m;
    EXPECT_NE(f(std::move(given)).data(), m.data());
    EXPECT_EQ(m.to_vector<float>(), before);
}

TEST_F(Materialized, O3_moving_leaves_the_value_where_it_was) {
    MaterializedArray m = materialize(Array{1.f});
    const MaterializedArray other = std::move(m);
    EXPECT_EQ(m.item<float>(), 1);
    EXPECT_EQ(other.item<float>(), 1);
    std::vector<MaterializedArray> list;
    for (int k = 0; k < 10; ++k) list.push_back(other);
    EXPECT_EQ(list[9].data(), m.data());
}

TEST_F(Materialized, O5_literals_still_construct_arrays) {
    const Array one{1.f, 2.f}, two{{1.f, 2.f}, {3.f, 4.f}}, number(3.f), list = {1, 2, 3};
    EXPECT_EQ(one.shape(), (Shape{2}));
    EXPECT_EQ(two.shape(), (Shape{2, 2}));
    EXPECT_EQ(floats(two), (std::vector<float>{1, 2, 3, 4}));
    EXPECT_EQ(number.rank(), 0);
    EXPECT_EQ(list.dtype(), Dtype::i32);
    const Array braced{materialize(one)};
    EXPECT_EQ(braced.shape(), (Shape{2}));
    EXPECT_EQ(materialize(Array{{1.f}, {2.f}}).shape(), (Shape{2, 1}));
}

} // namespace
