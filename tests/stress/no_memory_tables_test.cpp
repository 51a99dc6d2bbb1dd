// R10, the host's side, of what keeps things in several tables: where one finds no memory, all are as before.

#include "failing_new.h"
#include "fixture.h"
#include "frontend/tuner.h"
#include "runtime/cpu/thread_pool.h"

#include <heddle/error.h>

#include <new>

using namespace heddle;
using namespace heddle::tests;

namespace {

/// Calls `act(nth)` with its nth allocation failing, `check(nth)` after each that failed, until all have been found.
template <class Act, class Check> void each_fails(const Act& act, const Check& check) {
    for (std::uint64_t nth = 1;; ++nth) {
        SCOPED_TRACE(nth);
        bool failed = false;
        std::uint64_t count = 0;
        {
            const FailingNew failing(nth);
            try {
                act(nth);
            } catch (const std::bad_alloc&) {
                failed = true;
            } catch (const DeviceError&) {
                failed = true;
            }
            count = failing.count();
        }
        check(nth);
        if (testing::Test::HasFailure() || (!failed && count < nth)) return;
    }
}

TEST(NoMemoryForTables, R10_programs_of_lazy_graphs_stay_bounded) {
    Context context({.device = "interp", .cache_directory = "", .programs = 2});
    const Context::Scope scope(context);
    // Each is a graph of its own, for which an older one goes.
    const auto run = [](std::size_t size) { return floats(Array::from(filled(size, 3)) * 2.0f); };
    each_fails([&](std::size_t nth) { (void)run(1000 + nth); },
               [&](std::size_t nth) {
                   for (std::size_t size : {nth, nth + 1, nth + 2}) EXPECT_EQ(run(size), filled(size, 6));
                   EXPECT_LE(context.statistics().live_programs, 2u);
               });
}

TEST(NoMemoryForTables, R10_an_input_that_a_lazy_graph_could_not_take_is_taken_later) {
    Context context({.device = "interp", .cache_directory = ""});
    const Context::Scope scope(context);
    const Array kept = Array::from(filled(4, 1)) + 1.0f; // pending, so that the graph stays
    std::vector<Array> inputs(1000);
    for (Array& input : inputs) input = Array::from(filled(4, 3));
    each_fails([&](std::uint64_t nth) { (void)(inputs[nth] * 2.0f); },
               [&](std::uint64_t nth) { EXPECT_EQ(floats(inputs[nth] * 2.0f), filled(4, 6)); });
    EXPECT_EQ(floats(kept), filled(4, 2));
}

TEST(NoMemoryForTables, R10_a_device_that_could_not_be_opened_can_be_later) {
    for (const char* name : {"cpu", "interp"}) {
        std::unique_ptr<Context> context;
        const auto make = [&] {
            context = std::make_unique<Context>(ContextOptions{.device = "interp", .cache_directory = ""});
            (void)context->state()->device("interp");
        };
        make();
        each_fails([&](std::uint64_t) { (void)context->state()->device(name); },
                   [&](std::uint64_t) {
                       EXPECT_EQ(context->state()->device(name)->info().name, name);
                       EXPECT_EQ(context->state()->device("interp")->info().name, "interp");
                       make();
                   });
    }
}

TEST(NoMemoryForTables, R10_threads_that_were_started_end_where_others_cannot_be) {
    each_fails([](std::uint64_t) { runtime::cpu::ThreadPool pool(4); }, [](std::uint64_t) {});
}

TEST(NoMemoryForTables, R10_a_decision_that_nobody_could_claim_is_left_to_the_next) {
    detail::DiskCache disk({});
    detail::Counters counters;
    detail::Tuner tuner({}, disk, detail::make_stopwatch(), counters);
    const auto any = [](const detail::TuningRecord&) { return true; };
    const auto key = [](std::uint64_t number) { return Digest{number, number}; };
    each_fails([&](std::uint64_t nth) { (void)tuner.look_up(key(nth), any); },
               [&](std::uint64_t nth) {
                   const detail::Tuner::Answer mine = tuner.look_up(key(nth), any);
                   EXPECT_NE(mine.claim, nullptr);
                   const detail::Tuner::Answer others = tuner.look_up(key(nth), any);
                   EXPECT_EQ(others.claim, nullptr);
                   EXPECT_EQ(others.record, nullptr);
               });
}

} // namespace
