// Object files as the CPU device launches them: wrong bindings, several threads.

#include "ir/kernel_builder.h"
#include "runtime/device_options.h"
#include "runtime/devices.h"
#include "tests/codegen/llvm_run.h"

#include <heddle/error.h>

#include <bit>
#include <cstring>
#include <gtest/gtest.h>
#include <thread>

namespace heddle::codegen::cpu::testing {
namespace {

using namespace ir;

Artifact doubling() {
    Draft draft;
    make_pointwise(draft, std::array{Dtype::f32}, Dtype::f32, 16,
                   [](KernelBuilder& k, std::span<const NodeId> x) { return k.add(x[0], x[0]); });
    return compile(draft).artifact;
}

/// Two pointers and a size, 24 bytes.
runtime::Launch launch_of(const runtime::ExecutableRef& kernel, runtime::BufferRef x, runtime::BufferRef y,
                          i64 count) {
    runtime::Launch launch;
    launch.executable = kernel;
    launch.buffers = {std::move(x), std::move(y)};
    launch.offsets = {0, 0};
    launch.pointer_fields = {0, 8};
    launch.arguments.resize(24);
    std::memcpy(launch.arguments.data() + 16, &count, 8);
    return launch;
}

runtime::Event submit(runtime::Device& device, runtime::Launch launch) {
    std::vector<runtime::Launch> launches;
    launches.push_back(std::move(launch));
    return device.submit(std::move(launches));
}

TEST(LlvmDevice, wrong_bindings_are_refused_before_anything_runs) {
    const runtime::ExecutableRef kernel = device().load(doubling());
    const runtime::BufferRef buffer = device().allocate(64);
    runtime::Launch few = launch_of(kernel, buffer, buffer, 1);
    few.buffers.pop_back();
    EXPECT_THROW(submit(device(), std::move(few)), UsageError);
    runtime::Launch cut = launch_of(kernel, buffer, buffer, 1);
    cut.arguments.resize(16);
    EXPECT_THROW(submit(device(), std::move(cut)), UsageError);
    runtime::Launch beyond = launch_of(kernel, buffer, buffer, 1);
    beyond.offsets[1] = 65;
    EXPECT_THROW(submit(device(), std::move(beyond)), UsageError);
}

// ---- retention. A call is run before submit() returns; turned off, its buffers go before it runs, and poison shows.

float poison() {
    const u32 bits = 0x01010101u * runtime::poison_byte;
    return std::bit_cast<float>(bits);
}

runtime::DeviceRef poisoning_device(bool retain) {
    runtime::DeviceOptions options;
    options.retain_bound_buffers = retain;
    options.poison_released = true;
    return runtime::open_device("cpu", options);
}

/// x = 2 * x, in place as in memory that was donated, then y = 2 * x; x is the submission's alone.
float doubled_in_place(bool retain) {
    const runtime::DeviceRef cpu = poisoning_device(retain);
    const runtime::ExecutableRef kernel = cpu->load(doubling());
    const runtime::BufferRef y = cpu->allocate(4);
    runtime::BufferRef x = cpu->allocate(4);
    const float one = 1;
    std::memcpy(x->host(), &one, 4);
    std::vector<runtime::Launch> launches{launch_of(kernel, x, x, 1), launch_of(kernel, x, y, 1)};
    x = nullptr;
    cpu->submit(std::move(launches)).wait();
    EXPECT_EQ(cpu->live_buffers(), 1u);
    float result = 0;
    std::memcpy(&result, y->host(), 4);
    return result;
}

TEST(LlvmDevice, R3_an_output_in_donated_memory_outlives_its_last_handle) {
    for (int k = 0; k < 20; ++k) EXPECT_EQ(doubled_in_place(true), 4);
}

TEST(LlvmDevice, R3_without_retention_the_kernels_read_poison) {
    for (int k = 0; k < 20; ++k) EXPECT_EQ(doubled_in_place(false), 4 * poison());
}

/// Adopts one float that is 1 and doubles it ten times in one submission, which owns it alone. What it was at each release.
std::vector<float> values_at_release(runtime::Device& cpu, const runtime::ExecutableRef& kernel) {
    std::vector<float> releases;
    float value = 1;
    {
        const std::shared_ptr<void> owner(&value, [&](void*) { releases.push_back(value); });
        runtime::BufferRef x = cpu.adopt(reinterpret_cast<std::byte*>(&value), 4, owner);
        std::vector<runtime::Launch> launches;
        for (int k = 0; k < 10; ++k) launches.push_back(launch_of(kernel, x, x, 1));
        x = nullptr;
        cpu.submit(std::move(launches)).wait();
    }
    return releases;
}

TEST(LlvmDevice, R2_a_buffer_bound_many_times_goes_once_with_the_submission_and_the_next_owns_anew) {
    const runtime::DeviceRef cpu = poisoning_device(true);
    const runtime::ExecutableRef kernel = cpu->load(doubling());
    const runtime::BufferRef kept = cpu->allocate(4);
    for (int k = 0; k < 3; ++k) {
        EXPECT_EQ(values_at_release(*cpu, kernel), std::vector<float>{1024});
        EXPECT_EQ(kernel.use_count(), 1);
        std::vector<runtime::Launch> launches(5, launch_of(kernel, kept, kept, 1));
        cpu->submit(std::move(launches)).wait();
        EXPECT_EQ(kept.use_count(), 1);
    }
    EXPECT_EQ(cpu->live_buffers(), 1u);
}

TEST(LlvmDevice, an_empty_grid_runs_nothing) {
    const runtime::ExecutableRef kernel = device().load(doubling());
    const runtime::BufferRef x = device().allocate(4), y = device().allocate(4);
    const float one = 1, seven = 7;
    std::memcpy(x->host(), &one, 4);
    std::memcpy(y->host(), &seven, 4);
    runtime::Launch launch = launch_of(kernel, x, y, 1);
    launch.grid[0] = 0;
    submit(device(), std::move(launch));
    EXPECT_EQ(std::memcmp(y->host(), &seven, 4), 0);
}

TEST(LlvmDevice, eight_threads_submit_at_the_same_time) {
    const runtime::ExecutableRef kernel = device().load(doubling());
    std::atomic<int> right = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t)
        threads.emplace_back([&, t] {
            const runtime::BufferRef x = device().allocate(4), y = device().allocate(4);
            for (int round = 0; round < 500; ++round) {
                const float value = static_cast<float>(t * 1000 + round), expected = 2 * value;
                std::memcpy(x->host(), &value, 4);
                submit(device(), launch_of(kernel, x, y, 1)).wait();
                right += std::memcmp(y->host(), &expected, 4) == 0;
            }
        });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(right, 4000);
}

} // namespace
} // namespace heddle::codegen::cpu::testing
