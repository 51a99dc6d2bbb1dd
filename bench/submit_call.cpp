// What a cached call of one tiny kernel costs the thread that makes it on Vulkan, beside what a program would pay that hands the same
// dispatch, recorded once, to the queue itself. By turns in one run, twenty of one kind to a turn. What the device does is waited for after each
// and not timed. The first of a turn finds the caches as the other kinds left them, and is counted apart.
//
//     bench_submit_call [--device D] [--calls N] [--json]      vulkan and 4000 by default; microseconds, medians over N of each
//
// The function is that of `heddle bench tiny_call_16`: tanh(a * b + 1) of 16 elements. Its first call shows its pipeline, arguments and grid,
// of which the other side makes its own command buffer.
//
//   bare        vkQueueSubmit of that command buffer, which signals a timeline semaphore so that its end can be known
//   recording   that command buffer written anew: what a call costs the driver that records its kernel each time
//   call        the cached call, its submission included, as the device is idle; the result is dropped outside the timed part
//   first       of each turn, a bare submission and a call
//   host        of a call, all but the time inside vkQueueSubmit
//   before      of a call, the time up to vkQueueSubmit. What is left of host is behind it, where a processor may have to wait until what the
//               driver wrote has reached the device
//   row         calls in a row without waiting, the result dropped at once: a call, on average; row_host: all but vkQueueSubmit
//   appended    likewise on a queue that is held back, so that calls are appended to open submissions, 64 to each
//   driver      what a call as the first kind asks of the driver, and how long that takes, of those functions that are called at all; likewise
//               of a call in a row

#include "frontend/context_state.h"
#include "runtime/vulkan/device.h"

#include <heddle/heddle.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace heddle;
using runtime::vulkan::Core;
using runtime::vulkan::Functions;
using Clock = std::chrono::steady_clock;

constexpr double most_host_us = 1, most_over_bare = 1.15;
constexpr int row_length = 256, row_rounds = 31;
constexpr int turn_length = 20;

double microseconds_since(Clock::time_point start) {
    return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

/// After a wait, before whatever comes next is timed: the driver's threads come to rest, and the processor stays awake. Whoever comes next
/// finds the same, whoever came before.
void settle() {
    const Clock::time_point start = Clock::now();
    while (microseconds_since(start) < 20) {
    }
}

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
}

// ---- what the driver sees of a call. Entries of the device's table are replaced while only this thread uses the device.

struct Seen {
    VkQueue queue = VK_NULL_HANDLE;
    VkPipeline pipeline = VK_NULL_HANDLE;
    VkPipelineLayout layout = VK_NULL_HANDLE;
    std::vector<std::byte> constants;
    u32 grid[3] = {};
    double submit_us = 0;      ///< inside vkQueueSubmit
    Clock::time_point entered; ///< at its last call
    int submits = 0;
};
Seen seen;
Functions real;

VkResult timed_submit(VkQueue queue, u32 count, const VkSubmitInfo* infos, VkFence fence) {
    const Clock::time_point start = Clock::now();
    const VkResult result = real.vkQueueSubmit(queue, count, infos, fence);
    seen.submit_us += microseconds_since(start);
    seen.entered = start;
    ++seen.submits;
    seen.queue = queue;
    return result;
}

void look_at_commands(Functions& table) {
    table.vkQueueSubmit = timed_submit;
    table.vkCmdBindPipeline = [](VkCommandBuffer commands, VkPipelineBindPoint point, VkPipeline pipeline) {
        seen.pipeline = pipeline;
        real.vkCmdBindPipeline(commands, point, pipeline);
    };
    table.vkCmdPushConstants = [](VkCommandBuffer commands, VkPipelineLayout layout,
                                  VkShaderStageFlags stages, u32 offset, u32 bytes, const void* values) {
        seen.layout = layout;
        seen.constants.resize(bytes);
        std::memcpy(seen.constants.data(), values, bytes);
        real.vkCmdPushConstants(commands, layout, stages, offset, bytes, values);
    };
    table.vkCmdDispatch = [](VkCommandBuffer commands, u32 x, u32 y, u32 z) {
        std::ranges::copy(std::array{x, y, z}, seen.grid);
        real.vkCmdDispatch(commands, x, y, z);
    };
}

// ---- what a call asks of the driver

/// Stands for an entry of the table, and counts.
template <auto entry, class Pointer> struct Counted;
template <auto entry, class Result, class... Arguments> struct Counted<entry, Result (*)(Arguments...)> {
    static inline int calls = 0;
    static inline double us = 0;

    static Result call(Arguments... arguments) {
        struct Timed {
            Clock::time_point start = Clock::now();
            ~Timed() {
                us += microseconds_since(start);
                ++calls;
            }
        } timed;
        return (real.*entry)(arguments...);
    }
};

void count_driver_calls(Functions& table) {
#define HEDDLE_COUNT(name) table.name = Counted<&Functions::name, PFN_##name>::call;
    HEDDLE_VULKAN_DEVICE_FUNCTIONS(HEDDLE_COUNT)
#undef HEDDLE_COUNT
}

/// "vkQueueSubmit 1.00 times, 1.43 us" a call and so on.
std::vector<std::string> counted_driver_calls(int of) {
    std::vector<std::string> lines;
    const auto add = [&](const char* name, int calls, double us) {
        if (calls != 0)
            lines.push_back(fmt::format("{} {:.2f} times, {:.3f} us", name, 1.0 * calls / of, us / of));
    };
#define HEDDLE_ADD(name)                                                                                     \
    {                                                                                                        \
        using Counter = Counted<&Functions::name, PFN_##name>;                                               \
        add(#name, std::exchange(Counter::calls, 0), std::exchange(Counter::us, 0));                         \
    }
    HEDDLE_VULKAN_DEVICE_FUNCTIONS(HEDDLE_ADD)
#undef HEDDLE_ADD
    return lines;
}

// ---- the two sides

/// A program of its own that submits the dispatch which `seen` holds.
class Bare {
public:
    explicit Bare(Core& core) : core_(core), timeline_(core.make_timeline()) {
        VkCommandPoolCreateInfo pool{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
        pool.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
        pool.queueFamilyIndex = core.physical().queue_family;
        core.check(core.vk.vkCreateCommandPool(core.device, &pool, nullptr, &pool_), "vkCreateCommandPool");
        VkCommandBufferAllocateInfo buffers{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO};
        buffers.commandPool = pool_;
        buffers.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
        buffers.commandBufferCount = 2;
        VkCommandBuffer made[2];
        core.check(core.vk.vkAllocateCommandBuffers(core.device, &buffers, made), "vkAllocateCommandBuffers");
        commands_ = made[0];
        other_ = made[1];
        record(commands_, 0);
    }
    ~Bare() {
        core_.wait_idle();
        core_.vk.vkDestroyCommandPool(core_.device, pool_, nullptr);
        core_.vk.vkDestroySemaphore(core_.device, timeline_, nullptr);
    }
    Bare(const Bare&) = delete;
    Bare& operator=(const Bare&) = delete;

    double submit() {
        const Clock::time_point start = Clock::now();
        ++value_;
        VkTimelineSemaphoreSubmitInfo values{VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO};
        values.signalSemaphoreValueCount = 1;
        values.pSignalSemaphoreValues = &value_;
        VkSubmitInfo info{VK_STRUCTURE_TYPE_SUBMIT_INFO};
        info.pNext = &values;
        info.commandBufferCount = 1;
        info.pCommandBuffers = &commands_;
        info.signalSemaphoreCount = 1;
        info.pSignalSemaphores = &timeline_;
        const VkResult result = core_.vk.vkQueueSubmit(seen.queue, 1, &info, VK_NULL_HANDLE);
        const double time = microseconds_since(start);
        core_.check(result, "vkQueueSubmit");
        wait();
        settle();
        return time;
    }
    double record_anew() {
        const Clock::time_point start = Clock::now();
        record(other_, VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT);
        return microseconds_since(start);
    }

private:
    void record(VkCommandBuffer commands, VkCommandBufferUsageFlags usage) {
        VkCommandBufferBeginInfo begin{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
        begin.flags = usage;
        core_.check(core_.vk.vkBeginCommandBuffer(commands, &begin), "vkBeginCommandBuffer");
        core_.vk.vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, seen.pipeline);
        core_.vk.vkCmdPushConstants(commands, seen.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                                    static_cast<u32>(seen.constants.size()), seen.constants.data());
        core_.vk.vkCmdDispatch(commands, seen.grid[0], seen.grid[1], seen.grid[2]);
        core_.check(core_.vk.vkEndCommandBuffer(commands), "vkEndCommandBuffer");
    }
    /// As the library waits: for a GPU's end it looks itself.
    void wait() {
        const Clock::time_point start = Clock::now();
        u64 reached = 0;
        while (core_.physical().type != VK_PHYSICAL_DEVICE_TYPE_CPU && microseconds_since(start) < 20'000) {
            core_.check(core_.vk.vkGetSemaphoreCounterValue(core_.device, timeline_, &reached),
                        "vkGetSemaphoreCounterValue");
            if (reached >= value_) return;
        }
        VkSemaphoreWaitInfo info{VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO};
        info.semaphoreCount = 1;
        info.pSemaphores = &timeline_;
        info.pValues = &value_;
        core_.check(core_.vk.vkWaitSemaphores(core_.device, &info, ~u64{0}), "vkWaitSemaphores");
    }

    Core& core_;
    VkSemaphore timeline_;
    VkCommandPool pool_ = VK_NULL_HANDLE;
    VkCommandBuffer commands_ = VK_NULL_HANDLE, other_ = VK_NULL_HANDLE;
    u64 value_ = 0;
};

/// The compiled function, and the device under it.
class Subject {
public:
    explicit Subject(const std::string& name)
        : context_({.device = name, .cache_directory = ""}), scope_(context_),
          device_(context_.state()->device(name)),
          vulkan_(dynamic_cast<runtime::vulkan::VulkanDevice*>(device_.get())) {
        if (vulkan_ == nullptr) throw UsageError(name + " is no Vulkan device");
        if (!vulkan_->info().target.buffer_addresses)
            throw UsageError(name + " is used with descriptors: the other side would need its own");
        real = core().vk;
        a_ = Array::from(std::vector<float>(16, 0.5f)).to(name);
        b_ = Array::from(std::vector<float>(16, 2.0f)).to(name);
        look_at_commands(core().vk);
        shown_ = function_(a_, b_);
        const float value = shown_.to_vector<float>()[15];
        core().vk = real;
        if (!(std::abs(value - std::tanh(2.0f)) < 1e-6f))
            throw InternalError("the function's result is wrong");
        if (seen.pipeline == VK_NULL_HANDLE) throw InternalError("no dispatch was seen");
    }
    Core& core() { return vulkan_->core(); }
    const std::string& description() const { return device_->info().description; }
    void hold(bool held) { device_->hold_queue(held); }
    void wait() { context_.synchronize(); }
    void call() { (void)function_(a_, b_); }

    double timed_call() {
        const Clock::time_point start = Clock::now();
        const Array result = function_(a_, b_);
        const double time = microseconds_since(start);
        wait();
        settle();
        return time;
    }
    /// What a call asks of the driver, waits apart.
    std::vector<std::string> driver_calls(int calls) {
        for (int k = 0; k < calls; ++k) {
            count_driver_calls(core().vk);
            const Array result = function_(a_, b_);
            core().vk = real;
            wait();
            settle();
        }
        return counted_driver_calls(calls);
    }
    /// What a call in a row asks.
    std::vector<std::string> row_driver_calls() {
        count_driver_calls(core().vk);
        for (int k = 0; k < row_length; ++k) call();
        core().vk = real;
        wait();
        return counted_driver_calls(row_length);
    }
    struct Split {
        double all = 0, host = 0, before = 0;
        int submits = 0;
    };
    /// Microseconds of `calls` calls, and of them those outside vkQueueSubmit.
    template <class Calls> Split split(const Calls& calls) {
        core().vk.vkQueueSubmit = timed_submit;
        seen.submit_us = 0;
        seen.submits = 0;
        const Clock::time_point start = Clock::now();
        const double all = calls();
        core().vk.vkQueueSubmit = real.vkQueueSubmit;
        const double before = std::chrono::duration<double, std::micro>(seen.entered - start).count();
        return {all, all - seen.submit_us, before, seen.submits};
    }
    Split row(bool held) {
        if (held) hold(true);
        const Split times = split([&] {
            const Clock::time_point start = Clock::now();
            for (int k = 0; k < row_length; ++k) call();
            return microseconds_since(start);
        });
        if (held) hold(false);
        wait();
        return times;
    }

private:
    Context context_;
    Context::Scope scope_;
    runtime::DeviceRef device_;
    runtime::vulkan::VulkanDevice* vulkan_;
    Compiled<Array(Array, Array)> function_ =
        compile("tiny", [](Array x, Array y) { return tanh(x * y + 1.0f); });
    Array a_, b_;
    Array shown_; ///< what the bare dispatch writes to
};

// ---- figures

struct Times {
    std::vector<double> bare, recording, call, host, before, row, row_host, row_submits, appended;
    std::vector<double> first_bare, first_call;
    std::vector<std::string> driver, row_driver;
};

/// Some of each kind.
void one_turn(Subject& subject, Bare& bare, Times& times) {
    times.first_bare.push_back(bare.submit());
    for (int k = 1; k < turn_length; ++k) times.bare.push_back(bare.submit());
    times.first_call.push_back(subject.timed_call());
    for (int k = 1; k < turn_length; ++k) times.call.push_back(subject.timed_call());
    for (int k = 0; k < turn_length; ++k) {
        const Subject::Split split = subject.split([&] { return subject.timed_call(); });
        times.host.push_back(split.host);
        times.before.push_back(split.before);
    }
    for (int k = 0; k < turn_length; ++k) times.recording.push_back(bare.record_anew());
}

void one_row(Subject& subject, Times& times) {
    const Subject::Split row = subject.row(false), held = subject.row(true);
    times.row.push_back(row.all / row_length);
    times.row_host.push_back(row.host / row_length);
    times.row_submits.push_back(static_cast<double>(row_length) / std::max(row.submits, 1));
    times.appended.push_back(held.host / row_length);
}

void print(const Subject& subject, const Times& times, int calls, bool json) {
    const double bare = median(times.bare), call = median(times.call), host = median(times.host);
    const double recording = median(times.recording), row = median(times.row),
                 row_host = median(times.row_host), appended = median(times.appended),
                 submits = median(times.row_submits);
    if (json) {
        fmt::print("{{\"name\": \"submit_call\", \"device\": \"{}\", \"bare_us\": {:.3f}, \"recording_us\": "
                   "{:.3f}, \"call_us\": {:.3f}, \"call_over_bare\": {:.3f}, \"host_us\": {:.3f}, "
                   "\"before_us\": {:.3f}, \"first_bare_us\": {:.3f}, \"first_call_us\": {:.3f}, \"row_us\": "
                   "{:.3f}, \"row_host_us\": {:.3f}, \"calls_per_submit\": {:.1f}, \"appended_us\": {:.3f}, "
                   "\"calls\": {}}}\n",
                   subject.description(), bare, recording, call, call / bare, host, median(times.before),
                   median(times.first_bare), median(times.first_call), row, row_host, submits, appended,
                   calls);
        return;
    }
    fmt::print("tanh(a * b + 1) of 16 elements on {}: us, medians of {} by turns\n", subject.description(),
               calls);
    auto line = [](const char* what, double value, std::string_view bar) {
        fmt::print("{:<64} {:>8.3f}  {}\n", what, value, bar);
    };
    line("bare: vkQueueSubmit of one dispatch, recorded once", bare, "");
    line("recording: the same dispatch recorded anew, by hand", recording, "");
    line("call: a cached call, its submission included", call, "");
    line("  over bare", call / bare, fmt::format("at most {}", most_over_bare));
    line("host: a cached call but for vkQueueSubmit", host, "");
    line("  before: up to vkQueueSubmit", median(times.before), fmt::format("at most {}", most_host_us));
    line("first: a bare submission after other work", median(times.first_bare), "");
    line("  and a call", median(times.first_call), "");
    line("row: a call of many in a row", row, "");
    line("  calls a submission", submits, "");
    line("  row_host: but for vkQueueSubmit", row_host, "");
    line("appended: a call of many while the queue is held, likewise", appended, "");
    for (const std::string& asked : times.driver) fmt::print("driver: {}\n", asked);
    for (const std::string& asked : times.row_driver) fmt::print("driver, in a row: {}\n", asked);
}

int measure(const std::string& device, int calls, bool json) {
    Subject subject(device);
    Bare bare(subject.core());
    Times times;
    for (int k = 0; k < std::min(calls, 200); k += turn_length) one_turn(subject, bare, times);
    one_row(subject, times);
    times = {};
    for (int k = 0; k < calls; k += turn_length) one_turn(subject, bare, times);
    for (int k = 0; k < row_rounds; ++k) one_row(subject, times);
    times.driver = subject.driver_calls(200);
    times.row_driver = subject.row_driver_calls();
    print(subject, times, calls, json);
    return 0;
}

constexpr const char* usage = "usage: bench_submit_call [--device D] [--calls N] [--json]\n";

} // namespace

int main(int count, char** words) {
    std::string device = "vulkan";
    int calls = 4000;
    bool json = false;
    for (int k = 1; k < count; ++k) {
        const std::string_view word = words[k];
        if (word == "--json") {
            json = true;
        } else if (word == "--device" && k + 1 < count) {
            device = words[++k];
        } else if (word == "--calls" && k + 1 < count && std::atoi(words[k + 1]) > 0) {
            calls = std::atoi(words[++k]);
        } else {
            fmt::print(word == "--help" ? stdout : stderr, "{}", usage);
            return word == "--help" ? 0 : 2;
        }
    }
    try {
        return measure(device, calls, json);
    } catch (const Error& error) {
        fmt::print(stderr, "bench_submit_call: {}\n", error.what());
        return 1;
    }
}
