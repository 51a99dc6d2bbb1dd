// Long-lived threads: W1 to W6. No test waits for time to pass: tasks wait for latches, and the test for futures.

#include "fixture.h"

#include "codegen/spirv/emit.h"
#include "ir/kernel_builder.h"
#include "passes/legalise/spirv_pipeline.h"
#include "runtime/devices.h"

#include <heddle/error.h>

#include <algorithm>
#include <atomic>
#include <concepts>
#include <fstream>
#include <latch>
#include <memory>
#include <numeric>
#include <optional>
#include <pthread.h>
#include <span>
#include <stdexcept>
#include <thread>
#include <time.h>
#include <unistd.h>

using namespace heddle;
using namespace heddle::tests;

namespace {

class WorkerTest : public FrontendTest {};

static_assert(!std::copy_constructible<Worker> && !std::move_constructible<Worker>);
static_assert(Sendable<std::shared_ptr<Worker>> && Sendable<std::shared_ptr<WorkerPool>>);

template <class W, class... A>
concept Takes = requires(W& worker, A... arguments) { worker.submit(std::move(arguments)...); };

std::string thread_name() {
    char name[16] = {};
    pthread_getname_np(pthread_self(), name, sizeof name);
    return name;
}

/// A thread of this process as the system sees it.
struct Seen {
    pid_t id;
    clockid_t clock;

    static Seen here() {
        Seen seen{gettid(), {}};
        pthread_getcpuclockid(pthread_self(), &seen.clock);
        return seen;
    }
    bool sleeps() const {
        std::ifstream file("/proc/self/task/" + std::to_string(id) + "/stat");
        std::string line;
        std::getline(file, line);
        const std::size_t name_end = line.rfind(')');
        return name_end != std::string::npos && line.at(name_end + 2) == 'S';
    }
    std::int64_t nanoseconds_used() const {
        timespec time{};
        EXPECT_EQ(clock_gettime(clock, &time), 0);
        return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
    }
};

TEST_F(WorkerTest, W1_all_tasks_run_on_one_thread_with_the_worker_s_name) {
    Worker worker("loom-encoder");
    EXPECT_EQ(worker.name(), "loom-encoder");
    EXPECT_EQ(worker.submit(thread_name).get(), "loom-encoder");
    auto id = [] { return assume_sendable(std::this_thread::get_id()); };
    const std::thread::id first = worker.submit(id).get().value;
    EXPECT_NE(first, std::this_thread::get_id());
    EXPECT_EQ(worker.submit(id).get().value, first);
}

TEST_F(WorkerTest, W1_a_long_name_is_cut_for_the_system_and_keeps_a_pool_s_number) {
    Worker worker("a name of more than fifteen bytes");
    EXPECT_EQ(worker.submit(thread_name).get(), "a name of more ");
    WorkerPool pool("a name of more than fifteen bytes", 2);
    EXPECT_EQ(pool.submit(thread_name).get(), "a name of mor-0");
    EXPECT_EQ(pool.submit(thread_name).get(), "a name of mor-1");
}

TEST_F(WorkerTest, W1_move_only_callables_and_arguments_are_moved) {
    struct Owner {
        std::unique_ptr<int> own;
        int operator()(std::unique_ptr<int> given) const { return *own + *given; }
    };
    Worker worker("w");
    EXPECT_EQ(worker.submit(Owner{std::make_unique<int>(40)}, std::make_unique<int>(2)).get(), 42);
    const std::unique_ptr<int> moved = worker.submit([] { return std::make_unique<int>(7); }).get();
    EXPECT_EQ(*moved, 7);
}

TEST_F(WorkerTest, W1_what_may_not_cross_threads_does_not_compile) {
    const Array x{1.f};
    const MaterializedArray m = materialize(x);
    auto captures = [x] { return x.item<float>(); };
    auto array_back = [] { return Array{1.f}; };
    auto takes_array = [](const Array& y) { return y.item<float>(); };
    static_assert(!Takes<Worker, decltype(captures)> && !Takes<WorkerPool, decltype(captures)>);
    static_assert(!Takes<Worker, decltype(array_back)> && !Takes<WorkerPool, decltype(array_back)>);
    static_assert(!Takes<Worker, decltype(takes_array), Array>);
    static_assert(!Takes<WorkerPool, decltype(takes_array), Array>);
    static_assert(Takes<Worker, decltype(takes_array), MaterializedArray>);
    static_assert(Takes<WorkerPool, decltype(takes_array), MaterializedArray>);
    Worker worker("w");
    EXPECT_EQ(worker.submit(takes_array, m).get(), 1);
    EXPECT_EQ(worker.submit(assume_sendable(captures)).get(), 1);
}

TEST_F(WorkerTest, W1_submit_returns_while_the_task_still_runs) {
    Worker worker("w");
    std::latch go(1);
    auto result = worker.submit(assume_sendable([&] {
        go.wait();
        return 5;
    }));
    go.count_down(); // never reached, had submit waited
    EXPECT_EQ(result.get(), 5);
}

TEST_F(WorkerTest, W1_an_idle_worker_uses_no_processor_time) {
    Worker idle("idle"), busy("busy");
    const Seen seen = idle.submit([] { return assume_sendable(Seen::here()); }).get().value;
    auto used_while_busy_runs = [&](int tasks) {
        const std::int64_t before = seen.nanoseconds_used();
        for (int k = 0; k < tasks; ++k) busy.submit([] {}).get();
        return seen.nanoseconds_used() - before;
    };
    // On its way to sleep it still uses some.
    while (!seen.sleeps() || used_while_busy_runs(100) != 0) std::this_thread::yield();
    EXPECT_EQ(used_while_busy_runs(2000), 0);
    EXPECT_TRUE(seen.sleeps());
    EXPECT_EQ(idle.submit([] { return 1; }).get(), 1);
}

TEST_F(WorkerTest, W1_a_task_works_in_the_context_of_whoever_submitted_it) {
    Worker worker("w");
    auto device = [](const MaterializedArray& x) { return materialize(x + 1.0f).device(); };
    const MaterializedArray m = materialize(Array{1.f});
    const std::uint64_t calls = context.statistics().calls;
    EXPECT_EQ(worker.submit(device, m).get(), "interp");
    EXPECT_EQ(context.statistics().calls, calls + 1);
    Context other({.device = "interp", .cache_directory = ""});
    Context::Scope scope(other);
    EXPECT_EQ(worker.submit(device, materialize(Array{1.f})).get(), "interp");
    EXPECT_EQ(other.statistics().calls, 1u);
    EXPECT_EQ(context.statistics().calls, calls + 1);
}

TEST_F(WorkerTest,
       W1_what_a_task_was_given_is_gone_when_its_result_is_there_and_the_rest_before_the_next_task) {
    Worker worker("w");
    const MaterializedArray m = materialize(arange(16, Dtype::f32));
    auto work = [](const MaterializedArray& x) {
        const Array pending = x * 2.0f; // never read
        return materialize(x + 1.0f);
    };
    auto run = [&] {
        (void)worker.submit(work, m).get();
        worker.submit([] {}).get();
    };
    run();
    const std::uint64_t arrays = live_arrays(), buffers = context.live_buffers();
    const auto watched = std::make_shared<const int>(1);
    for (int k = 0; k < 200; ++k) {
        run();
        EXPECT_EQ(live_arrays(), arrays);
        EXPECT_EQ(context.live_buffers(), buffers);
        const auto kept = worker.submit([](const std::shared_ptr<const int>&) {}, watched);
        kept.wait();
        EXPECT_EQ(watched.use_count(), 1);
    }
}

TEST_F(WorkerTest, W2_tasks_run_in_the_order_of_submission_one_at_a_time_and_once) {
    Worker worker("w");
    constexpr int count = 5000;
    std::vector<int> order; // by the worker alone: the thread sanitizer would tell
    std::latch go(1);
    worker.submit(assume_sendable([&] { go.wait(); }));
    for (int k = 0; k < count; ++k) worker.submit(assume_sendable([&order, k] { order.push_back(k); }));
    go.count_down();
    worker.shutdown();
    std::vector<int> expected(count);
    std::iota(expected.begin(), expected.end(), 0);
    EXPECT_EQ(order, expected);
}

TEST_F(WorkerTest, W2_tasks_of_many_threads_run_once_each_and_in_each_thread_s_order) {
    constexpr int threads = 8, each = 500;
    std::vector<std::pair<int, int>> order;
    {
        Worker worker("w");
        std::latch start(threads);
        std::vector<std::jthread> submitting;
        for (int t = 0; t < threads; ++t)
            submitting.emplace_back([&, t] {
                start.arrive_and_wait();
                for (int k = 0; k < each; ++k)
                    worker.submit(assume_sendable([&order, t, k] { order.emplace_back(t, k); }));
            });
        submitting.clear(); // joins them
    }
    ASSERT_EQ(order.size(), std::size_t{threads} * each);
    std::vector<int> next(threads);
    for (const auto& [t, k] : order) EXPECT_EQ(next[static_cast<std::size_t>(t)]++, k);
}

TEST_F(WorkerTest, W2_a_task_may_submit_to_its_own_worker) {
    Worker worker("w");
    std::vector<int> order;
    std::future<void> inner;
    std::latch queued(1);
    auto outer = worker.submit(assume_sendable([&] {
        queued.wait();
        inner = worker.submit(assume_sendable([&] { order.push_back(3); }));
        order.push_back(1);
    }));
    worker.submit(assume_sendable([&] { order.push_back(2); }));
    queued.count_down();
    outer.get();
    inner.get();
    EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST_F(WorkerTest, W2_workers_do_not_wait_for_each_other) {
    Worker one("one"), two("two");
    std::latch go(1);
    auto held = one.submit(assume_sendable([&] { go.wait(); }));
    two.submit(assume_sendable([&] { go.count_down(); })).get();
    held.get();
}

TEST_F(WorkerTest, W2_a_pool_deals_its_tasks_out_in_turn_and_its_workers_run_at_once) {
    WorkerPool pool("p", 3);
    EXPECT_EQ(pool.size(), 3u);
    std::latch all(3); // passed only by three at once
    std::vector<std::future<std::string>> names;
    for (int k = 0; k < 3; ++k)
        names.push_back(pool.submit(assume_sendable([&] {
            all.arrive_and_wait();
            return thread_name();
        })));
    for (int k = 3; k < 9; ++k) names.push_back(pool.submit(thread_name));
    for (std::size_t k = 0; k < 9; ++k) EXPECT_EQ(names[k].get(), "p-" + std::to_string(k % 3));
    EXPECT_EQ(message_of<UsageError>([] { WorkerPool("p", 0); }),
              "WorkerPool: 0 workers; it needs one or more");
}

TEST_F(WorkerTest, W3_shutdown_runs_all_that_was_queued_and_may_be_called_again) {
    Worker worker("w");
    std::latch go(1);
    int ran = 0;
    worker.submit(assume_sendable([&] { go.wait(); }));
    for (int k = 0; k < 100; ++k) worker.submit(assume_sendable([&] { ++ran; }));
    go.count_down();
    worker.shutdown();
    EXPECT_EQ(ran, 100);
    worker.shutdown();
}

TEST_F(WorkerTest, W3_the_destructor_runs_all_that_was_queued) {
    int ran = 0;
    std::vector<std::future<void>> futures;
    {
        Worker worker("w");
        WorkerPool pool("p", 1);
        for (int k = 0; k < 100; ++k) futures.push_back(worker.submit(assume_sendable([&] { ++ran; })));
    }
    EXPECT_EQ(ran, 100);
    for (std::future<void>& future : futures) future.get();
}

TEST_F(WorkerTest, W3_shutdown_on_several_threads_returns_to_each_when_all_is_done) {
    for (int round = 0; round < 20; ++round) {
        Worker worker("w");
        std::atomic<int> ran = 0, early = 0;
        for (int k = 0; k < 50; ++k) worker.submit(assume_sendable([&] { ++ran; }));
        std::latch start(4);
        std::vector<std::jthread> callers;
        for (int t = 0; t < 4; ++t)
            callers.emplace_back([&] {
                start.arrive_and_wait();
                worker.shutdown();
                early += ran != 50;
            });
        callers.clear();
        EXPECT_EQ(early, 0);
    }
}

TEST_F(WorkerTest, W3_shutdown_in_a_task_returns_and_what_is_queued_still_runs) {
    Worker worker("w");
    std::latch queued(1);
    std::vector<int> order;
    auto first = worker.submit(assume_sendable([&] {
        queued.wait();
        worker.shutdown();
        order.push_back(1);
    }));
    auto second = worker.submit(assume_sendable([&] { order.push_back(2); }));
    queued.count_down();
    first.get();
    EXPECT_EQ(message_of<UsageError>([&] { worker.submit([] {}); }), "worker has been shut down");
    second.get();
    worker.shutdown();
    EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST_F(WorkerTest, W3_a_worker_that_dies_in_its_own_task_still_runs_what_is_queued) {
    std::latch queued(1);
    auto worker = std::make_unique<Worker>("w");
    auto first = worker->submit(assume_sendable([&] {
        queued.wait();
        worker.reset();
    }));
    auto second = worker->submit([] { return 2; });
    queued.count_down();
    first.get();
    EXPECT_EQ(worker, nullptr);
    EXPECT_EQ(second.get(), 2);
}

TEST_F(WorkerTest, W3_a_pool_shut_down_by_all_its_workers_at_once_does_not_deadlock) {
    WorkerPool pool("p", 3);
    std::latch all(3);
    std::vector<std::future<void>> futures;
    for (int k = 0; k < 3; ++k)
        futures.push_back(pool.submit(assume_sendable([&] {
            all.arrive_and_wait();
            pool.shutdown();
        })));
    for (std::future<void>& future : futures) future.get();
    pool.shutdown();
    pool.shutdown();
}

TEST_F(WorkerTest, W3_a_pool_that_dies_in_a_task_does_not_wait_for_its_other_workers) {
    auto pool = std::make_unique<WorkerPool>("p", 2);
    std::latch queued(1), gone(1);
    auto first = pool->submit(assume_sendable([&] {
        queued.wait();
        pool.reset();
        gone.count_down();
    }));
    auto second = pool->submit(assume_sendable([&] { gone.wait(); })); // waits for the first
    auto third = pool->submit([] { return 3; });
    queued.count_down();
    first.get();
    second.get();
    EXPECT_EQ(third.get(), 3);
}

TEST_F(WorkerTest, W4_submitting_after_shutdown_is_an_error) {
    Worker worker("w");
    worker.shutdown();
    EXPECT_EQ(message_of<UsageError>([&] { worker.submit([] {}); }), "worker has been shut down");
    WorkerPool pool("p", 2);
    pool.shutdown();
    EXPECT_EQ(message_of<UsageError>([&] { pool.submit([] {}); }), "worker has been shut down");
}

TEST_F(WorkerTest, W4_a_submit_that_races_a_shutdown_runs_or_errors) {
    for (int round = 0; round < 50; ++round) {
        Worker worker("w");
        std::atomic<int> ran = 0, taken = 0, refused = 0, lost = 0;
        constexpr int threads = 4, each = 50;
        std::latch start(threads + 1);
        std::vector<std::jthread> submitting;
        for (int t = 0; t < threads; ++t)
            submitting.emplace_back([&] {
                start.arrive_and_wait();
                for (int k = 0; k < each; ++k) try {
                        std::future<void> future = worker.submit(assume_sendable([&] { ++ran; }));
                        ++taken;
                        try {
                            future.get();
                        } catch (const std::future_error&) {
                            ++lost;
                        }
                    } catch (const UsageError&) {
                        ++refused;
                    }
            });
        start.arrive_and_wait();
        worker.shutdown();
        submitting.clear();
        EXPECT_EQ(ran, taken);
        EXPECT_EQ(taken + refused, threads * each);
        EXPECT_EQ(lost, 0);
    }
}

TEST_F(WorkerTest, W5_what_a_task_throws_reaches_who_waits_and_the_worker_goes_on) {
    Worker worker("w");
    auto fails =
        worker.submit([](std::string text) -> int { throw std::domain_error(text); }, std::string("no"));
    auto shape = worker.submit([](const MaterializedArray& x) { return materialize(x + ones({3})); },
                               materialize(ones({2})));
    (void)worker.submit([] { throw 7; }); // nobody waits
    auto works = worker.submit([] { return 3; });
    EXPECT_EQ(message_of<std::domain_error>([&] { fails.get(); }), "no");
    EXPECT_THROW((void)shape.get(), ShapeError);
    EXPECT_EQ(works.get(), 3);
}

// ---- W6
class WorkerDevices : public ::testing::TestWithParam<const char*> {
protected:
    void SetUp() override {
        if (GetParam() == std::string("vulkan") && !has_vulkan()) GTEST_SKIP() << "needs a Vulkan driver";
    }
};

TEST_P(WorkerDevices, W6_ones_zeroed_by_a_kernel_on_the_worker_are_zeros_for_the_host) {
    Context context({.device = GetParam(), .cache_directory = ""});
    Context::Scope scope(context);
    const auto zero = compile("zero", [](Array x) { return where(x > 0.5f, 0.0f, x); });
    Worker worker("encoder");
    const MaterializedArray result = worker
                                         .submit(
                                             [](const Compiled<Array(Array)>& f) {
                                                 const Array x = ones({1024});
                                                 x.wait();
                                                 Array y = f(x);
                                                 y.wait();
                                                 return y.materialized();
                                             },
                                             zero)
                                         .get();
    EXPECT_EQ(result.device().substr(0, std::string(GetParam()).size()), GetParam());
    EXPECT_EQ(result.to_vector<float>(), std::vector<float>(1024));
    EXPECT_EQ(zero.traces(), 1u);
}
INSTANTIATE_TEST_SUITE_P(Devices, WorkerDevices, ::testing::Values("cpu", "vulkan"),
                         [](const auto& info) { return std::string(info.param); });

/// p[i] = 0 over f32.
const ir::Function& zeroing_kernel(ir::Module& module, const ir::Target& target, i64 count) {
    constexpr u32 block = 64;
    ir::Function& kernel = module.add_kernel("zero");
    ir::KernelInfo info{.target = ir::TargetKind::gpu, .block = block, .index_bits = 32};
    info.grid = {module.dims.constant(count / block)};
    ir::set_kernel_info(kernel, info);
    ir::KernelBuilder k(kernel);
    const ir::NodeId pointer = k.pointer("p", Dtype::f32);
    const ir::NodeId at = k.add(k.mul(k.grid_index(0), k.index(block)), k.thread_index());
    const ir::NodeId value = k.load(pointer, at, 1);
    k.store(k.sub(value, value), pointer, at);
    return passes::legalise_for_spirv(kernel, target);
}

TEST(WorkerCommands, W6_a_command_buffer_is_made_submitted_and_awaited_on_the_worker) {
    if (!has_vulkan()) GTEST_SKIP() << "needs a Vulkan driver";
    constexpr i64 count = 1024;
    const runtime::DeviceRef device =
        runtime::open_device("vulkan", runtime::DeviceOptions::from_environment());
    const std::vector<float> ones(count, 1.0f);
    const runtime::BufferRef buffer = device->allocate(count * sizeof(float));
    device->upload(buffer, 0, std::as_bytes(std::span(ones)));
    Worker worker("encoder");
    worker
        .submit(assume_sendable([&] {
            ir::Module module;
            const ir::Target& target = device->info().target;
            const ir::Function& kernel = zeroing_kernel(module, target, count);
            const ir::ParameterLayout layout = ir::parameter_layout(kernel);
            runtime::Launch launch;
            launch.executable = device->load(codegen::spirv::emit(kernel, target));
            launch.arguments.resize(layout.bytes);
            launch.buffers = {buffer};
            launch.offsets = {0};
            launch.pointer_fields = {layout.offsets[0]};
            launch.write_mask = 1;
            launch.grid[0] = count / 64;
            std::vector<runtime::Launch> launches;
            launches.push_back(std::move(launch));
            device->submit(std::move(launches)).wait();
        }))
        .get();
    std::vector<float> seen(count, -1.0f);
    device->download(buffer, 0, std::as_writable_bytes(std::span(seen)));
    EXPECT_EQ(seen, std::vector<float>(count));
}

} // namespace
