// R10: memory that runs out, submissions that are refused, devices that are lost; at every allocation and every submission of a run, one
// after another.

#include "fixture.h"

#include <heddle/error.h>

#include <utility>

using namespace heddle;
using namespace heddle::tests;
using runtime::Fault;

namespace {

using Values = std::vector<std::vector<float>>;

/// A function of several kernels that are compiled for each `number` anew, a pending value, copies both ways.
Values run(int number) {
    const auto body = [number](Array x, Array w) {
        const Array y = matmul(x, w) * static_cast<float>(number);
        return std::pair(y + sum(y, 0), sum(x));
    };
    // For every size: kernels over small arrays are one where their sizes are known.
    const auto model = compile("model", body, {.shapeless = true});
    const Array x = Array::from(filled(16 * 16, 2), {16, 16}), w = Array::from(filled(16 * 16, 1), {16, 16});
    const auto [y, total] = model(x, w);
    const Array pending = total * 2.0f;
    return {y.to_vector<float>(), pending.to_vector<float>()};
}

Values expected(int number) {
    const float product = 32.0f * static_cast<float>(number);
    return {filled(256, product + 16 * product), {1024}};
}

class Failures : public OnDevice {
protected:
    /// What each failing run throws; its words are checked here.
    template <class E, class Act> bool fails_with(Act act) {
        try {
            act();
            return false;
        } catch (const E& error) {
            const std::string message = error.what();
            EXPECT_NE(message.find("(failures_test.cpp:"), std::string::npos) << message;
            named_function += message.starts_with("model: ");
            named_kernel += message.starts_with("model: ") && message.find("kernel ") != std::string::npos;
        } catch (const std::exception& error) {
            ADD_FAILURE() << "another error: " << error.what();
        }
        return true;
    }
    bool new_kernels_run() {
        ++next_number;
        return run(next_number) == expected(next_number);
    }
    int next_number = 1;
    int named_function = 0, named_kernel = 0;
};

TEST_P(Failures, R10_each_allocation_of_a_run_fails_in_turn) {
    ASSERT_EQ(run(next_number), expected(next_number));
    context.synchronize();
    const Live before(context);
    device.faults().watch();
    EXPECT_TRUE(new_kernels_run());
    const std::uint64_t allocations = device.faults().allocations();
    ASSERT_GE(allocations, 6u) << "two inputs, two outputs or more, a pending value, kernels";
    int failed = 0;
    for (std::uint64_t nth = 1; nth <= allocations; ++nth) {
        device.faults().fail_allocation(nth);
        // What finds memory in flight waits for it and goes on.
        failed += fails_with<OutOfMemory>([&] { EXPECT_TRUE(new_kernels_run()); });
        device.faults().stop();
        context.synchronize();
        EXPECT_EQ(Live(context), before) << "allocation " << nth << " of " << allocations;
        EXPECT_EQ(run(next_number), expected(next_number)) << "allocation " << nth;
    }
    EXPECT_GE(failed, 6);
    EXPECT_GE(named_function, 4);
    EXPECT_GE(named_kernel, 3);
}

TEST_P(Failures, R10_each_submission_of_a_run_is_refused_in_turn) {
    ASSERT_EQ(run(next_number), expected(next_number));
    context.synchronize();
    const Live before(context);
    device.faults().watch();
    EXPECT_TRUE(new_kernels_run());
    const std::uint64_t submissions = device.faults().submissions();
    ASSERT_GE(submissions, 2u);
    for (std::uint64_t nth = 1; nth <= submissions; ++nth) {
        device.faults().fail_submission(nth, Fault::refused);
        // A busy device makes longer batches: there may be fewer submissions than there were.
        const bool failed = fails_with<DeviceError>([&] { run(++next_number); });
        EXPECT_EQ(failed, device.faults().submissions() >= nth);
        device.faults().stop();
        context.synchronize();
        EXPECT_EQ(Live(context), before) << "submission " << nth << " of " << submissions;
        EXPECT_EQ(run(next_number), expected(next_number)) << "submission " << nth;
    }
    EXPECT_GE(named_kernel, 1);
}

TEST_P(Failures, R10_the_device_is_lost_at_each_submission_of_a_run_in_turn) {
    ASSERT_EQ(run(next_number), expected(next_number));
    device.faults().watch();
    EXPECT_TRUE(new_kernels_run());
    const std::uint64_t submissions = device.faults().submissions(), arrays = live_arrays();
    ASSERT_GE(submissions, 2u);
    for (std::uint64_t nth = 1; nth <= submissions; ++nth) {
        Context doomed(make_context());
        const Context::Scope inside(doomed);
        const Array kept = Array::from(filled(100, 1));
        runtime::Device& losing = *doomed.state()->device();
        losing.faults().fail_submission(nth, Fault::lost);
        const bool failed = fails_with<DeviceLost>([&] { run(++next_number); });
        ASSERT_EQ(failed, losing.faults().submissions() >= nth);
        if (!failed) continue;
        EXPECT_EQ(live_arrays(), arrays + 1);
        EXPECT_EQ(doomed.live_buffers(), 1u) << "the array that is kept";
        EXPECT_TRUE(fails_with<DeviceLost>([&] { run(++next_number); })) << "lost is lost";
        EXPECT_THROW((kept + 1.0f).eval(), DeviceLost);
        const Context::Scope outside(context);
        EXPECT_EQ(run(next_number), expected(next_number)) << "another context works";
    }
    EXPECT_GE(named_kernel, 1);
}

TEST_P(Failures, R10_a_kernel_that_could_not_be_loaded_is_loaded_by_the_next_call) {
    const auto f = compile("once", [](Array x) { return x * 3.0f + 1.0f; });
    const Array x = Array::from(filled(64, 2));
    // The first allocation of this call is the kernel's.
    device.faults().fail_allocation(1);
    EXPECT_THROW(f(x), OutOfMemory);
    device.faults().stop();
    EXPECT_EQ(floats(f(x)), filled(64, 7));
}

HEDDLE_ON_DEVICES(Failures);

} // namespace
