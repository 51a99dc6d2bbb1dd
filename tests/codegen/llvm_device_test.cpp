// Object files as the CPU device launches them: wrong bindings, several threads.

#include "ir/kernel_builder.h"
#include "tests/codegen/llvm_run.h"

#include <heddle/error.h>

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
