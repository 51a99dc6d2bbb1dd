// The start of a program whose kernels lie in the disk cache: from main() to the first result. The program runs itself once to fill a cache
// folder of its own, then again and again, each time a new process, and prints the median.
//
//     bench_cached_start [DEVICE [RUNS]]      the default is cpu, 20 times

#include <heddle/heddle.h>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

namespace hd = heddle;
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

/// What one process reports: milliseconds from main() to the result, and where its kernels came from.
struct Start {
    double milliseconds = 0;
    unsigned compiled = 0, loaded = 0;
};

/// The same eight ops as the workload `first_call`.
hd::Array gelu(hd::Array a) {
    return 0.5f * a * (1.0f + hd::tanh(0.7978845608f * (a + 0.044715f * a * a * a)));
}

int run_once(Clock::time_point begin, const std::string& device, const std::string& folder) {
    hd::Context context({.device = device, .cache_directory = folder});
    const hd::Context::Scope scope(context);
    const auto function = hd::compile("gelu8", gelu);
    const std::vector<float> result =
        function(hd::Array::from(std::vector<float>(4096, 0.5f))).to_vector<float>();
    const double milliseconds = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
    const hd::Statistics statistics = context.statistics();
    fmt::print("{} {} {}\n", milliseconds, statistics.kernels_compiled, statistics.kernels_loaded);
    return std::abs(result[4095] - 0.345714f) < 1e-5f ? 0 : 1;
}

Start start_process(const std::string& program, const std::string& device, const fs::path& folder) {
    const std::string command = fmt::format("'{}' --once '{}' '{}'", program, device, folder.string());
    std::FILE* pipe = ::popen(command.c_str(), "r");
    if (pipe == nullptr) throw std::runtime_error("no process could be started");
    Start start;
    const int read = std::fscanf(pipe, "%lf %u %u", &start.milliseconds, &start.compiled, &start.loaded);
    if (::pclose(pipe) != 0 || read != 3) throw std::runtime_error("a process failed: " + command);
    return start;
}

int measure(const std::string& program, const std::string& device, int runs) {
    const std::string name = (fs::temp_directory_path() / "heddle_cached_start_XXXXXX").string();
    std::vector<char> pattern(name.c_str(), name.c_str() + name.size() + 1);
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no folder for the cache: " + name);
    const fs::path folder = pattern.data();
    const Start first = start_process(program, device, folder);
    std::vector<double> times;
    bool cached = first.compiled > 0;
    for (int run = 0; run < runs; ++run) {
        const Start start = start_process(program, device, folder);
        cached = cached && start.compiled == 0 && start.loaded == first.compiled;
        times.push_back(start.milliseconds);
    }
    fs::remove_all(folder);
    std::ranges::sort(times);
    fmt::print("{}: {:.2f} ms from main() to the first result with its kernels on disk (median of {} "
               "processes; {:.2f} to {:.2f}); "
               "{:.2f} ms when they had to be compiled\n",
               device, times[times.size() / 2], runs, times.front(), times.back(), first.milliseconds);
    if (!cached) fmt::print(stderr, "the kernels did not come from the disk\n");
    return cached ? 0 : 1;
}

} // namespace

int main(int count, char** words) {
    const Clock::time_point begin = Clock::now();
    try {
        if (count == 4 && std::strcmp(words[1], "--once") == 0) return run_once(begin, words[2], words[3]);
        const int runs = count > 2 ? std::atoi(words[2]) : 20;
        if (count > 3 || runs < 1) {
            fmt::print(stderr, "usage: bench_cached_start [DEVICE [RUNS]]\n");
            return 2;
        }
        return measure(fs::read_symlink("/proc/self/exe").string(), count > 1 ? words[1] : "cpu", runs);
    } catch (const std::exception& error) {
        fmt::print(stderr, "{}\n", error.what());
        return 1;
    }
}
