// What a call of a long program costs the thread that makes it, up to and with its submission: encoded launch by launch, encoded with the
// help of workers (W7), and replayed. The same function in three contexts, calls taking turns in one run; what the device does is waited for
// between calls and not counted.
//
//     bench_program_calls [DEVICE] [KERNELS...]     "vulkan", and 50 200 1000 5000 if none are named
//
// One line of JSON for each length and way; times are medians. `cpu_us` is processor time of the calling thread, `us` time on the clock.
// `afresh_over` says how many times more the encoded call takes: of processor time where it is replayed, on the clock where workers help.

#include <heddle/heddle.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <fmt/format.h>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

namespace {

using namespace heddle;

constexpr int rounds = 61, warm_up = 6;

/// About one kernel for each step: a sum along one axis, then along the other.
Array chain(Array x, int length) {
    for (int k = 0; k < length; ++k) x = x * 0.75f + sum(x, {k % 2}, true) * 0.0125f;
    return x;
}

double thread_microseconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) * 1e-3;
}

double median(std::vector<double>& values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
}

/// One way of calling.
class Subject {
public:
    Subject(std::string name, const std::string& device, int length, bool replay, std::uint32_t encoders)
        : name(std::move(name)), context_(options(device, replay, encoders)) {
        const Context::Scope scope(context_);
        // Of known sizes so small all would be one kernel (docs/fusion.md).
        function_.emplace(
            compile("chain", [length](Array x) { return chain(x, length); }, {.shapeless = true}));
        x_.emplace(reshape(Array::from(std::vector<float>(128, 1.0f)), {8, 16}).to(device).eval());
        x_->wait();
    }
    void call() {
        const Context::Scope scope(context_);
        const auto start = std::chrono::steady_clock::now();
        const double cpu = thread_microseconds();
        const Array y = (*function_)(*x_);
        cpu_us.push_back(thread_microseconds() - cpu);
        us.push_back(
            std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
        result = y.to_vector<float>();
        context_.synchronize();
    }
    void warm() {
        for (int k = 0; k < warm_up; ++k) call();
        cpu_us.clear();
        us.clear();
    }
    int kernels() {
        const Context::Scope scope(context_);
        std::ostringstream text;
        function_->dump(text, Stage::report, *x_);
        std::istringstream report(text.str());
        int operations = 0, count = 0;
        std::string word;
        report >> operations >> word >> word >> count;
        return count;
    }
    Statistics statistics() const { return context_.statistics(); }

    std::string name;
    std::vector<double> us, cpu_us;
    std::vector<float> result;

private:
    static ContextOptions options(const std::string& device, bool replay, std::uint32_t encoders) {
        ContextOptions options;
        options.device = device;
        options.replay = replay;
        options.encoders = encoders;
        options.encoder_kernels = 2;
        return options;
    }
    Context context_;
    std::optional<Compiled<Array(Array)>> function_;
    std::optional<Array> x_;
};

void measure(const std::string& device, int length) {
    std::deque<Subject> subjects;
    subjects.emplace_back("afresh", device, length, false, 0);
    subjects.emplace_back("afresh, 2 threads", device, length, false, 1);
    subjects.emplace_back("afresh, 4 threads", device, length, false, 3);
    subjects.emplace_back("replayed", device, length, true, 0);
    for (Subject& subject : subjects) subject.warm();
    for (int round = 0; round < rounds; ++round)
        for (Subject& subject : subjects) subject.call();
    const int kernels = subjects.front().kernels();
    const double us = median(subjects.front().us), cpu_us = median(subjects.front().cpu_us);
    for (Subject& subject : subjects) {
        if (subject.result != subjects.front().result) throw InternalError(subject.name + ": another result");
        const bool replayed = subject.name == "replayed";
        if (replayed && subject.statistics().replays < rounds) throw InternalError("not replayed");
        const double own_us = median(subject.us), own_cpu_us = median(subject.cpu_us);
        fmt::print(
            "{{\"name\": \"program_calls\", \"way\": \"{}\", \"kernels\": {}, \"us\": {:.1f}, \"cpu_us\": "
            "{:.1f}, \"afresh_over\": {:.2f}, \"rounds\": {}}}\n",
            subject.name, kernels, own_us, own_cpu_us, replayed ? cpu_us / own_cpu_us : us / own_us, rounds);
        std::fflush(stdout);
    }
}

} // namespace

int main(int count, char** arguments) {
    try {
        std::vector<int> lengths;
        for (int k = 2; k < count; ++k) lengths.push_back(std::atoi(arguments[k]));
        if (lengths.empty()) lengths = {50, 200, 1000, 5000};
        for (int length : lengths) measure(count > 1 ? arguments[1] : "vulkan", length);
    } catch (const Error& error) {
        fmt::print(stderr, "bench_program_calls: {}\n", error.what());
        return 1;
    }
}
