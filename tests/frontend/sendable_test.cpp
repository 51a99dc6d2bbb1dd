// What may cross threads, and the API that asks for it: O4.

#include "fixture.h"

#include <atomic>
#include <functional>
#include <latch>
#include <stdexcept>
#include <string_view>
#include <thread>

using namespace heddle;
using namespace heddle::tests;

namespace {

class SendableTest : public FrontendTest {};

struct Weights {
    MaterializedArray scale;
    std::optional<MaterializedArray> bias;
    std::string name;
    int layers = 2;
};
struct Nested {
    std::vector<Weights> all;
    std::map<std::string, MaterializedArray> named;
    float sizes[3] = {};
};
struct HoldsArray {
    MaterializedArray good;
    Array bad;
};
struct HoldsArrayDeep {
    int count = 0;
    std::vector<HoldsArray> list;
};
struct Refers {
    int own = 0;
    const std::string& other;
};
struct RefersToMutable {
    int& other;
};
struct Points {
    float* data = nullptr;
};
class Opaque {
public:
    int value() const { return value_; }

private:
    int value_ = 0;
};
class Vouched {
    int value_ = 0;
};

} // namespace

template <> inline constexpr bool heddle::enable_sendable<Vouched> = true;

namespace {

// ---- the trait
static_assert(Sendable<MaterializedArray>);
static_assert(Sendable<const MaterializedArray>);
static_assert(!Sendable<Array>);
static_assert(!Sendable<const Array>);
static_assert(!Sendable<const MaterializedArray&>);
static_assert(Sendable<int> && Sendable<float> && Sendable<bool> && Sendable<Dtype> && Sendable<std::string>);
static_assert(Sendable<std::vector<MaterializedArray>> && !Sendable<std::vector<Array>>);
static_assert(Sendable<std::optional<MaterializedArray>> && !Sendable<std::optional<Array>>);
static_assert(Sendable<std::tuple<int, MaterializedArray>> && !Sendable<std::tuple<int, Array>>);
static_assert(Sendable<std::pair<MaterializedArray, std::string>> && !Sendable<std::pair<Array, int>>);
static_assert(Sendable<std::array<MaterializedArray, 2>> && !Sendable<std::array<Array, 2>>);
static_assert(Sendable<std::variant<int, MaterializedArray>> && !Sendable<std::variant<int, Array>>);
static_assert(Sendable<std::map<std::string, MaterializedArray>> && !Sendable<std::map<int, Array>>);
static_assert(Sendable<std::unordered_map<std::string, int>> && !Sendable<std::unordered_map<int, Array>>);
static_assert(Sendable<std::unique_ptr<Weights>> && !Sendable<std::unique_ptr<HoldsArray>>);
static_assert(Sendable<Weights> && Sendable<Nested>);
static_assert(Sendable<std::vector<std::tuple<Nested, std::optional<Weights>>>>);
static_assert(!Sendable<HoldsArray> && !Sendable<HoldsArrayDeep>);
static_assert(!Sendable<std::vector<std::tuple<int, std::optional<HoldsArrayDeep>>>>);
// Nothing that leaves behind what it refers to.
static_assert(!Sendable<int*> && !Sendable<Points> && !Sendable<Refers> && !Sendable<RefersToMutable>);
static_assert(!Sendable<std::string_view> && !Sendable<std::span<const float>>);
static_assert(!Sendable<std::reference_wrapper<int>> && !Sendable<std::function<void()>>);
// Shared objects are const or lock themselves.
static_assert(Sendable<std::shared_ptr<const Weights>> && !Sendable<std::shared_ptr<Weights>>);
static_assert(!Sendable<std::shared_ptr<const HoldsArray>>);
static_assert(Sendable<std::shared_ptr<std::atomic<int>>>);
// A class says so itself.
static_assert(!Sendable<Opaque> && Sendable<Vouched>);
static_assert(Sendable<Compiled<Array(Array)>>);

// ---- the API. Callables without captures, arguments and results that may cross.
float total(const std::vector<MaterializedArray>& list) { return sum(concatenate({list[0]})).item<float>(); }

template <class... A>
concept Starts = requires(A... arguments) { heddle::run_on_thread(std::move(arguments)...); };

constexpr auto read = [](const Array& x) { return x.to_vector<float>()[0]; };
constexpr auto keep = [](const MaterializedArray& x) { return x; };
constexpr auto leak = [](const MaterializedArray& x) { return x + 1.0f; };
static_assert(Starts<decltype(read), MaterializedArray>);
static_assert(!Starts<decltype(read), Array>);
static_assert(!Starts<decltype(read), std::reference_wrapper<MaterializedArray>>);
static_assert(Starts<decltype(keep), MaterializedArray>);
static_assert(!Starts<decltype(leak), MaterializedArray>); // it gives an Array back
static_assert(Starts<decltype(&total), std::vector<MaterializedArray>>);
static_assert(!Starts<std::function<void()>>);

TEST_F(SendableTest, O4_a_lambda_with_captures_is_no_work_for_another_thread) {
    Array x{1.f};
    const MaterializedArray m = materialize(x);
    auto by_reference = [&] { return x.item<float>(); };
    auto by_value = [x] { return x.item<float>(); };
    auto good_value = [m] { return m.item<float>(); };
    static_assert(!Starts<decltype(by_reference)>);
    static_assert(!Starts<decltype(by_value)>);
    static_assert(!Starts<decltype(good_value)>); // what it captured cannot be seen
    static_assert(Starts<decltype(assume_sendable(by_reference))>);
    EXPECT_EQ(run_on_thread(assume_sendable(by_reference)).get(), 1);
}

TEST_F(SendableTest, O4_work_runs_on_another_thread_in_the_same_context) {
    const MaterializedArray m = materialize(Array{3.f, 4.f});
    const std::uint64_t calls = context.statistics().calls;
    auto future = run_on_thread(
        [](const MaterializedArray& x, AssumedSendable<std::thread::id> caller) {
            return std::pair(materialize(x * 2.0f), std::this_thread::get_id() != caller.value);
        },
        m, assume_sendable(std::this_thread::get_id()));
    const auto [doubled, elsewhere] = future.get();
    EXPECT_TRUE(elsewhere);
    EXPECT_EQ(doubled.to_vector<float>(), (std::vector<float>{6, 8}));
    EXPECT_EQ(doubled.device(), "interp");
    EXPECT_EQ(context.statistics().calls, calls + 1);
}

TEST_F(SendableTest, O4_an_exception_on_the_thread_reaches_who_waits) {
    auto future =
        run_on_thread([](std::string text) -> int { throw std::domain_error(text); }, std::string("no"));
    EXPECT_EQ(message_of<std::domain_error>([&] { future.get(); }), "no");
}

TEST_F(SendableTest, O4_move_only_work_is_moved) {
    auto future = run_on_thread([](std::unique_ptr<int> p) { return *p; }, std::make_unique<int>(7));
    EXPECT_EQ(future.get(), 7);
}

TEST_F(SendableTest, O4_work_outlives_the_context_object_that_started_it) {
    std::latch closed(1);
    std::future<float> future;
    {
        Context own({.device = "interp", .cache_directory = ""});
        Context::Scope scope(own);
        future = run_on_thread(assume_sendable([&] {
            closed.wait();
            return (Array{1.f} + 1.0f).item<float>();
        }));
    }
    closed.count_down();
    EXPECT_EQ(future.get(), 2);
}

TEST_F(SendableTest, O4_one_materialized_array_is_read_by_many_threads) {
    const MaterializedArray m = materialize(arange(1000, Dtype::f32));
    const auto shared = std::make_shared<const Weights>(Weights{m, {}, "w"});
    std::vector<std::future<float>> all;
    for (int k = 0; k < 8; ++k)
        all.push_back(
            run_on_thread([](const std::shared_ptr<const Weights>& w,
                             int k) { return (w->scale * static_cast<float>(k)).to_vector<float>()[999]; },
                          shared, k));
    for (int k = 0; k < 8; ++k)
        EXPECT_EQ(all[static_cast<std::size_t>(k)].get(), 999.0f * static_cast<float>(k));
}

TEST_F(SendableTest, O4_threads_leave_nothing_behind) {
    const MaterializedArray m = materialize(arange(16, Dtype::f32));
    auto work = [](const MaterializedArray& x) {
        const Array pending = x * 2.0f; // never read
        return materialize(x + 1.0f);
    };
    run_on_thread(work, m).get();
    const std::uint64_t arrays = live_arrays(), buffers = context.live_buffers();
    for (int k = 0; k < 100; ++k) run_on_thread(work, m).get();
    EXPECT_EQ(live_arrays(), arrays);
    EXPECT_EQ(context.live_buffers(), buffers);
}

} // namespace
