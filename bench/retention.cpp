// What it costs that a submission owns what it binds (R9): the same calls with and without, in interleaved pairs. No buffer is
// ever dropped while a call is in flight, so that both do the same work and are right.
//
//     bench_retention [DEVICE]        "vulkan" by default; one line of JSON
//
// `cost`: the mean over the pairs of with / without - 1, by the clock and by the CPU time of the thread that submits, in percent of a call's time on the clock; beside
// each the upper end of its 95% interval.

#include "codegen/spirv/emit.h"
#include "ir/kernel_builder.h"
#include "passes/legalise/spirv_pipeline.h"
#include "runtime/devices.h"

#include <heddle/error.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <string>
#include <time.h>
#include <vector>

namespace {

using namespace heddle;
using runtime::BufferRef;

constexpr u32 block = 64;
constexpr i64 count = 4096;
constexpr int inputs = 3, calls = 4000, rounds = 30;

/// y = a + b + c over f32.
const ir::Function& make_kernel(ir::Module& module, const ir::Target& target) {
    ir::Function& kernel = module.add_kernel("add3");
    ir::KernelInfo info{.target = ir::TargetKind::gpu, .block = block, .index_bits = 32};
    info.grid = {module.dims.constant(count / block)};
    ir::set_kernel_info(kernel, info);
    ir::KernelBuilder k(kernel);
    std::vector<ir::NodeId> pointers;
    for (int i = 0; i <= inputs; ++i) pointers.push_back(k.pointer(fmt::format("p{}", i), Dtype::f32));
    ir::NodeId at = k.add(k.mul(k.grid_index(0), k.index(block)), k.thread_index());
    ir::NodeId sum = k.load(pointers[0], at, 1);
    for (int i = 1; i < inputs; ++i) sum = k.add(sum, k.load(pointers[static_cast<std::size_t>(i)], at, 1));
    k.store(sum, pointers.back(), at);
    return passes::legalise_for_spirv(kernel, target);
}

double cpu_microseconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return 1e6 * static_cast<double>(now.tv_sec) + 1e-3 * static_cast<double>(now.tv_nsec);
}

/// A device with retention on or off, and calls on it that overlap as independent work does.
struct Subject {
    Subject(const std::string& name, bool retain) {
        runtime::DeviceOptions options = runtime::DeviceOptions::from_environment();
        options.retain_bound_buffers = retain;
        device = runtime::open_device(name, options);
        const ir::Target& target = device->info().target;
        if (target.kind != ir::TargetKind::gpu)
            throw UsageError(
                fmt::format("{} runs a call before it returns, so that there is nothing to retain", name));
        ir::Module module;
        const ir::Function& kernel = make_kernel(module, target);
        ir::ParameterLayout layout = ir::parameter_layout(kernel);
        call.executable = device->load(codegen::spirv::emit(kernel, target));
        call.arguments.resize(layout.bytes);
        for (std::size_t i = 0; i <= inputs; ++i) {
            call.buffers.push_back(device->allocate(count * sizeof(float)));
            call.offsets.push_back(0);
            call.pointer_fields.push_back(layout.offsets[i]);
        }
        call.write_mask = 1u << inputs;
        call.grid[0] = count / block;
        for (int i = 0; i < 8; ++i) outputs.push_back(device->allocate(count * sizeof(float)));
    }
    struct Times {
        double wall = 0, cpu = 0; ///< microseconds a call; until the device is done, and of this thread
    };
    Times measure() {
        auto start = std::chrono::steady_clock::now();
        const double cpu_start = cpu_microseconds();
        for (std::size_t i = 0; i < calls; ++i) {
            runtime::Launch launch = call;
            launch.buffers.back() = outputs[i % outputs.size()];
            std::vector<runtime::Launch> launches;
            launches.push_back(std::move(launch));
            device->submit(std::move(launches));
        }
        const double cpu = cpu_microseconds() - cpu_start;
        device->synchronize();
        std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - start;
        return {time.count() / calls, cpu / calls};
    }

    runtime::DeviceRef device;
    runtime::Launch call;
    std::vector<BufferRef> outputs;
};

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

struct Cost {
    double mean, upper; ///< percent
};

/// Of the pairs' values, in percent.
Cost cost_of(const std::vector<double>& pairs) {
    constexpr double quantile = 2.045; // of Student's t with 29 degrees of freedom, at 97.5%
    static_assert(rounds == 30);
    double sum = 0, squares = 0;
    for (double pair : pairs) sum += pair;
    const double mean = sum / rounds;
    for (double pair : pairs) squares += (pair - mean) * (pair - mean);
    return {100 * mean, 100 * (mean + quantile * std::sqrt(squares / (rounds - 1) / rounds))};
}

void measure(const std::string& name) {
    Subject with(name, true), without(name, false);
    (void)with.measure();
    (void)without.measure();
    std::vector<double> kept, dropped, wall, cpu;
    for (int round = 0; round < rounds; ++round) {
        // Whoever comes second finds other caches and clocks: take turns.
        const bool swapped = round % 2 != 0;
        Subject::Times first = (swapped ? without : with).measure();
        Subject::Times second = (swapped ? with : without).measure();
        if (swapped) std::swap(first, second);
        kept.push_back(first.wall);
        dropped.push_back(second.wall);
        wall.push_back(first.wall / second.wall - 1);
        cpu.push_back((first.cpu - second.cpu) / second.wall);
    }
    const Cost by_clock = cost_of(wall), by_cpu = cost_of(cpu);
    fmt::print("{{\"name\": \"retention\", \"device\": \"{}\", \"with_us\": {:.3f}, \"without_us\": {:.3f}, "
               "\"cost_percent\": {:.2f}, \"cost_upper_percent\": {:.2f}, \"cpu_cost_percent\": {:.2f}, "
               "\"cpu_cost_upper_percent\": {:.2f}, \"pairs\": {}}}\n",
               with.device->info().description, median(kept), median(dropped), by_clock.mean, by_clock.upper,
               by_cpu.mean, by_cpu.upper, rounds);
}

} // namespace

int main(int count_of_arguments, char** arguments) {
    try {
        measure(count_of_arguments > 1 ? arguments[1] : "vulkan");
    } catch (const heddle::Error& error) {
        fmt::print(stderr, "bench_retention: {}\n", error.what());
        return 1;
    }
}
