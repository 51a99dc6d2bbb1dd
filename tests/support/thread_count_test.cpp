// Counts that many threads add to.

#include "support/thread_count.h"

#include <gtest/gtest.h>

#include <barrier>
#include <set>
#include <thread>
#include <vector>

namespace heddle {
namespace {

TEST(ThreadCount, has_all_that_threads_added_that_have_ended) {
    ThreadCount count;
    count.add(5);
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t)
        threads.emplace_back([&, t] {
            for (int k = 0; k < 10'000; ++k) count.add(t % 2 == 0 ? 3 : -1);
        });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(count.sum(), 5 + 4 * 10'000 * 2);
}

TEST(ThreadCount, has_what_threads_added_one_after_the_other) {
    // Each takes the place that the one before it has given back.
    ThreadCount count;
    for (int t = 0; t < 300; ++t) std::thread([&] { count.add(1); }).join();
    EXPECT_EQ(count.sum(), 300);
}

TEST(ThreadCount, has_what_more_threads_add_than_there_are_places) {
    constexpr int threads = 100;
    ThreadCount count;
    std::barrier together(threads);
    std::vector<std::thread> all;
    for (int t = 0; t < threads; ++t)
        all.emplace_back([&] {
            together.arrive_and_wait();
            for (int k = 0; k < 1000; ++k) count.add(1);
            together.arrive_and_wait(); // no place is given back before all have one
        });
    for (std::thread& thread : all) thread.join();
    EXPECT_EQ(count.sum(), threads * 1000);
}

TEST(ThreadSlot, is_no_other_threads_while_both_live) {
    constexpr int threads = 40;
    std::barrier together(threads);
    std::vector<u32> slots(threads);
    std::vector<std::thread> all;
    for (int t = 0; t < threads; ++t)
        all.emplace_back([&, t] {
            slots[static_cast<std::size_t>(t)] = ThreadSlot::current();
            together.arrive_and_wait();
        });
    for (std::thread& thread : all) thread.join();
    EXPECT_EQ(std::set<u32>(slots.begin(), slots.end()).size(), std::size_t{threads});
}

} // namespace
} // namespace heddle
