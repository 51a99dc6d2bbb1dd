// What goes wrong in a call that takes the short way: nothing is lost, and the next call is right.

#include "fixture.h"
#include "frontend/context_state.h"
#include "runtime/faults.h"

#include <heddle/error.h>

using namespace heddle;
using namespace heddle::tests;
using runtime::Fault;

namespace {

class RepeatedFailures : public OnDevice {
protected:
    static constexpr std::size_t size = 64;
    static Array evaluated(float value) {
        Array made = Array::from(filled(size, value)).eval();
        made.wait();
        return made;
    }
    static auto sum_and_product() {
        return compile("f", [](Array x, Array y) { return std::vector<Array>{x + y, x * y}; });
    }
    /// Calls with 2 and y, as often as it takes until they take the short way.
    template <class F> static void warm_up(Context& in, const F& f, const Array& y) {
        for (int k = 0; k < 4; ++k) {
            (void)f(evaluated(2), y);
            in.synchronize();
        }
    }
    /// After a call that may have failed, with y = 3: it counts, left nothing, and the next one is right and leaves nothing either.
    template <class F>
    void expect_nothing_left(const F& f, const Array& y, const Live& before, std::uint64_t calls) {
        device.faults().stop();
        EXPECT_EQ(context.statistics().calls, calls + 1);
        context.synchronize();
        EXPECT_EQ(Live(context), before);
        {
            const std::vector<Array> results = f(evaluated(4), y);
            EXPECT_EQ(floats(results[0]), filled(size, 7));
            EXPECT_EQ(floats(results[1]), filled(size, 12));
        }
        context.synchronize();
        EXPECT_EQ(Live(context), before);
    }
};

TEST_P(RepeatedFailures, no_memory_for_one_of_two_results) {
    const auto f = sum_and_product();
    const Array y = evaluated(3);
    warm_up(context, f, y);
    const Live before(context);
    for (const std::uint64_t nth : {1, 2})
        for (const bool donates : {false, true}) {
            Array x = evaluated(2);
            const std::uint64_t calls = context.statistics().calls;
            device.faults().fail_allocation(nth);
            const bool fails = nth == 1 || !donates; // what is given away is one result's
            try {
                const std::vector<Array> results = donates ? f(std::move(x), y) : f(x, y);
                EXPECT_FALSE(fails);
                EXPECT_EQ(floats(results[0]), filled(size, 5));
                EXPECT_EQ(floats(results[1]), filled(size, 6));
            } catch (const OutOfMemory& error) {
                EXPECT_TRUE(fails);
                EXPECT_NE(std::string(error.what()).find("f: kernel "), std::string::npos) << error.what();
                EXPECT_NE(std::string(error.what()).find("repeated_failures_test.cpp:"), std::string::npos)
                    << error.what();
            }
            x = Array();
            expect_nothing_left(f, y, before, calls);
        }
}

TEST_P(RepeatedFailures, a_queue_that_refuses) {
    const auto f = sum_and_product();
    const Array y = evaluated(3);
    warm_up(context, f, y);
    const Live before(context);
    for (const bool donates : {false, true, false, true}) {
        Array x = evaluated(2);
        const std::uint64_t calls = context.statistics().calls;
        device.faults().fail_submission(1, Fault::refused);
        EXPECT_THROW((void)(donates ? f(std::move(x), y) : f(x, y)), DeviceError);
        x = Array();
        expect_nothing_left(f, y, before, calls);
    }
}

TEST_P(RepeatedFailures, a_device_that_is_lost) {
    const std::uint64_t arrays = live_arrays();
    for (const bool donates : {false, true}) {
        Context doomed(make_context());
        const Context::Scope inside(doomed);
        const auto f = sum_and_product();
        runtime::Device& own = *doomed.state()->device();
        {
            const Array y = evaluated(3);
            warm_up(doomed, f, y);
            Array x = evaluated(2);
            own.faults().fail_submission(1, Fault::lost);
            EXPECT_THROW((void)(donates ? f(std::move(x), y) : f(x, y)), DeviceLost);
            EXPECT_THROW((void)f(y, y), DeviceLost);
        }
        EXPECT_EQ(doomed.live_buffers(), 0u);
        EXPECT_EQ(live_arrays(), arrays);
    }
}

HEDDLE_ON_DEVICES(RepeatedFailures);

} // namespace
