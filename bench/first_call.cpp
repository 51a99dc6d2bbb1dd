// What the first call of a workload costs the thread that makes it: its trace, its passes and the code of its kernels, up to the
// submission; what the kernels then run for is not in it. Once with nothing cached, once with the kernels in the disk cache. Each call is made
// by a process of its own, in a cache folder of its own, so that nothing else is warm either; medians over the runs.
//
//     bench_first_call [--device D] [--n N] [--runs R] [--json] [WORKLOAD...]     vulkan, 5 runs, and the workloads in `standard` by default
//
// Of a call on Vulkan, apart: `pipeline`, for which the calling thread waits while the driver makes pipelines, and `memory`, the driver's
// vkAllocateMemory for results and temporaries, which is milliseconds for hundreds of MiB. What is left is `host`. Two threads may make
// pipelines at once. Of the time in which the driver makes at least one, all counts as `pipeline` while the calling thread makes one itself,
// and else what that thread does not use of a processor: it waits for the other. What it does meanwhile is `host`, and so is its waiting while
// the other thread does Heddle's work. Other devices' calls are `host` as a whole. --n is the largest size; workloads have their own below it.

#include "bench/session.h"
#include "frontend/context_state.h"
#include "runtime/vulkan/device.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <pthread.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <time.h>
#include <utility>
#include <vector>

namespace {

namespace hd = heddle;
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr double most_cold_ms = 20, most_cached_ms = 5;

const std::vector<std::string> standard = {
    "gelu_affine_f32",       "gelu_affine_f16", "gelu_affine_bf16", "black_scholes_f32",
    "sum_all_f32",           "sum_rows_f32",    "sum_cols_f32",     "var_rows_f32",
    "argmax_rows_f32",       "softmax_f32",     "softmax_f16",      "softmax_small_rows_f32",
    "softmax_long_rows_f32", "layernorm_f16",   "layernorm_f32",    "add_rmsnorm_f16",
    "transpose_add_f32",     "heat2d_f32",      "deep32_f32",       "pairwise_sum_f32",
    "launch_bound_50"};

struct Options {
    std::string device = "vulkan";
    std::int64_t largest = 0; ///< 0: the workloads' own sizes
    int runs = 5;
    bool json = false;
    std::vector<std::string> workloads;
};

double milliseconds_since(Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// ---- one call, in a process of its own

/// What the thread that makes this waits for of the driver.
class DriverWaits {
public:
    enum class Work : std::uint8_t { pipeline, memory };
    DriverWaits() { ::pthread_getcpuclockid(::pthread_self(), &processor_clock_); }

    /// On any thread, around the driver's work.
    template <class Act> VkResult during(Work work, const Act& act) {
        change(work, 1);
        const VkResult result = act();
        change(work, -1);
        return result;
    }
    double pipeline_ms() const { return pipeline_ms_; }
    double memory_ms() const { return memory_ms_; }

private:
    double processor_ms() const {
        timespec used{};
        ::clock_gettime(processor_clock_, &used);
        return 1e3 * static_cast<double>(used.tv_sec) + 1e-6 * static_cast<double>(used.tv_nsec);
    }
    /// Adds up what lies between two changes.
    void change(Work work, int by) {
        const std::lock_guard lock(mutex_);
        const double passed = milliseconds_since(last_), processor = processor_ms();
        if (own_[index(Work::memory)] != 0)
            memory_ms_ += passed;
        else if (own_[index(Work::pipeline)] != 0)
            pipeline_ms_ += passed;
        else if (pipelines_ != 0)
            pipeline_ms_ += std::max(0.0, passed - (processor - last_processor_));
        last_ = Clock::now();
        last_processor_ = processor;
        if (work == Work::pipeline) pipelines_ += by;
        if (std::this_thread::get_id() == thread_) own_[index(work)] += by;
    }
    static std::size_t index(Work work) { return static_cast<std::size_t>(work); }

    const std::thread::id thread_ = std::this_thread::get_id();
    clockid_t processor_clock_{};
    std::mutex mutex_;
    Clock::time_point last_ = Clock::now();
    double last_processor_ = 0;
    double pipeline_ms_ = 0, memory_ms_ = 0;
    int pipelines_ = 0; ///< that are being made
    int own_[2] = {};   ///< of them, and of allocations, by the thread
};

DriverWaits* waits = nullptr;
PFN_vkAllocateMemory real_allocate = nullptr;
PFN_vkCreateShaderModule real_module = nullptr;
PFN_vkCreateComputePipelines real_pipelines = nullptr;

/// From here on what the driver does of these is timed.
void watch(hd::runtime::Device& device, DriverWaits& driver) {
    auto* const vulkan = dynamic_cast<hd::runtime::vulkan::VulkanDevice*>(&device);
    if (vulkan == nullptr) return;
    waits = &driver;
    hd::runtime::vulkan::Functions& vk = vulkan->core().vk;
    real_allocate = std::exchange(vk.vkAllocateMemory, [](auto... words) {
        return waits->during(DriverWaits::Work::memory, [&] { return real_allocate(words...); });
    });
    real_module = std::exchange(vk.vkCreateShaderModule, [](auto... words) {
        return waits->during(DriverWaits::Work::pipeline, [&] { return real_module(words...); });
    });
    real_pipelines = std::exchange(vk.vkCreateComputePipelines, [](auto... words) {
        return waits->during(DriverWaits::Work::pipeline, [&] { return real_pipelines(words...); });
    });
}

/// Milliseconds of one call, and where its kernels came from.
struct Call {
    double all = 0, pipeline = 0, memory = 0;
    unsigned compiled = 0, loaded = 0;
    double host = 0; ///< the rest
};

int call_once(const std::string& name, const std::string& device, std::int64_t largest,
              const std::string& folder) {
    DriverWaits driver; // outlives what it watches
    hd::Context context({.device = device, .cache_directory = folder});
    const hd::Context::Scope scope(context);
    const hd::bench::Workload& workload = hd::bench::array_workload(name);
    const std::int64_t size = largest == 0 ? workload.size : std::min(largest, workload.size);
    const hd::bench::Problem problem = workload.make(size, device);
    for (const hd::Array& input : problem.inputs) input.wait();
    const auto function =
        hd::compile<hd::bench::Arrays(hd::bench::Arrays)>(name, problem.function, {.device = device});
    const hd::runtime::DeviceRef opened = context.state()->device(device);
    // So that the kernels do not run beside the call: a software device would take the processor from it.
    opened->hold_queue(true);
    const hd::Statistics before = context.statistics();
    watch(*opened, driver);
    const Clock::time_point start = Clock::now();
    const hd::bench::Arrays results = function(problem.inputs);
    const double all = milliseconds_since(start);
    fmt::print("{} {} {} ", all, driver.pipeline_ms(), driver.memory_ms());
    opened->hold_queue(false);
    const hd::Statistics after = context.statistics();
    fmt::print("{} {}\n", after.kernels_compiled - before.kernels_compiled,
               after.kernels_loaded - before.kernels_loaded);
    return 0;
}

Call call_in_process(const std::string& program, const std::string& workload, const Options& options,
                     const fs::path& folder) {
    const std::string command = fmt::format("'{}' --once '{}' '{}' {} '{}'", program, workload,
                                            options.device, options.largest, folder.string());
    std::FILE* pipe = ::popen(command.c_str(), "r");
    if (pipe == nullptr) throw std::runtime_error("no process could be started");
    Call call;
    const int read = std::fscanf(pipe, "%lf %lf %lf %u %u", &call.all, &call.pipeline, &call.memory,
                                 &call.compiled, &call.loaded);
    if (::pclose(pipe) != 0 || read != 5) throw std::runtime_error("a process failed: " + command);
    call.host = call.all - call.pipeline - call.memory;
    return call;
}

// ---- all of them

struct Row {
    std::string workload;
    Call cold, cached; ///< each number a median
};

Call medians(const std::vector<Call>& calls) {
    auto median = [&](double Call::* figure) {
        std::vector<double> values;
        for (const Call& call : calls) values.push_back(call.*figure);
        std::ranges::sort(values);
        return values[values.size() / 2];
    };
    Call result = calls.front();
    result.all = median(&Call::all);
    result.pipeline = median(&Call::pipeline);
    result.memory = median(&Call::memory);
    result.host = median(&Call::host);
    return result;
}

/// A folder of its own for the life of this.
struct CacheFolder {
    CacheFolder() {
        std::string pattern = (fs::temp_directory_path() / "heddle_first_call_XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no folder: " + pattern);
        path = pattern;
    }
    ~CacheFolder() {
        std::error_code ignored;
        fs::remove_all(path, ignored);
    }
    CacheFolder(const CacheFolder&) = delete;
    CacheFolder& operator=(const CacheFolder&) = delete;
    fs::path path;
};

Row measure(const std::string& program, const std::string& workload, const Options& options) {
    std::vector<Call> cold, cached;
    for (int run = 0; run < options.runs; ++run) {
        const CacheFolder folder;
        cold.push_back(call_in_process(program, workload, options, folder.path));
        cached.push_back(call_in_process(program, workload, options, folder.path));
        if (cold.back().compiled == 0 || cold.back().loaded != 0 || cached.back().compiled != 0 ||
            cached.back().loaded != cold.back().compiled)
            throw std::runtime_error(workload + ": the kernels did not come from where they should");
    }
    return {workload, medians(cold), medians(cached)};
}

void print(const Row& row, bool json) {
    if (json) {
        auto object = [](const Call& call) {
            return fmt::format(
                "{{\"ms\": {:.3f}, \"pipeline_ms\": {:.3f}, \"memory_ms\": {:.3f}, \"host_ms\": {:.3f}}}",
                call.all, call.pipeline, call.memory, call.host);
        };
        fmt::print("{{\"name\": \"{}\", \"kernels\": {}, \"cold\": {}, \"cached\": {}}}\n", row.workload,
                   row.cold.compiled, object(row.cold), object(row.cached));
        return;
    }
    auto columns = [](const Call& call, double bar) {
        return fmt::format("{:>8.2f} {:>8.2f} {:>6.2f} {:>8.2f}{}", call.all, call.pipeline, call.memory,
                           call.host, call.host > bar ? "!" : " ");
    };
    fmt::print("{:<24} {:>3} | {} | {}\n", row.workload, row.cold.compiled, columns(row.cold, most_cold_ms),
               columns(row.cached, most_cached_ms));
}

int measure(const std::string& program, const Options& options) {
    if (!options.json)
        fmt::print("ms of the first call on {}, medians of {} processes; '!': beyond the bar\n"
                   "{:<24}     | nothing cached; bar for host: {:<5} | kernels on disk; bar for host: {}\n"
                   "{:<24}   k | {:>8} {:>8} {:>6} {:>8}  | {:>8} {:>8} {:>6} {:>8}\n",
                   options.device, options.runs, "", most_cold_ms, most_cached_ms, "", "call", "pipeline",
                   "memory", "host", "call", "pipeline", "memory", "host");
    for (const std::string& workload : options.workloads.empty() ? standard : options.workloads) {
        print(measure(program, workload, options), options.json);
        std::fflush(stdout);
    }
    return 0;
}

constexpr const char* usage =
    "usage: bench_first_call [--device D] [--n N] [--runs R] [--json] [WORKLOAD...]\n";

/// False if the words are none.
bool read(int count, char** words, Options& options) {
    for (int k = 1; k < count; ++k) {
        const std::string_view word = words[k];
        const bool more = k + 1 < count;
        if (word == "--json")
            options.json = true;
        else if (word == "--device" && more)
            options.device = words[++k];
        else if (word == "--n" && more && std::atoll(words[k + 1]) > 0)
            options.largest = std::atoll(words[++k]);
        else if (word == "--runs" && more && std::atoi(words[k + 1]) > 0)
            options.runs = std::atoi(words[++k]);
        else if (!word.starts_with("-"))
            options.workloads.emplace_back(word);
        else
            return false;
    }
    return true;
}

} // namespace

int main(int count, char** words) {
    try {
        if (count == 6 && std::string_view(words[1]) == "--once")
            return call_once(words[2], words[3], std::atoll(words[4]), words[5]);
        Options options;
        if (count == 2 && std::string_view(words[1]) == "--help") {
            fmt::print("{}", usage);
            return 0;
        }
        if (!read(count, words, options)) {
            fmt::print(stderr, "{}", usage);
            return 2;
        }
        for (const std::string& name : options.workloads) (void)hd::bench::array_workload(name);
        return measure(fs::read_symlink("/proc/self/exe").string(), options);
    } catch (const std::exception& error) {
        fmt::print(stderr, "bench_first_call: {}\n", error.what());
        return 1;
    }
}
