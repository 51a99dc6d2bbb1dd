// R1 to R5 for custom kernels: what they bind is owned until they have run, however they are encoded. The queue is held back, handles are
// dropped, and memory that is given back is overwritten at once: without retention the kernels read that, every time.

#include "custom_kernels.h"
#include "fixture.h"
#include "tests/poisoning.h"

#include <optional>

using namespace heddle;
using namespace heddle::tests;

namespace {

std::vector<float> filled(float value) { return std::vector<float>(1000, value); }

class R7_CustomRetention : public ::testing::TestWithParam<const char*> {
protected:
    using Binary = Compiled<Array(Array, Array)>;

    /// Two kernels with memory between them, and a temporary inside the second: 2 x + y, backwards.
    static Binary through_memory() {
        return compile("f", [a = saxpy(), b = reversed()](Array x, Array y) { return b({a({2.0f, x, y})}); });
    }
    static Array fresh(float value = 1) { return Array::from(filled(value)).to(GetParam()).wait(); }

    /// How many of a hundred runs give `expected`: a call's inputs go, and its temporaries, before anything runs.
    static int runs_that_give(float expected, bool retain) {
        Poisoning on(GetParam(), retain);
        const Binary f = through_memory();
        int count = 0;
        for (int k = 0; k < 100; ++k) {
            Array x = fresh(), y = fresh();
            f(x, y).wait();
            on.device->synchronize();
            EXPECT_TRUE(on.device->hold_queue(true));
            const Array z = f(x, y);
            x = y = Array();
            on.device->hold_queue(false);
            count += floats(z) == filled(expected);
        }
        return count;
    }

    /// A result in the memory of a donated input, which another kernel reads after its last handle went.
    static std::vector<float> run_with_donation(bool retain) {
        Poisoning on(GetParam(), retain);
        const auto g = compile("g", [k = reversed()](Array x) { return k({x + 1.0f}) * 2.0f; });
        const Binary f = through_memory();
        Array y = fresh();
        f(g(fresh()), y).wait();
        Array x = fresh();
        on.device->synchronize();
        EXPECT_TRUE(on.device->hold_queue(true));
        const std::uint64_t buffers = on.context.live_buffers();
        Array first = g(std::move(x));
        EXPECT_LE(on.context.live_buffers(), buffers + 1) << "at most the temporaries";
        const Array second = f(first, y);
        first = Array();
        on.device->hold_queue(false);
        return floats(second);
    }
};

TEST_P(R7_CustomRetention, R5_a_hundred_of_a_hundred_runs_read_what_they_were_given) {
    const int right = runs_that_give(3, true);
    RecordProperty("runs_that_passed", right);
    EXPECT_EQ(right, 100);
}

TEST_P(R7_CustomRetention, R5_a_hundred_of_a_hundred_runs_without_retention_read_poison) {
    const int poisoned = runs_that_give(2 * poison() + poison(), false);
    RecordProperty("runs_that_read_poison", poisoned);
    EXPECT_EQ(poisoned, 100);
}

TEST_P(R7_CustomRetention, R3_a_result_that_took_over_a_donated_input_is_owned) {
    EXPECT_EQ(run_with_donation(true), filled(9));
    EXPECT_NE(run_with_donation(false), filled(9));
}

TEST_P(R7_CustomRetention, R1_code_and_constants_outlive_the_function_and_the_kernel) {
    Poisoning on(GetParam(), true);
    std::optional<Binary> f(through_memory());
    const Array x = fresh(), y = fresh();
    (*f)(x, y).wait();
    on.device->synchronize();
    const std::uint64_t buffers = on.context.live_buffers();
    EXPECT_TRUE(on.device->hold_queue(true));
    std::optional<Array> z((*f)(x, y));
    std::optional<Array> lazy(saxpy()({3.0f, x, *z}).eval());
    f.reset();
    on.context.trim();
    on.device->hold_queue(false);
    EXPECT_EQ(floats(*z), filled(3));
    EXPECT_EQ(floats(*lazy), filled(6));
    z.reset();
    lazy.reset();
    on.device->synchronize();
    on.context.trim();
    EXPECT_LE(on.context.live_buffers(), buffers);
}

INSTANTIATE_TEST_SUITE_P(On, R7_CustomRetention, ::testing::Values("cpu", "vulkan"),
                         [](const auto& info) { return std::string(info.param); });

// ---- programs that are recorded, and long ones that several threads encode

/// 2 kernels a link.
Array chain(const CustomKernel& a, const CustomKernel& b, Array x, int links) {
    for (int k = 0; k < links; ++k) x = b({a({0.5f, x, x})});
    return x;
}

class R7_CustomReplay : public ::testing::Test {
protected:
    static constexpr int links = 16;
    static Array ramp(float first) { return (arange(1000, Dtype::f32) + first).to("vulkan").wait(); }
    static std::vector<float> expected(float first) {
        std::vector<float> values(1000);
        for (std::size_t k = 0; k < values.size(); ++k) {
            values[k] = static_cast<float>(k) + first; // an even number of links leaves the order
            for (int link = 0; link < links; ++link) values[k] = 0.5f * values[k] + values[k];
        }
        return values;
    }
    static Compiled<Array(Array)> chained() {
        return compile("f", [a = saxpy(), b = reversed()](Array x) { return chain(a, b, x, links); });
    }
    /// Results that are read, and results whose every other handle went while the queue stood still.
    static Statistics check(ContextOptions options) {
        Poisoning on("vulkan", true, std::move(options));
        const auto f = chained();
        for (int k = 0; k < 4; ++k)
            EXPECT_EQ(floats(f(ramp(static_cast<float>(k)))), expected(static_cast<float>(k)));
        on.context.synchronize();
        std::vector<Array> inputs;
        for (int k = 0; k < 5; ++k) inputs.push_back(ramp(10));
        on.context.synchronize();
        on.device->hold_queue(true);
        Array result;
        for (Array& x : inputs) {
            result = f(x);
            x = Array();
        }
        on.context.trim();
        on.device->hold_queue(false);
        EXPECT_EQ(floats(result), expected(10));
        return on.context.statistics();
    }
};

TEST_F(R7_CustomReplay, recorded_kernels_give_what_encoded_ones_give_and_own_what_they_bind) {
    ContextOptions encode;
    encode.replay = false;
    EXPECT_EQ(check(encode).replays, 0u);
    const Statistics counters = check({});
    EXPECT_GE(counters.recordings, 1u);
    EXPECT_GE(counters.replays, 5u);
}

TEST_F(R7_CustomReplay, kernels_that_several_workers_encode_give_the_same_and_own_what_they_bind) {
    for (const bool replay : {false, true}) {
        ContextOptions shared;
        shared.encoders = 2;
        shared.encoder_kernels = 16;
        shared.replay = replay;
        const Statistics counters = check(shared);
        EXPECT_GT(counters.shared_encodings, 0u);
        EXPECT_EQ(counters.replays > 0, replay);
    }
}

} // namespace
