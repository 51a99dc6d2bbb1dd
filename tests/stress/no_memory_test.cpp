// R10, the host's side: each operator new of a run throws in turn, on the thread that runs it. The caller gets std::bad_alloc or an error
// of Heddle's, nothing stays behind, and the next run is right. What LLVM compiles is compiled before: LLVM ends the process when
// it finds no memory.

#include "failing_new.h"
#include "fixture.h"

#include <heddle/error.h>

#include <new>
#include <utility>

using namespace heddle;
using namespace heddle::tests;

namespace {

class NoMemory : public OnDevice {
protected:
    /// Gives the number of allocations of `act` when none fails.
    template <class Act> static std::uint64_t count(const Act& act) {
        const FailingNew counted(0);
        act();
        return counted.count();
    }

    /// True if `act` ended with an exception, which must be of the right type, when the nth allocation failed.
    template <class Act> static bool fails_at(std::uint64_t nth, const Act& act) {
        const FailingNew failing(nth);
        try {
            act();
        } catch (const std::bad_alloc&) {
            return true;
        } catch (const Error&) {
            return true;
        }
        return false;
    }

    /// Each allocation of `act` fails in turn; `check` runs between. In sanitizer builds every `stride`th.
    template <class Act, class Check>
    void each_fails(const Act& act, const Check& check, std::uint64_t stride) {
        act();
        act(); // what is kept for reuse is there now
        context.synchronize();
        const Live before(context);
        const std::uint64_t total = count(act);
        RecordProperty("allocations", static_cast<int>(total));
        ASSERT_GT(total, 0u);
        std::uint64_t failed = 0, tried = 0;
        for (std::uint64_t nth = 1; nth <= total; nth += sanitized ? stride : 1) {
            ++tried;
            failed += fails_at(nth, act);
            context.synchronize();
            ASSERT_EQ(Live(context), before) << "allocation " << nth << " of " << total;
            ASSERT_TRUE(check()) << "allocation " << nth << " of " << total;
            context.synchronize();
            ASSERT_EQ(Live(context), before) << "after allocation " << nth << " of " << total;
        }
        // A few ask for memory that they can do without.
        EXPECT_GE(failed * 10, tried * 9) << failed << " of " << tried;
    }
};

std::pair<Array, Array> body(const Array& x, const Array& w) {
    const Array y = matmul(x, w) * 0.5f;
    return {maximum(y, 1.0f) + sum(y, 0), sum(x * x)};
}

TEST_P(NoMemory, R10_each_allocation_of_a_cached_call_fails_in_turn) {
    const Array x = full({16, 16}, 2.0f).eval(), w = full({16, 16}, 1.0f).eval();
    const auto f = compile("f", body);
    const auto call = [&] { (void)f(x, w); };
    each_fails(
        call,
        [&] {
            const auto [y, total] = f(x, w);
            return floats(y) == filled(256, 16 + 256) && floats(total) == filled(1, 1024);
        },
        1);
}

TEST_P(NoMemory, R10_each_allocation_of_a_trace_and_its_compile_fails_in_turn) {
    const Array x = full({16, 16}, 2.0f).eval(), w = full({16, 16}, 1.0f).eval();
    const auto kept = compile("kept", body);
    (void)kept(x, w); // its kernels are known from here on
    const auto first_call = [&] {
        const auto f = compile("f", body);
        return f(x, w);
    };
    each_fails([&] { (void)first_call(); },
               [&] {
                   const auto [y, total] = first_call();
                   return floats(y) == filled(256, 16 + 256) && floats(total) == filled(1, 1024);
               },
               23);
}

TEST_P(NoMemory, R10_each_allocation_of_a_lazy_run_fails_in_turn) {
    const auto run = [] {
        const Array x = Array::from(filled(64, 3)) * 2.0f;
        const Array y = maximum(x, 1.0f) + sum(x);
        return floats(y);
    };
    each_fails([&] { (void)run(); }, [&] { return run() == filled(64, 6 + 64 * 6); }, 7);
}

/// What was recorded of a call that then failed must not reach memory that belongs to somebody else by the time it runs.
TEST_P(NoMemory, R1_a_call_that_fails_half_way_writes_to_nobody_elses_memory) {
    const Array x = full({16, 16}, 2.0f).eval(), w = full({16, 16}, 1.0f).eval();
    const auto f = compile("f", body);
    for (int k = 0; k < 3; ++k) f(x, w).first.wait();
    const std::uint64_t total = count([&] { (void)f(x, w); });
    std::uint64_t failed = 0;
    for (std::uint64_t nth = 1; nth <= total; ++nth) {
        context.synchronize();
        ASSERT_TRUE(device.hold_queue(true));
        failed += fails_at(nth, [&] { (void)f(x, w); });
        std::vector<Array> others;
        for (int k = 0; k < 8; ++k)
            for (const std::int64_t size : {1, 16, 256, 512})
                others.push_back(Array::from(filled(static_cast<std::size_t>(size), 7)));
        device.hold_queue(false);
        context.synchronize();
        for (const Array& other : others)
            ASSERT_EQ(floats(other), filled(static_cast<std::size_t>(other.elements().value()), 7))
                << "allocation " << nth << " of " << total;
    }
    EXPECT_GT(failed * 2, total);
}

/// Not on the CPU, whose code generator is a library that ends the process where memory ends.
class NoMemoryForKernels : public NoMemory {};

TEST_P(NoMemoryForKernels, R10_a_function_whose_first_call_fails_once_its_kernel_is_made_works_at_the_next) {
    const Array x = full({8}, 2.0f).eval();
    // A factor that no call had makes a kernel that nobody has.
    const auto make = [](std::uint64_t factor) {
        return compile("f", [factor](Array a) { return a * static_cast<float>(factor) + 1.0f; });
    };
    const auto first_call = [&](const auto& f) { return floats(f(x)); };
    const auto counted = make(2);
    const std::uint64_t total = count([&] { (void)first_call(counted); });
    // The last ones are behind the driver's own compiler, which does not bear it either.
    ASSERT_GT(total, 40u);
    for (std::uint64_t nth = total - 40; nth <= total; ++nth) {
        const auto f = make(1000 + nth);
        (void)fails_at(nth, [&] { (void)first_call(f); });
        ASSERT_EQ(first_call(f), filled(8, static_cast<float>(2 * (1000 + nth) + 1)))
            << "allocation " << nth << " of " << total;
    }
}

TEST_P(NoMemory, R10_a_function_whose_first_call_fails_works_at_the_next) {
    const Array x = full({8}, 2.0f).eval();
    const auto known = compile("known", [](Array a) { return a * 3.0f + 1.0f; });
    (void)known(x);
    const auto first_call = [&](const auto& f) { return floats(f(x)); };
    const auto make = [] { return compile("f", [](Array a) { return a * 3.0f + 1.0f; }); };
    const auto counted = make();
    const std::uint64_t total = count([&] { (void)first_call(counted); });
    for (std::uint64_t nth = 1; nth <= total; nth += sanitized ? 11 : 1) {
        const auto f = make();
        (void)fails_at(nth, [&] { (void)first_call(f); });
        ASSERT_EQ(first_call(f), filled(8, 7)) << "allocation " << nth << " of " << total;
        ASSERT_EQ(f.specializations(), 1u);
    }
}

HEDDLE_ON_DEVICES(NoMemory);
INSTANTIATE_TEST_SUITE_P(On, NoMemoryForKernels, ::testing::Values("vulkan"),
                         [](const auto& info) { return std::string(info.param); });

} // namespace
