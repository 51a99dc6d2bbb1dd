// What it costs to hand a task to a worker, beside starting a thread for it (W1): interleaved in one run.
//
//     bench_worker_submit        one line of JSON; times are medians over the rounds, a submission or a thread
//
// `thread_us`: starting a thread and joining it, which is what a thread for one task costs whoever needs it; `start_us`: of that, the start alone.
// `queued_us`: submissions one after another while the worker runs them. `asleep_us`: each to a worker that the system says is asleep,
// so that it has to be woken, which is a system call.

#include <heddle/worker.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <fmt/format.h>
#include <fstream>
#include <future>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using namespace heddle;

constexpr std::size_t queued = 1000, singles = 100, rounds = 41;

int task(int number) { return number + 1; }

class Stopwatch {
public:
    double microseconds() const {
        return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start_).count();
    }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

struct ThreadTimes {
    double start = 0, all = 0;
};

ThreadTimes thread_us() {
    ThreadTimes times;
    for (std::size_t k = 0; k < singles; ++k) {
        const Stopwatch watch;
        std::thread thread(task, 1);
        times.start += watch.microseconds() / singles;
        thread.join();
        times.all += watch.microseconds() / singles;
    }
    return times;
}

double queued_us(Worker& worker) {
    std::vector<std::future<int>> results(queued);
    const Stopwatch watch;
    for (std::future<int>& result : results) result = worker.submit(task, 1);
    const double time = watch.microseconds() / queued;
    results.back().wait();
    return time;
}

/// Where the system tells what a thread of this process does.
std::string status_file(Worker& worker) {
    return fmt::format("/proc/self/task/{}/stat", worker.submit(gettid).get());
}

bool sleeps(const std::string& file) {
    std::ifstream status(file);
    std::string line;
    std::getline(status, line);
    return line.find(") S") != std::string::npos;
}

double asleep_us(Worker& worker, const std::string& file) {
    double time = 0;
    for (std::size_t k = 0; k < singles; ++k) {
        while (!sleeps(file)) std::this_thread::yield();
        const Stopwatch watch;
        const std::future<int> result = worker.submit(task, 1);
        time += watch.microseconds();
        result.wait();
    }
    return time / singles;
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

} // namespace

int main() {
    Worker worker("bench");
    const std::string file = status_file(worker);
    std::vector<double> threads, starts, queues, wakes;
    for (std::size_t round = 0; round < rounds + 2; ++round) { // two to warm up
        const ThreadTimes by_thread = thread_us();
        const double by_queue = queued_us(worker), by_waking = asleep_us(worker, file);
        if (round < 2) continue;
        threads.push_back(by_thread.all);
        starts.push_back(by_thread.start);
        queues.push_back(by_queue);
        wakes.push_back(by_waking);
    }
    const double thread = median(threads), start = median(starts), push = median(queues),
                 wake = median(wakes);
    fmt::print(
        "{{\"name\": \"worker_submit\", \"thread_us\": {:.3f}, \"start_us\": {:.3f}, \"queued_us\": {:.3f}, "
        "\"asleep_us\": {:.3f}, \"thread_over_queued\": {:.1f}, \"start_over_queued\": {:.1f}, "
        "\"thread_over_asleep\": {:.1f}, \"start_over_asleep\": {:.1f}, \"rounds\": {}}}\n",
        thread, start, push, wake, thread / push, start / push, thread / wake, start / wake, rounds);
}
