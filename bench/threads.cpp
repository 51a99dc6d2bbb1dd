// What threads cost each other. Everything is interleaved in one run, and medians over the rounds count; a busy machine shows in the
// times of one thread too.
//
//     bench_threads [DEVICE]        "cpu" by default; three lines of JSON
//
// `constants`: CPU time of a cached call of one function that captures 200 arrays, with 8 threads that call it, over one thread's.
// `tracing`: first calls a second (trace, passes, program, run; the kernels are known) of different functions with 8 threads, over one
// thread's; and the CPU time of one, likewise.
// `compiling`: the 99th percentile of a cached call and its wait, while another thread generates code, over that without.

#include <heddle/heddle.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <fmt/format.h>
#include <functional>
#include <latch>
#include <string>
#include <thread>
#include <time.h>
#include <vector>

namespace {

using namespace heddle;
using Clock = std::chrono::steady_clock;

constexpr int threads = 8, rounds = 15;

double cpu_seconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

double at_share(std::vector<double> values, double share) {
    std::sort(values.begin(), values.end());
    return values[std::min(values.size() - 1,
                           static_cast<std::size_t>(share * static_cast<double>(values.size())))];
}
double median(const std::vector<double>& values) { return at_share(values, 0.5); }

struct Times {
    double wall = 0, cpu = 0; ///< seconds: until all threads were done, and of all of them
};

/// `work(thread)` on so many threads at once.
Times on_threads(Context& context, int count, const std::function<void(int)>& work) {
    std::latch start(count + 1);
    std::atomic<double> cpu{0};
    std::vector<std::jthread> running;
    for (int k = 0; k < count; ++k)
        running.emplace_back([&, k] {
            const Context::Scope scope(context);
            start.arrive_and_wait();
            const double before = cpu_seconds();
            work(k);
            cpu.fetch_add(cpu_seconds() - before);
        });
    start.arrive_and_wait();
    const Clock::time_point begin = Clock::now();
    running.clear();
    return {seconds_since(begin), cpu.load()};
}

void measure_constants(Context& context) {
    constexpr int calls = 16000, constants = 200;
    std::vector<Array> captured;
    for (int k = 0; k < constants; ++k) captured.push_back(full({4}, static_cast<float>(k % 3)).eval());
    const auto function = compile("constants", [captured](Array x) {
        for (const Array& constant : captured) x = x + constant;
        return x;
    });
    const Array x = full({4}, 1.0f).eval();
    function(x).wait();
    std::vector<double> one, many;
    for (int round = 0; round < rounds; ++round)
        for (const int count : {1, threads})
            (count == 1 ? one : many)
                .push_back(on_threads(context, count,
                                      [&](int) {
                                          const Array mine = x; // a handle of its own
                                          for (int k = 0; k < calls / count; ++k) (void)function(mine);
                                      })
                               .cpu /
                           calls * 1e6);
    fmt::print("{{\"name\": \"constants\", \"one_thread_us\": {:.3f}, \"eight_threads_us\": {:.3f}, "
               "\"ratio\": {:.3f}, "
               "\"rounds\": {}}}\n",
               median(one), median(many), median(many) / median(one), rounds);
}

/// First calls of one thread's functions. Those of different threads differ in their constants, so that all have as much to do; those of one are
/// alike, so that their kernels are known.
void first_calls(const Array& x, int thread, int calls) {
    for (int k = 0; k < calls; ++k)
        compile("traced", [thread](Array a) {
            for (int step = 0; step < 24; ++step) a = a * 0.5f + static_cast<float>(step * threads + thread);
            return softmax(a);
        })(x);
}

void measure_tracing(Context& context) {
    constexpr int calls = 800;
    const Array x = full({64}, 1.0f).eval();
    for (int thread = 0; thread < threads; ++thread) first_calls(x, thread, 1);
    std::vector<double> one_wall, many_wall, one_cpu, many_cpu;
    for (int round = 0; round < rounds; ++round) {
        // The same functions either way.
        const Times one = on_threads(context, 1, [&](int) {
            for (int thread = 0; thread < threads; ++thread) first_calls(x, thread, calls / threads);
        });
        const Times many =
            on_threads(context, threads, [&](int thread) { first_calls(x, thread, calls / threads); });
        one_wall.push_back(one.wall);
        many_wall.push_back(many.wall);
        one_cpu.push_back(one.cpu);
        many_cpu.push_back(many.cpu);
    }
    fmt::print("{{\"name\": \"tracing\", \"one_thread_us\": {:.2f}, \"eight_threads_us\": {:.2f}, "
               "\"throughput_ratio\": "
               "{:.3f}, \"cpu_ratio\": {:.3f}, \"cores\": {}, \"rounds\": {}}}\n",
               median(one_wall) / calls * 1e6, median(many_wall) / calls * 1e6,
               median(one_wall) / median(many_wall), median(many_cpu) / median(one_cpu),
               std::thread::hardware_concurrency(), rounds);
}

/// Times of cached calls while `go_on` says so.
std::vector<double> call_times(const Compiled<Array(Array)>& cached, const Array& x,
                               const std::function<bool()>& go_on) {
    std::vector<double> times;
    while (go_on()) {
        const Clock::time_point start = Clock::now();
        cached(x).wait();
        times.push_back(seconds_since(start) * 1e6);
    }
    return times;
}

void measure_compiling(Context& context) {
    const auto cached = compile<Array(Array)>("cached", [](Array x) { return tanh(x * 2.0f + 1.0f); });
    const Array x = full({64}, 0.5f).eval();
    cached(x).wait();
    std::vector<double> quiet, beside;
    for (int round = 0; round < rounds; ++round) {
        std::atomic<bool> done{false};
        std::size_t calls = 0;
        {
            std::jthread compiler([&] {
                const Context::Scope scope(context);
                const auto large = compile("large", [round](Array v) {
                    for (int k = 0; k < 100; ++k)
                        v = v * v * 0.5f - (0.001f * static_cast<float>(round * 1000 + k));
                    return v;
                });
                large(x).wait();
                done = true;
            });
            const std::vector<double> times = call_times(cached, x, [&] { return !done; });
            calls = times.size();
            beside.push_back(at_share(times, 0.99));
        }
        std::size_t made = 0;
        quiet.push_back(at_share(call_times(cached, x, [&] { return made++ < calls; }), 0.99));
    }
    fmt::print("{{\"name\": \"compiling\", \"quiet_p99_us\": {:.3f}, \"beside_a_compile_p99_us\": {:.3f}, "
               "\"ratio\": {:.3f}, "
               "\"rounds\": {}}}\n",
               median(quiet), median(beside), median(beside) / median(quiet), rounds);
}

} // namespace

int main(int count, char** arguments) {
    Context context({.device = count > 1 ? arguments[1] : "cpu", .cache_directory = ""});
    const Context::Scope scope(context);
    measure_constants(context);
    measure_tracing(context);
    measure_compiling(context);
}
