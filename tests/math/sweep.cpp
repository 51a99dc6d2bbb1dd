// heddle_math_sweep [function...] [--full] [--stride N] [--unfused] [--half] [--threads N]
// The largest error of each unary f32 function over all floats (--full), or every N-th, and where it is. Exit status 1 if one
// is above 2 ulp (--half: 2^-13).

#include "tests/math/functions.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

using namespace heddle::tests;

namespace {

struct Options {
    std::vector<const UnaryFunction*> functions;
    std::uint64_t stride = 1009;
    Variant variant = Variant::fused;
    unsigned threads = std::thread::hardware_concurrency();
};

[[noreturn]] void usage(const std::string& wrong) {
    std::fprintf(
        stderr,
        "heddle_math_sweep: %s\nusage: heddle_math_sweep [function...] [--full] [--stride N] [--unfused] "
        "[--half] [--threads N]\n",
        wrong.c_str());
    std::exit(2);
}

Options parse(int count, char** arguments) {
    Options options;
    for (int k = 1; k < count; ++k) {
        const std::string word = arguments[k];
        const auto number = [&]() -> unsigned long {
            const unsigned long value = k + 1 < count ? std::strtoul(arguments[++k], nullptr, 10) : 0;
            if (value == 0) usage(word + " takes a number above 0");
            return value;
        };
        if (word == "--full")
            options.stride = 1;
        else if (word == "--stride")
            options.stride = number();
        else if (word == "--unfused")
            options.variant = Variant::unfused;
        else if (word == "--half")
            options.variant = Variant::half;
        else if (word == "--threads")
            options.threads = static_cast<unsigned>(number());
        else if (const UnaryFunction* function = find_unary(word))
            options.functions.push_back(function);
        else
            usage("no function or option " + word);
    }
    if (options.functions.empty())
        for (const UnaryFunction& function : unary_functions()) options.functions.push_back(&function);
    return options;
}

Worst sweep(const UnaryFunction& function, const Options& options) {
    constexpr std::uint64_t chunks = 1024, chunk = (std::uint64_t{1} << 32) / chunks;
    std::atomic<std::uint64_t> next = 0;
    std::vector<Worst> found(options.threads);
    std::vector<std::jthread> workers;
    for (Worst& worst : found)
        workers.emplace_back([&] {
            for (std::uint64_t k; (k = next++) < chunks;) {
                const Worst part =
                    sweep_patterns(function, options.variant, k * chunk, (k + 1) * chunk - 1, options.stride);
                worst.include(part.error, part.at);
            }
        });
    workers.clear();
    Worst worst;
    for (const Worst& part : found) worst.include(part.error, part.at);
    return worst;
}

} // namespace

int main(int count, char** arguments) {
    const Options options = parse(count, arguments);
    const bool half = options.variant == Variant::half;
    bool good = true;
    for (const UnaryFunction* function : options.functions) {
        const Worst worst = sweep(*function, options);
        good &= worst.error <= (half ? 0x1p-13 : 2.0);
        std::printf("%-12s %-8s %s %.6g at %.9g (%a)\n", function->name.data(),
                    name_of(options.variant).data(), half ? "relative" : "ulp", worst.error,
                    static_cast<double>(worst.at), static_cast<double>(worst.at));
        std::fflush(stdout);
    }
    return good ? 0 : 1;
}
