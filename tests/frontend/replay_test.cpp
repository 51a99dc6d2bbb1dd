// Programs that are called again launch what was recorded at an earlier call, and long ones are encoded by several threads (W7). Either way
// the results are those of encoding every launch of every call, bit by bit.

#include "fixture.h"
#include "frontend/context_state.h"
#include "frontend/encoders.h"
#include "frontend/value.h"
#include "runtime/faults.h"
#include "runtime/vulkan/device.h"

#include <heddle/error.h>

#include <cstdlib>
#include <latch>
#include <mutex>
#include <numeric>
#include <optional>
#include <thread>

using namespace heddle;
using namespace heddle::tests;

namespace {

/// Sums along one axis, then along the other: each needs a kernel of its own. Only the first reads `x`, only the last writes a result.
Array chain(Array x, int length) {
    for (int k = 0; k < length; ++k) x = x * 0.75f + sum(x, {k % 2}, true) * 0.0125f;
    return x;
}

/// Compiles for every size: where none is known the kernels of a chain of small arrays stay apart.
template <class F> auto in_kernels(std::string name, F body) {
    return compile(std::move(name), std::move(body), {.shapeless = true});
}

class Replay : public ::testing::Test {
protected:
    void SetUp() override {
        if (!has_vulkan()) GTEST_SKIP() << "needs a Vulkan driver";
    }
    static ContextOptions options(bool replay = true) {
        ContextOptions options;
        options.device = "vulkan";
        options.cache_directory = "";
        options.replay = replay;
        return options;
    }
    static Array matrix(std::int64_t rows, std::int64_t columns, float first) {
        std::vector<float> values(static_cast<std::size_t>(rows * columns));
        for (std::size_t k = 0; k < values.size(); ++k)
            values[k] = first + 0.01f * static_cast<float>(k % 31);
        return reshape(Array::from(values), {rows, columns}).to("vulkan").eval();
    }
    /// What `body()` gives in a context that encodes every call.
    template <class Body> static auto encoded(Body body) {
        Context context(options(false));
        const Context::Scope scope(context);
        auto result = body();
        EXPECT_EQ(context.statistics().replays + context.statistics().recordings, 0u);
        return result;
    }
    template <class Body> void expect_same(Body body) { EXPECT_EQ(body(), encoded(body)); }

    Context context{options()};
    Context::Scope scope{context};
    Statistics counters() const { return context.statistics(); }
};

using Results = std::vector<std::vector<float>>;

TEST_F(Replay, the_second_call_records_and_later_ones_launch_the_recording) {
    const auto f = in_kernels("f", [](Array x) { return chain(x, 20); });
    const Array x = matrix(8, 16, 1);
    f(x).wait();
    EXPECT_EQ(counters().recordings, 0u);
    f(x).wait();
    EXPECT_EQ(counters().recordings, 1u);
    EXPECT_EQ(counters().replays, 0u);
    for (int k = 0; k < 5; ++k) f(x).wait();
    EXPECT_EQ(counters().recordings, 1u);
    EXPECT_EQ(counters().replays, 5u);
}

TEST_F(Replay, results_follow_the_inputs) {
    expect_same([] {
        const auto f = in_kernels("f", [](Array x, Array y) { return chain(x, 24) - chain(y, 24); });
        Results results;
        std::vector<Array> kept; // so that inputs and results lie elsewhere each time
        for (int k = 0; k < 8; ++k) {
            const Array x = matrix(8, 16, static_cast<float>(k)), y = matrix(8, 16, 0.5f);
            kept.insert(kept.end(), {x, y, f(x, y)});
            results.push_back(floats(kept.back()));
        }
        return results;
    });
    EXPECT_GE(counters().replays, 4u);
}

TEST_F(Replay, an_argument_that_stays_is_part_of_the_recording_until_another_comes) {
    // `w` goes into every kernel.
    auto body = [] {
        const auto f = in_kernels("f", [](Array x, Array w) {
            for (int k = 0; k < 24; ++k) x = x * w + sum(x * 0.01f, {k % 2}, true);
            return x;
        });
        const Array first = matrix(8, 16, 0.25f), second = matrix(8, 16, -0.5f);
        Results results;
        for (const Array& w : {first, first, first, second, second, first, second, second, second})
            results.push_back(floats(f(matrix(8, 16, 1), w)));
        return results;
    };
    const auto results = body();
    EXPECT_EQ(results, encoded(body));
    EXPECT_EQ(results[0], results[1]);
    EXPECT_NE(results[2], results[3]);
    EXPECT_EQ(results[0], results[5]);
    EXPECT_GE(counters().replays, 1u);
}

TEST_F(Replay, each_size_has_its_own_recording_and_few_are_kept) {
    for (const int sizes : {3, 7}) {
        expect_same([=] {
            const auto f = in_kernels("f", [](Array x) { return chain(x, 24); });
            Results results;
            for (int round = 0; round < 4; ++round)
                for (int k = 0; k < sizes; ++k)
                    results.push_back(floats(f(matrix(4 + k, 16, static_cast<float>(round)))));
            return results;
        });
        if (sizes == 3) {
            EXPECT_EQ(counters().recordings, 3u);
            EXPECT_EQ(counters().replays, 6u);
        }
    }
    // Seven sizes in turn: each has been forgotten when it comes again.
    EXPECT_EQ(counters().recordings, 3u);
}

TEST_F(Replay, numbers_follow_the_call) {
    expect_same([] {
        const auto f =
            in_kernels("f", [](Array x, Array scale) { return chain(x, 24) * scale + chain(x * scale, 24); });
        Results results;
        const Array x = matrix(8, 16, 1);
        for (const float scale : {1.0f, 2.0f, 3.0f, 3.0f, 3.0f, 4.0f}) results.push_back(floats(f(x, scale)));
        return results;
    });
    EXPECT_GE(counters().replays, 3u);
}

TEST_F(Replay, a_donated_argument_is_taken_over_again_and_again) {
    auto body = [] {
        const auto f = in_kernels("f", [](Array x) { return chain(x, 24) * 0.125f; });
        Array x = matrix(8, 16, 1);
        for (int k = 0; k < 9; ++k) x = f(std::move(x));
        return floats(x);
    };
    expect_same(body);
    EXPECT_GE(counters().replays, 7u);
}

TEST_F(Replay, a_result_that_is_fed_back_without_waiting_is_right) {
    expect_same([] {
        const auto f = in_kernels("f", [](Array x) { return chain(x, 24) * 0.125f; });
        Array x = matrix(8, 16, 1);
        for (int k = 0; k < 100; ++k) x = f(x);
        return floats(x);
    });
    EXPECT_EQ(counters().replays, 98u);
}

TEST_F(Replay, threads_call_one_function_at_once) {
    const auto f = in_kernels("f", [](Array x) { return chain(x, 24); });
    Results results(8), expected;
    std::vector<Array> first; // kept, so that arguments and results are seen to move
    for (int k = 0; k < 3; ++k) {
        first.push_back(matrix(8, 16, 0));
        first.push_back(f(first.back()).eval());
    }
    context.synchronize();
    EXPECT_EQ(counters().replays, 1u);
    std::vector<std::jthread> threads;
    std::latch start(8);
    for (std::size_t t = 0; t < 8; ++t)
        threads.emplace_back([&, t] {
            const Context::Scope inner(context);
            start.arrive_and_wait();
            std::vector<Array> made;
            for (int k = 0; k < 20; ++k) made.push_back(f(matrix(8, 16, static_cast<float>(t))));
            results[t] = floats(made.back());
            for (const Array& y : made) EXPECT_EQ(floats(y), results[t]);
        });
    threads.clear();
    expected = encoded([] {
        const auto g = in_kernels("f", [](Array x) { return chain(x, 24); });
        Results made;
        for (int t = 0; t < 8; ++t) made.push_back(floats(g(matrix(8, 16, static_cast<float>(t)))));
        return made;
    });
    EXPECT_EQ(results, expected);
    EXPECT_EQ(counters().replays, 1 + 8 * 20u);
}

/// Memory that goes back to the pool is overwritten at once.
class PoisonedReplay : public Replay {
protected:
    PoisonedReplay() {
        setenv("HEDDLE_POISON", "1", 1);
        (void)context.state()->device("vulkan");
        unsetenv("HEDDLE_POISON");
    }
};

TEST_F(PoisonedReplay, R4_every_handle_may_go_before_the_recorded_kernels_have_run) {
    const Array reference = matrix(8, 16, 1);
    const std::uint64_t programs = counters().live_programs;
    std::vector<float> expected;
    std::optional<Array> result;
    {
        const auto f = in_kernels("f", [](Array x) { return chain(x, 24); });
        for (int k = 0; k < 4; ++k) expected = floats(f(reference));
        context.synchronize();
        context.state()->device("vulkan")->hold_queue(true);
        for (int k = 0; k < 5; ++k) {
            // The argument, all results but one, and at last the function with its recordings go while the queue stands still.
            result = f(matrix(8, 16, 1));
        }
    }
    context.trim();
    context.state()->device("vulkan")->hold_queue(false);
    EXPECT_EQ(floats(*result), expected);
    EXPECT_GE(counters().replays, 5u) << "all but one of those at first, and of those with other arguments";
    EXPECT_EQ(counters().live_programs, programs);
    result.reset();
    context.synchronize();
    EXPECT_EQ(context.live_buffers(), 1u) << "the reference";
}

TEST_F(PoisonedReplay, what_recordings_keep_goes_with_them) {
    const Array x = matrix(8, 16, 1);
    context.synchronize();
    const std::uint64_t buffers = context.live_buffers();
    const auto f = in_kernels("f", [](Array a) { return chain(a, 24); });
    for (int k = 0; k < 3; ++k) f(x).wait();
    context.synchronize();
    EXPECT_GT(context.live_buffers(), buffers) << "the temporaries";
    context.trim();
    EXPECT_EQ(context.live_buffers(), buffers);
    // It is recorded again, but not for ever.
    std::vector<float> last;
    for (int round = 0; round < 8; ++round) {
        for (int k = 0; k < 3; ++k) last = floats(f(x));
        context.trim();
    }
    EXPECT_EQ(counters().recordings, 4u);
    EXPECT_EQ(last, floats(f(x)));
}

TEST_F(Replay, a_recording_gives_way_when_memory_is_short) {
    setenv("HEDDLE_MEMORY_LIMIT", "33554432", 1); // 32 MiB
    (void)context.state()->device("vulkan");
    unsetenv("HEDDLE_MEMORY_LIMIT");
    const auto f = in_kernels("f", [](Array x) { return chain(x, 24); });
    const Array x = matrix(256, 1024, 1); // of 1 MiB
    std::vector<float> expected;
    for (int k = 0; k < 4; ++k) expected = floats(f(x));
    EXPECT_EQ(counters().recordings, 1u);
    {
        std::vector<Array> fill;
        EXPECT_THROW(
            {
                while (true) fill.push_back(matrix(256, 1024, 0));
            },
            OutOfMemory);
    }
    EXPECT_EQ(floats(f(x)), expected);
    EXPECT_EQ(floats(f(x)), expected);
}

TEST_F(Replay, R10_each_allocation_of_calls_that_record_and_replay_fails_in_turn) {
    const Array x = matrix(8, 16, 1);
    auto make = [] { return in_kernels("f", [](Array a) { return chain(a, 24); }); };
    const std::vector<float> expected = floats(make()(x));
    runtime::Faults& faults = context.state()->device("vulkan")->faults();
    std::uint64_t nth = 1;
    for (bool reached = true; reached; ++nth) {
        const auto f = make();
        faults.fail_allocation(nth);
        int failed = 0;
        for (int call = 0; call < 4; ++call) {
            try {
                EXPECT_EQ(floats(f(x)), expected) << "allocation " << nth;
            } catch (const OutOfMemory&) {
                ++failed;
            }
        }
        reached = faults.allocations() >= nth;
        faults.stop();
        EXPECT_LE(failed, 1);
        EXPECT_EQ(floats(f(x)), expected) << "after allocation " << nth;
    }
    EXPECT_GE(nth, 6u) << "results and temporaries";
}

TEST_F(Replay, R10_a_refused_submission_of_any_call_leaves_the_next_right) {
    const auto f = in_kernels("f", [](Array x) { return chain(x, 24); });
    const Array x = matrix(8, 16, 1);
    // Two results at once lie in different memory: so what depends on it is not recorded, and every later call is replayed.
    const Array first = f(x), second = f(x);
    const std::vector<float> expected = floats(first);
    EXPECT_EQ(floats(second), expected);
    runtime::Faults& faults = context.state()->device("vulkan")->faults();
    for (int call = 0; call < 4; ++call) {
        context.synchronize();
        faults.fail_submission(1, runtime::Fault::refused);
        EXPECT_THROW(f(x).wait(), DeviceError);
        faults.stop();
        EXPECT_EQ(floats(f(x)), expected);
    }
    EXPECT_EQ(counters().replays, 8u);
}

// ---- several threads encode

class SharedEncoding : public Replay {
protected:
    static ContextOptions shared(std::uint32_t encoders) {
        ContextOptions made = options(false);
        made.encoders = encoders;
        made.encoder_kernels = 16;
        return made;
    }
    template <class Body> static auto with(std::uint32_t encoders, bool replay, Body body) {
        ContextOptions made = shared(encoders);
        made.replay = replay;
        Context context(made);
        const Context::Scope scope(context);
        auto result = body();
        const Statistics counters = context.statistics();
        EXPECT_EQ(counters.shared_encodings > 0, encoders > 0);
        EXPECT_EQ(counters.replays > 0, replay);
        return result;
    }
};

TEST_F(SharedEncoding, W7_a_long_program_encoded_by_several_workers_gives_the_same) {
    auto body = [] {
        const auto f = in_kernels("f", [](Array x, Array scale) { return chain(x * scale, 100); });
        Results results;
        for (int k = 0; k < 4; ++k) {
            Array y = matrix(8, 16, static_cast<float>(k));
            for (int again = 0; again < 3; ++again) y = f(y, 0.01f);
            results.push_back(floats(y));
        }
        return results;
    };
    const Results expected = with(0, false, body);
    for (const std::uint32_t encoders : {1u, 3u}) {
        EXPECT_EQ(with(encoders, false, body), expected) << encoders;
        EXPECT_EQ(with(encoders, true, body), expected) << encoders;
    }
}

TEST_F(SharedEncoding, W7_several_threads_share_the_workers) {
    auto body = [] {
        const auto f = in_kernels("f", [](Array x) { return chain(x, 60); });
        const Array x = matrix(8, 16, 1);
        const std::vector<float> expected = floats(f(x));
        std::vector<std::jthread> threads;
        for (int t = 0; t < 4; ++t)
            threads.emplace_back([&, context = &Context::current()] {
                const Context::Scope inner(*context);
                for (int k = 0; k < 10; ++k) EXPECT_EQ(floats(f(x)), expected);
            });
        threads.clear();
        return expected;
    };
    EXPECT_EQ(with(2, false, body), with(0, false, body));
}

TEST_F(SharedEncoding, W7_operands_outlive_their_handles) {
    Context made(shared(2));
    const Context::Scope inner(made);
    setenv("HEDDLE_POISON", "1", 1);
    const auto device = made.state()->device("vulkan");
    unsetenv("HEDDLE_POISON");
    std::optional<Array> result;
    std::vector<float> expected;
    {
        const auto f = in_kernels("f", [](Array x) { return chain(x, 60); });
        expected = floats(f(matrix(8, 16, 1)));
        made.synchronize();
        device->hold_queue(true);
        for (int k = 0; k < 3; ++k) result = f(matrix(8, 16, 1));
    }
    device->hold_queue(false);
    EXPECT_EQ(floats(*result), expected);
}

TEST(Encoders, W7_every_piece_runs_once_and_the_lowest_failure_is_thrown) {
    detail::Encoders encoders(3);
    EXPECT_EQ(encoders.threads(), 4u);
    for (const std::size_t count : {0u, 1u, 2u, 100u}) {
        std::vector<std::atomic<int>> runs(count);
        encoders.run(count, [&](std::size_t k) { ++runs[k]; });
        for (const std::atomic<int>& times : runs) EXPECT_EQ(times, 1);
    }
    std::atomic<int> ran = 0;
    const std::string message = message_of<UsageError>([&] {
        encoders.run(20, [&](std::size_t k) {
            ++ran;
            if (k % 5 == 3) throw UsageError("piece " + std::to_string(k));
        });
    });
    EXPECT_EQ(message, "piece 3");
    EXPECT_EQ(ran, 20);
}

TEST(Encoders, W7_without_workers_the_caller_does_it_all) {
    detail::Encoders encoders(0);
    const std::thread::id self = std::this_thread::get_id();
    encoders.run(10, [&](std::size_t) { EXPECT_EQ(std::this_thread::get_id(), self); });
}

TEST(Encoders, W7_callers_do_not_wait_for_each_others_pieces) {
    detail::Encoders encoders(1);
    std::latch inside(1), leave(1);
    std::jthread other([&] {
        // Both threads of this call, the worker included, may be held up here.
        encoders.run(2, [&](std::size_t k) {
            if (k == 0) inside.count_down();
            leave.wait();
        });
    });
    inside.wait();
    int ran = 0;
    std::mutex mutex;
    encoders.run(10, [&](std::size_t) {
        const std::lock_guard lock(mutex);
        ++ran;
    });
    EXPECT_EQ(ran, 10);
    leave.count_down();
}

TEST(StagedArguments, that_cannot_be_shown_to_the_device_are_an_error_of_the_call) {
    setenv("HEDDLE_FORCE_STAGING", "1", 1);
    Context context({.device = "vulkan", .cache_directory = ""});
    const runtime::DeviceRef device = context.state()->device("vulkan");
    unsetenv("HEDDLE_FORCE_STAGING");
    const Context::Scope scope(context);
    // So many pointers lie in memory.
    const auto f =
        compile("f", [](std::vector<Array> x) { return std::accumulate(x.begin() + 1, x.end(), x[0]); });
    const std::vector<Array> inputs(40, Array{1.0f, 2.0f}.to("vulkan"));
    EXPECT_EQ(floats(f(inputs)), (std::vector<float>{40, 80}));
    runtime::vulkan::Functions& vk = dynamic_cast<runtime::vulkan::VulkanDevice&>(*device).core().vk;
    const auto real = vk.vkFlushMappedMemoryRanges;
    vk.vkFlushMappedMemoryRanges = [](VkDevice, u32, const VkMappedMemoryRange*) {
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    };
    EXPECT_THROW((void)floats(f(inputs)), DeviceError);
    vk.vkFlushMappedMemoryRanges = real;
    EXPECT_EQ(floats(f(inputs)), (std::vector<float>{40, 80}));
}

} // namespace
