// R10, the host's side, within the Vulkan runtime: what must not need host memory does without, and what may fail does so before anything
// has happened.

#include "failing_new.h"
#include "runtime/faults.h"
#include "runtime/free_ranges.h"
#include "tests/runtime/vulkan_fixture.h"

#include <heddle/error.h>

#include <new>
#include <thread>

namespace heddle::runtime::testing {
namespace {

using tests::FailingNew;

constexpr u32 count = 1000;

enum class Outcome : u8 {
    done,  ///< there was no such allocation
    borne, ///< it failed, and was done without
    threw
};

/// What becomes of `act` when its nth allocation fails.
template <class Act> Outcome without_allocation(u64 nth, const Act& act) {
    const FailingNew failing(nth);
    try {
        act();
    } catch (const std::bad_alloc&) {
        return Outcome::threw;
    }
    return failing.count() < nth ? Outcome::done : Outcome::borne;
}

class VulkanNoMemory : public VulkanFixture {
protected:
    void SetUp() override { open_with({}); }
    void open_with(const DeviceOptions& options) {
        open(options);
        add = device->load(add_kernel(0, !device->info().target.buffer_addresses));
        a = filled(count, 1);
        y = filled(count, 0);
    }
    void TearDown() override {
        add = nullptr;
        a = y = nullptr;
        VulkanFixture::TearDown();
    }
    /// Every allocation of a call of two launches fails in turn. Their buffers are made by `make`.
    template <class Make> void call_finds_none(const Make& make) {
        Outcome outcome = Outcome::threw;
        for (u64 nth = 1; outcome != Outcome::done && !HasFailure(); ++nth) {
            SCOPED_TRACE(nth);
            const BufferRef b = make(1), z = make(0), last = make(0);
            std::vector<Launch> call{add_launch(add, a, a, z, count), add_launch(add, b, z, last, count)};
            call[1].barrier_before = true;
            const Event before[] = {z->written(), last->written()};
            outcome = without_allocation(nth, [&] { device->submit(std::move(call)); });
            const bool threw = outcome == Outcome::threw;
            if (threw) {
                EXPECT_EQ(z->written().stream(), before[0].stream());
                EXPECT_EQ(z->written().value(), before[0].value());
                EXPECT_EQ(last->written().stream(), before[1].stream());
                EXPECT_EQ(last->written().value(), before[1].value());
            }
            call.clear();
            device->synchronize();
            EXPECT_EQ(b.use_count() + z.use_count() + last.use_count(), 3);
            EXPECT_EQ(download(z), std::vector<float>(count, threw ? 0 : 2));
            EXPECT_EQ(download(last), std::vector<float>(count, threw ? 0 : 3));
        }
    }

    ExecutableRef add;
    BufferRef a, y;
};

TEST_F(VulkanNoMemory, R10_repeated_calls_and_their_completion_need_none) {
    if (!device->info().target.buffer_addresses) GTEST_SKIP() << "descriptors are made for each launch";
    const Launch first = add_launch(add, a, a, y, count);
    const std::unique_ptr<PreparedLaunch> prepared = device->prepare_launch(first);
    const Bound bound[] = {{&a, 0, nullptr}, {&a, 0, nullptr}, {&y, 0, nullptr}};
    std::vector<std::byte> arguments = first.arguments;
    device->submit({first});
    device->synchronize();
    for (int k = 0; k < 300; ++k) {
        ASSERT_EQ(
            without_allocation(1, [&] { ASSERT_TRUE(device->submit_prepared(*prepared, bound, arguments)); }),
            Outcome::done)
            << "call " << k;
        ASSERT_EQ(without_allocation(1, [&] { device->synchronize(); }), Outcome::done) << "call " << k;
    }
    EXPECT_EQ(download(y), std::vector<float>(count, 2));
}

TEST_F(VulkanNoMemory, R10_a_call_that_finds_none_has_not_happened) {
    // Again and again, since tables grow now and then.
    for (int round = 0; round < 20; ++round)
        call_finds_none([&](float value) { return filled(count, value); });
}

TEST_F(VulkanNoMemory, R10_a_call_that_finds_none_has_not_happened_to_buffers_of_other_streams) {
    call_finds_none([&](float value) {
        BufferRef made;
        std::thread([&] { made = filled(count, value); }).join();
        return made;
    });
}

TEST_F(VulkanNoMemory, R10_a_call_that_finds_none_has_not_happened_where_buffers_are_described) {
    add = nullptr;
    a = y = nullptr;
    open_with({.descriptors = true});
    for (int round = 0; round < 20; ++round)
        call_finds_none([&](float value) { return filled(count, value); });
}

TEST_F(VulkanNoMemory, R10_what_is_in_flight_completes_without) {
    std::vector<BufferRef> results;
    device->hold_queue(true);
    for (int k = 0; k < 300; ++k) {
        results.push_back(device->allocate(count * sizeof(float)));
        device->submit({add_launch(add, a, a, results.back(), count)});
    }
    device->hold_queue(false);
    EXPECT_EQ(without_allocation(1, [&] { device->synchronize(); }), Outcome::done);
    for (const BufferRef& result : results) {
        EXPECT_EQ(result.use_count(), 1);
        ASSERT_EQ(download(result), std::vector<float>(count, 2));
    }
}

TEST_F(VulkanNoMemory, R10_a_refused_submission_is_known_to_have_failed) {
    Outcome outcome = Outcome::threw;
    for (u64 nth = 1; outcome != Outcome::done && !HasFailure(); ++nth) {
        SCOPED_TRACE(nth);
        const BufferRef z = filled(count, 0);
        std::vector<Launch> call{add_launch(add, a, a, z, count)};
        device->faults().fail_submission(1, Fault::refused);
        outcome = without_allocation(nth, [&] {
            try {
                device->submit(std::move(call));
                ADD_FAILURE() << "the submission was refused";
            } catch (const DeviceError&) {
            }
        });
        const bool refused = device->faults().submissions() == 1;
        device->faults().stop();
        call.clear();
        if (refused) try {
                z->written().wait();
                ADD_FAILURE() << "nothing was written";
            } catch (const DeviceError& error) {
                EXPECT_NE(std::string(error.what()).find("kernel add"), std::string::npos) << error.what();
            }
        else
            EXPECT_TRUE(z->written().complete());
        device->synchronize();
        EXPECT_EQ(z.use_count(), 1);
    }
}

TEST_F(VulkanNoMemory, R10_a_recording_goes_without) {
    const BufferRef scratch = filled(count, 0);
    scratch->set_scratch();
    Launch launch;
    launch.buffers = {a, y};
    launch.offsets = {0, 0};
    launch.write_mask = 2;
    const auto record = [&] {
        return device->record({add_launch(add, a, a, scratch, count), add_launch(add, a, scratch, y, count)},
                              launch, Recorded::often);
    };
    for (int round = 0; round < 2; ++round) {
        ExecutableRef one = record(), other = record();
        EXPECT_EQ(without_allocation(1, [&] { one = other = nullptr; }), Outcome::done);
        device->trim();
    }
}

TEST_F(VulkanNoMemory, R10_memory_goes_back_to_the_driver_without) {
    // A block of its own each.
    const std::size_t large = vulkan->memory().main.block_bytes();
    const u64 reserved = vulkan->memory().main.reserved_bytes();
    std::vector<BufferRef> buffers;
    for (int k = 0; k < 3; ++k) buffers.push_back(device->allocate(large));
    EXPECT_GT(vulkan->memory().main.reserved_bytes(), reserved);
    EXPECT_EQ(without_allocation(1,
                                 [&] {
                                     for (BufferRef& buffer : buffers) buffer = nullptr;
                                     device->trim();
                                 }),
              Outcome::done);
    EXPECT_LE(vulkan->memory().main.reserved_bytes(), reserved);
}

TEST(FreeRangesWithoutMemory, R10_are_what_they_were) {
    FreeRanges free(1000);
    for (u64 expected : {0, 100, 200, 300}) {
        Outcome outcome = Outcome::threw;
        for (u64 nth = 1; outcome == Outcome::threw; ++nth)
            outcome = without_allocation(nth, [&] { EXPECT_EQ(free.take(100), expected); });
        EXPECT_EQ(outcome, Outcome::done);
    }
    for (u64 offset : {100, 300, 0, 200})
        EXPECT_EQ(without_allocation(1, [&] { free.give(offset); }), Outcome::done) << offset;
    EXPECT_TRUE(free.all_free());
    EXPECT_EQ(free.take(1000), 0u);
}

} // namespace
} // namespace heddle::runtime::testing
