// The CPU device without a code generator: its thread pool, and what it knows of the machine.

#include "runtime/cpu/device.h"
#include "runtime/cpu/host.h"
#include "runtime/cpu/thread_pool.h"

#include <heddle/error.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace heddle::runtime::cpu {
namespace {

struct Counts {
    std::vector<std::atomic<int>> visits;
    explicit Counts(std::size_t total) : visits(total) {}
    LoopBody body() {
        return {[](void*) { return true; },
                [](void* context, i64 first, i64 last) {
                    for (i64 k = first; k < last; ++k)
                        ++static_cast<Counts*>(context)->visits[static_cast<std::size_t>(k)];
                },
                this};
    }
    bool all_once() const {
        for (const std::atomic<int>& visit : visits)
            if (visit != 1) return false;
        return true;
    }
};

TEST(Cpu, a_parallel_loop_visits_each_index_once) {
    for (u32 threads : {1u, 2u, 5u}) {
        ThreadPool pool(threads);
        for (i64 total : {1, 2, 7, 64, 1000})
            for (i64 grain : {1, 3, 2000}) {
                Counts counts(static_cast<std::size_t>(total));
                pool.parallel_for(total, grain, counts.body());
                EXPECT_TRUE(counts.all_once()) << threads << " threads, " << total << " by " << grain;
            }
    }
}

TEST(Cpu, loops_of_eight_threads_share_the_pool) {
    ThreadPool pool(3);
    std::atomic<int> right = 0;
    std::vector<std::thread> callers;
    for (int t = 0; t < 8; ++t)
        callers.emplace_back([&] {
            for (int round = 0; round < 200; ++round) {
                Counts counts(50);
                pool.parallel_for(50, 1, counts.body());
                right += counts.all_once();
            }
        });
    for (std::thread& caller : callers) caller.join();
    EXPECT_EQ(right, 1600);
}

TEST(Cpu, a_worker_without_memory_leaves_the_loop_to_the_others) {
    ThreadPool pool(3);
    Counts counts(500);
    LoopBody body = counts.body();
    body.prepare = [](void*) { return false; };
    pool.parallel_for(500, 1, body);
    EXPECT_TRUE(counts.all_once());
}

TEST(Cpu, the_number_of_threads_can_be_chosen) {
    setenv("HEDDLE_CPU_THREADS", "3", 1);
    EXPECT_EQ(host_target().cores, 3u);
    for (const char* wrong : {"0", "-1", "two", "1x", "99999"}) {
        setenv("HEDDLE_CPU_THREADS", wrong, 1);
        EXPECT_THROW(host_target(), UsageError) << wrong;
    }
    unsetenv("HEDDLE_CPU_THREADS");
    EXPECT_GE(host_target().cores, 1u);
}

TEST(Cpu, the_target_says_what_the_machine_has) {
    const ir::Target target = host_target();
    EXPECT_EQ(target.kind, ir::TargetKind::cpu);
    EXPECT_TRUE(target.vector_bytes == 16 || target.vector_bytes == 32 || target.vector_bytes == 64);
    EXPECT_EQ(target.name, host_target().name);
    EXPECT_GT(target.l2_bytes, 0u);
    // The system says for each cache which cores share it; the sum over a processor with several is no core's.
    std::ifstream last("/sys/devices/system/cpu/cpu0/cache/index3/size");
    u64 size = 0;
    char unit = 0;
    if (last >> size >> unit) {
        EXPECT_EQ(target.last_level_bytes, size << (unit == 'M' ? 20 : 10));
    }
}

} // namespace
} // namespace heddle::runtime::cpu
