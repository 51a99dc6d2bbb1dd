// Kernels on Vulkan: launches, ordering, retention, threads, failures. Memory itself is tested in vulkan_memory_test.cpp.

#include "tests/runtime/vulkan_fixture.h"

#include <heddle/error.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace heddle::runtime::testing {
namespace {

enum class Path { direct, staged };
void PrintTo(Path path, std::ostream* out) { *out << (path == Path::direct ? "direct" : "staged"); }

/// Every test runs with memory that the host sees, and as on a discrete GPU.
class Vulkan : public VulkanFixture, public ::testing::WithParamInterface<Path> {
protected:
    static DeviceOptions options() {
        DeviceOptions options;
        options.force_staging = GetParam() == Path::staged;
        return options;
    }
    void SetUp() override { open(options()); }
};
INSTANTIATE_TEST_SUITE_P(Memory, Vulkan, ::testing::Values(Path::direct, Path::staged),
                         [](const auto& path) { return path.param == Path::direct ? "direct" : "staged"; });

TEST_P(Vulkan, a_kernel_adds_two_buffers) {
    ExecutableRef add = device->load(add_kernel());
    BufferRef a = filled(1000, 1.5f), b = filled(1000, 2.0f), y = filled(1001, -1.0f);
    Event done = device->submit({add_launch(add, a, b, y, 1000)});
    done.wait();
    EXPECT_TRUE(done.complete());
    std::vector<float> expected(1001, 3.5f);
    expected.back() = -1.0f;
    EXPECT_EQ(download(y), expected);
}

TEST_P(Vulkan, offsets_move_the_pointers) {
    ExecutableRef add = device->load(add_kernel());
    BufferRef a = upload({1, 2, 3, 4}), y = filled(4, 0);
    Launch launch = add_launch(add, a, a, y, 2);
    launch.offsets = {0, 8, 4};
    device->submit({launch});
    launch = {};
    EXPECT_EQ(download(y), (std::vector<float>{0, 4, 6, 0}));
}

TEST_P(Vulkan, argument_blocks_beyond_128_bytes_are_read_through_a_pointer) {
    // 96 bytes of padding make exactly 128, which still fit.
    for (u32 padding : {96u, 104u, 4096u}) {
        ExecutableRef add = device->load(add_kernel(padding));
        BufferRef x = filled(100, 1), y = filled(100, 0);
        std::vector<Launch> launches;
        for (int i = 0; i < 50; ++i) {
            launches.push_back(add_launch(add, x, y, y, 100, padding));
            launches.back().barrier_before = true;
        }
        device->submit(std::move(launches));
        EXPECT_EQ(download(y), std::vector<float>(100, 50)) << padding;
    }
}

TEST_P(Vulkan, calls_on_one_buffer_run_in_order_without_being_told) {
    ExecutableRef add = device->load(add_kernel());
    BufferRef one = filled(10'000, 1), x = filled(10'000, 0);
    for (int i = 0; i < 1000; ++i) device->submit({add_launch(add, x, one, x, 10'000)});
    EXPECT_EQ(download(x), std::vector<float>(10'000, 1000));
}

TEST_P(Vulkan, an_upload_waits_for_the_kernels_that_read) {
    ExecutableRef add = device->load(add_kernel());
    BufferRef x = filled(1 << 16, 1), y = filled(1 << 16, 0), z = filled(1 << 16, 0);
    std::vector<float> twos(1 << 16, 2);
    device->submit({add_launch(add, x, x, y, 1 << 16)});
    device->upload(x, 0, std::as_bytes(std::span(twos)));
    device->submit({add_launch(add, x, x, z, 1 << 16)});
    EXPECT_EQ(download(y), std::vector<float>(1 << 16, 2));
    EXPECT_EQ(download(z), std::vector<float>(1 << 16, 4));
}

TEST_P(Vulkan, an_empty_grid_runs_nothing) {
    ExecutableRef add = device->load(add_kernel());
    BufferRef x = filled(4, 1), y = filled(4, 5);
    Launch launch = add_launch(add, x, x, y, 4);
    launch.grid[1] = 0;
    device->submit({launch}).wait();
    launch = {};
    EXPECT_EQ(download(y), std::vector<float>(4, 5));
    EXPECT_TRUE(device->submit({}).complete());
}

TEST_P(Vulkan, every_handle_may_go_before_the_kernels_have_run) {
    ExecutableRef add = device->load(add_kernel());
    BufferRef total = filled(1000, 0);
    device->hold_queue(true);
    for (int i = 0; i < 100; ++i) {
        // Each operand's memory would be taken by the next one if it were free.
        BufferRef operand = device->allocate(4000);
        device->submit(
            {add_launch(add, operand, operand, operand, 0), add_launch(add, total, operand, total, 0)});
        operand = nullptr;
    }
    add = nullptr;
    // 100 operands and the sum are live, though nobody but the submissions holds them.
    EXPECT_EQ(device->live_buffers(), 101u);
    device->hold_queue(false);
    device->synchronize();
    EXPECT_EQ(device->live_buffers(), 1u);
    total = nullptr;
}

TEST_P(Vulkan, a_submission_owns_each_buffer_once) {
    ExecutableRef add = device->load(add_kernel());
    BufferRef x = filled(64, 1);
    device->synchronize(); // uploads own it too
    device->hold_queue(true);
    std::vector<Launch> launches;
    for (int i = 0; i < 10; ++i) launches.push_back(add_launch(add, x, x, x, 64));
    for (Launch& launch : launches) launch.barrier_before = true;
    device->submit(std::move(launches));
    EXPECT_EQ(x.use_count(), 2);
    EXPECT_EQ(add.use_count(), 2);
    device->hold_queue(false);
    device->synchronize();
    EXPECT_EQ(x.use_count(), 1);
    EXPECT_EQ(add.use_count(), 1);
    EXPECT_EQ(download(x), std::vector<float>(64, 1024));
}

TEST_P(Vulkan, R2_what_a_submission_owns_goes_with_it_and_the_next_owns_anew) {
    ExecutableRef add = device->load(add_kernel());
    BufferRef x = filled(64, 1), y = filled(64, 1);
    device->synchronize();
    for (const BufferRef& once : {x, y, x}) {
        const long before_x = x.use_count(), before_y = y.use_count();
        device->hold_queue(true);
        std::vector<Launch> launches;
        for (int i = 0; i < 5; ++i) launches.push_back(add_launch(add, once, once, once, 0));
        device->submit(std::move(launches));
        EXPECT_EQ(x.use_count(), before_x + (once == x ? 1 : 0));
        EXPECT_EQ(y.use_count(), before_y + (once == y ? 1 : 0));
        device->hold_queue(false);
        device->synchronize();
        EXPECT_EQ(x.use_count(), before_x);
        EXPECT_EQ(y.use_count(), before_y);
    }
}

TEST_P(Vulkan, threads_submit_at_the_same_time) {
    ExecutableRef add = device->load(add_kernel());
    constexpr int thread_count = 8, rounds = 64;
    std::vector<std::vector<float>> results(thread_count);
    std::vector<std::thread> threads;
    for (int t = 0; t < thread_count; ++t)
        threads.emplace_back([&, t] {
            BufferRef x = filled(4096, static_cast<float>(t));
            for (int i = 0; i < rounds; ++i) {
                BufferRef y = device->allocate(x->bytes()), one = filled(4096, 1);
                device->submit({add_launch(add, x, one, y, 4096)});
                x = y;
            }
            results[static_cast<std::size_t>(t)] = download(x);
        });
    for (std::thread& thread : threads) thread.join();
    for (int t = 0; t < thread_count; ++t)
        EXPECT_EQ(results[static_cast<std::size_t>(t)],
                  std::vector<float>(4096, static_cast<float>(t + rounds)));
}

TEST_P(Vulkan, threads_dispatch_and_drop) {
    ExecutableRef add = device->load(add_kernel());
    std::atomic<int> wrong = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 32; ++t)
        threads.emplace_back([&] {
            for (int round = 0; round < 64; ++round) {
                BufferRef sum = filled(512, 0);
                for (int k = 1; k <= 3; ++k) {
                    BufferRef input = filled(512, static_cast<float>(k)), next = device->allocate(2048);
                    device->submit({add_launch(add, sum, input, next, 512)});
                    sum = std::move(next);
                }
                wrong += download(sum) != std::vector<float>(512, 6);
            }
        });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
}

TEST_P(Vulkan, many_launches_on_three_inputs_leave_nothing_behind) {
    ExecutableRef add = device->load(add_kernel());
    for (int round = 0; round < 16; ++round) {
        BufferRef a = filled(4096, 1), b = filled(4096, 2), c = filled(4096, 3);
        std::vector<Launch> launches;
        for (int k = 0; k < 128; ++k) {
            BufferRef y = device->allocate(16384);
            launches.push_back(add_launch(add, a, b, y, 4096));
            launches.push_back(add_launch(add, c, y, y, 4096));
            launches.back().barrier_before = true;
        }
        device->submit(std::move(launches));
    }
    device->synchronize();
    EXPECT_EQ(device->live_buffers(), 0u);
}

TEST_P(Vulkan, a_buffer_goes_from_thread_to_thread) {
    ExecutableRef add = device->load(add_kernel());
    BufferRef one = filled(1000, 1), x = filled(1000, 0);
    for (int i = 0; i < 40; ++i)
        std::thread([&] {
            for (int k = 0; k < 5; ++k) device->submit({add_launch(add, x, one, x, 1000)});
        }).join();
    EXPECT_EQ(download(x), std::vector<float>(1000, 200));
}

TEST_P(Vulkan, the_device_handle_may_go_first) {
    ExecutableRef add = device->load(add_kernel());
    BufferRef x = filled(100, 1);
    device->submit({add_launch(add, x, x, x, 100)});
    std::weak_ptr<Device> inner = x->device().weak_from_this();
    device = nullptr;
    EXPECT_FALSE(inner.expired()) << "the buffer keeps it";
    add = nullptr;
    x = nullptr;
    EXPECT_TRUE(inner.expired());
}

TEST_P(Vulkan, what_cannot_be_launched_is_refused_by_name) {
    ExecutableRef add = device->load(add_kernel());
    BufferRef x = filled(4, 1);
    DeviceRef other = open_device("interp");
    auto refused = [&](auto change) {
        Launch launch = add_launch(add, x, x, x, 4);
        change(launch);
        EXPECT_THROW(device->submit({launch}), UsageError);
    };
    refused([&](Launch& launch) { launch.buffers[1] = other->allocate(16); });
    refused([&](Launch& launch) { launch.buffers[1] = nullptr; });
    refused([&](Launch& launch) { launch.executable = nullptr; });
    refused([&](Launch& launch) { launch.offsets[2] = 17; });
    refused([&](Launch& launch) { launch.pointer_fields[0] = 28; });
    refused([&](Launch& launch) { launch.arguments.resize(36); });
    refused([&](Launch& launch) { launch.grid[0] = u64{1} << 33; });
    EXPECT_EQ(download(x), std::vector<float>(4, 1));
}

TEST_P(Vulkan, a_failed_submission_is_an_error_and_frees_what_it_owned) {
    ExecutableRef add = device->load(add_kernel());
    BufferRef x = filled(4, 1), y = filled(4, 0);
    device->synchronize();
    PFN_vkQueueSubmit real = vulkan->core().vk.vkQueueSubmit;
    vulkan->core().vk.vkQueueSubmit = [](VkQueue, u32, const VkSubmitInfo*, VkFence) {
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    };
    try {
        device->submit({add_launch(add, x, x, y, 4)});
        ADD_FAILURE();
    } catch (const DeviceError& error) {
        EXPECT_NE(std::string(error.what()).find("kernel add"), std::string::npos) << error.what();
        EXPECT_NE(std::string(error.what()).find("OUT_OF_DEVICE_MEMORY"), std::string::npos) << error.what();
    }
    vulkan->core().vk.vkQueueSubmit = real;
    EXPECT_TRUE(y->written().complete());
    EXPECT_THROW(y->written().wait(), DeviceError);
    EXPECT_THROW(download(y), DeviceError);
    EXPECT_THROW(device->submit({add_launch(add, y, y, x, 4)}), DeviceError) << "y was never written";
    device->synchronize();
    EXPECT_EQ(y.use_count(), 1);
    BufferRef z = filled(4, 0);
    device->submit({add_launch(add, x, x, z, 4)});
    EXPECT_EQ(download(z), std::vector<float>(4, 2)) << "the device stays usable";
}

TEST_P(Vulkan, a_lost_device_frees_everything_and_another_one_works) {
    ExecutableRef add = device->load(add_kernel());
    BufferRef x = filled(4, 1), y = filled(4, 0);
    device->synchronize();
    vulkan->core().vk.vkQueueSubmit = [](VkQueue, u32, const VkSubmitInfo*, VkFence) {
        return VK_ERROR_DEVICE_LOST;
    };
    EXPECT_THROW(device->submit({add_launch(add, x, x, y, 4)}), DeviceLost);
    EXPECT_THROW(y->written().wait(), DeviceLost);
    EXPECT_THROW(device->submit({add_launch(add, x, x, y, 4)}), DeviceLost);
    EXPECT_THROW((void)device->allocate(16), DeviceLost);
    EXPECT_THROW(device->synchronize(), DeviceLost);
    EXPECT_EQ(x.use_count(), 1);
    EXPECT_EQ(add.use_count(), 1);
    x = y = nullptr;
    add = nullptr;
    EXPECT_EQ(device->live_buffers(), 0u);
    open(options());
    add = device->load(add_kernel());
    x = filled(4, 1);
    device->submit({add_launch(add, x, x, x, 4)});
    EXPECT_EQ(download(x), std::vector<float>(4, 2));
}

// ---- retention, made visible: the queue is held back, the operand's handle goes, its memory is poisoned. R5.

class VulkanRetention : public Vulkan {
protected:
    void SetUp() override {}
    std::vector<float> run(bool retain) {
        DeviceOptions options = Vulkan::options();
        options.retain_bound_buffers = retain;
        options.poison_released = true;
        open(options);
        ExecutableRef add = device->load(add_kernel());
        BufferRef y = filled(256, 0), operand = filled(256, 1);
        device->synchronize(); // staged copies must not come after the poison
        device->hold_queue(true);
        device->submit({add_launch(add, operand, operand, y, 256)});
        operand = nullptr;
        device->hold_queue(false);
        return download(y);
    }
    /// x = x + x, in place as in memory that was donated, then y = x + x; x is the submission's alone.
    std::vector<float> run_in_place(bool retain) {
        DeviceOptions options = Vulkan::options();
        options.retain_bound_buffers = retain;
        options.poison_released = true;
        open(options);
        ExecutableRef add = device->load(add_kernel());
        BufferRef y = filled(256, 0), x = filled(256, 1);
        device->synchronize();
        device->hold_queue(true);
        std::vector<Launch> launches{add_launch(add, x, x, x, 256), add_launch(add, x, x, y, 256)};
        launches.back().barrier_before = true;
        x = nullptr;
        device->submit(std::move(launches));
        device->hold_queue(false);
        return download(y);
    }
    static float poison() {
        u32 bits = 0x01010101u * poison_byte;
        float value = 0;
        std::memcpy(&value, &bits, sizeof value);
        return value;
    }
};

INSTANTIATE_TEST_SUITE_P(Memory, VulkanRetention, ::testing::Values(Path::direct, Path::staged),
                         [](const auto& path) { return path.param == Path::direct ? "direct" : "staged"; });

TEST_P(VulkanRetention, a_bound_buffer_outlives_its_last_handle) {
    for (int i = 0; i < 20; ++i) EXPECT_EQ(run(true), std::vector<float>(256, 2));
}

TEST_P(VulkanRetention, without_it_the_kernel_reads_poison) {
    for (int i = 0; i < 20; ++i) EXPECT_EQ(run(false), std::vector<float>(256, poison() + poison()));
}

TEST_P(VulkanRetention, R3_an_output_in_donated_memory_outlives_its_last_handle) {
    for (int i = 0; i < 20; ++i) EXPECT_EQ(run_in_place(true), std::vector<float>(256, 4));
}

TEST_P(VulkanRetention, R3_without_it_the_kernels_read_poison) {
    for (int i = 0; i < 20; ++i) EXPECT_EQ(run_in_place(false), std::vector<float>(256, 4 * poison()));
}

// ---- the device itself

class VulkanDevices : public VulkanFixture {};

TEST_F(VulkanDevices, a_missing_loader_is_an_error_that_says_what_to_install) {
    ASSERT_EQ(setenv("HEDDLE_VULKAN_LIBRARY", "/nonexistent/libvulkan.so.1", 1), 0);
    try {
        (void)open_device("vulkan");
        ADD_FAILURE();
    } catch (const DeviceError& error) {
        EXPECT_NE(std::string(error.what()).find("libvulkan1"), std::string::npos) << error.what();
    }
    EXPECT_EQ(list_devices().back().name.find("vulkan"), std::string::npos);
    unsetenv("HEDDLE_VULKAN_LIBRARY");
}

TEST_F(VulkanDevices, the_description_is_usable_by_the_scheduler) {
    open({});
    const ir::Target& target = device->info().target;
    EXPECT_EQ(device->info().name, "vulkan:0");
    EXPECT_EQ(target.kind, ir::TargetKind::gpu);
    EXPECT_GE(target.subgroup, 1u);
    EXPECT_EQ(target.subgroup & (target.subgroup - 1), 0u);
    EXPECT_GE(target.max_block, 128u);
    EXPECT_GE(target.shared_bytes, 16384u);
    EXPECT_GE(target.max_grid_x, 65535u);
    EXPECT_EQ(target.max_parameter_bytes, 128u);
    if (device->info().description.starts_with("llvmpipe")) {
        // The software driver's width in bits is its subgroup size times 32; ctest runs this at 128, 256 and 512.
        const char* bits = std::getenv("LP_NATIVE_VECTOR_WIDTH");
        if (bits != nullptr) {
            EXPECT_EQ(target.subgroup, static_cast<u32>(std::atoi(bits)) / 32);
        }
        EXPECT_NE(device->info().notes.find("subnormals"), std::string::npos) << device->info().notes;
    }
}

TEST_F(VulkanDevices, kernels_get_the_subgroup_size_that_they_ask_for_or_are_refused) {
    open({});
    u32 size = device->info().target.subgroup;
    ExecutableRef add = device->load(add_kernel_with_subgroup(size));
    BufferRef x = filled(100, 1);
    device->submit({add_launch(add, x, x, x, 100)});
    EXPECT_EQ(download(x), std::vector<float>(100, 2));
    try {
        (void)device->load(add_kernel_with_subgroup(1024));
        ADD_FAILURE();
    } catch (const DeviceError& error) {
        EXPECT_NE(std::string(error.what()).find("kernel add"), std::string::npos) << error.what();
    }
}

TEST_F(VulkanDevices, the_validation_layers_are_heard_or_missed_by_name) {
    DeviceOptions options;
    options.validation = true;
    try {
        vulkan::VulkanDevice validated(options, 0);
        VkBufferCreateInfo empty{VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO};
        empty.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT;
        VkBuffer buffer = VK_NULL_HANDLE; // of no bytes, which is not allowed
        vulkan::Core& core = validated.core();
        (void)core.vk.vkCreateBuffer(core.device, &empty, nullptr, &buffer);
        core.vk.vkDestroyBuffer(core.device, buffer, nullptr);
        EXPECT_FALSE(core.validation().messages().empty());
    } catch (const DeviceError& error) {
        EXPECT_NE(std::string(error.what()).find("vulkan-validationlayers"), std::string::npos)
            << error.what();
    }
}

TEST_F(VulkanDevices, what_is_no_spirv_or_too_large_is_refused) {
    open({});
    codegen::Artifact artifact = add_kernel();
    artifact.code.resize(artifact.code.size() - 1);
    EXPECT_THROW((void)device->load(artifact), DeviceError);
    artifact = add_kernel();
    artifact.block = 1 << 20;
    EXPECT_THROW((void)device->load(artifact), DeviceError);
    artifact = add_kernel();
    artifact.shared_bytes = 1 << 30;
    EXPECT_THROW((void)device->load(artifact), DeviceError);
}

} // namespace
} // namespace heddle::runtime::testing
