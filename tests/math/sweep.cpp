// heddle_math_sweep [function...] [--full] [--stride N] [--threads N]
// The largest error of each unary f32 function over all floats (--full), or every N-th, and where it is: with fused multiply-add and
// without, in ulps, and of the short form, relative. Exit status 1 if one is above 2 ulp or 2^-13.

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
    unsigned threads = std::thread::hardware_concurrency();
};

[[noreturn]] void usage(const std::string& wrong) {
    std::fprintf(stderr,
                 "heddle_math_sweep: %s\nusage: heddle_math_sweep [function...] [--full] [--stride N] "
                 "[--threads N]\n",
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

void include(WorstOfVariants& worst, const WorstOfVariants& part) {
    for (std::size_t v = 0; v < part.size(); ++v) worst[v].include(part[v].error, part[v].at);
}

WorstOfVariants sweep(const UnaryFunction& function, const Options& options) {
    constexpr std::uint64_t chunks = 1024, chunk = (std::uint64_t{1} << 32) / chunks;
    std::atomic<std::uint64_t> next = 0;
    std::vector<WorstOfVariants> found(options.threads);
    std::vector<std::jthread> workers;
    for (WorstOfVariants& worst : found)
        workers.emplace_back([&] {
            for (std::uint64_t k; (k = next++) < chunks;)
                include(worst, sweep_patterns(function, k * chunk, (k + 1) * chunk - 1, options.stride));
        });
    workers.clear();
    WorstOfVariants worst;
    for (const WorstOfVariants& part : found) include(worst, part);
    return worst;
}

} // namespace

int main(int count, char** arguments) {
    const Options options = parse(count, arguments);
    bool good = true;
    for (const UnaryFunction* function : options.functions) {
        const WorstOfVariants worst = sweep(*function, options);
        for (Variant variant : variants) {
            const Worst& of = worst[static_cast<std::size_t>(variant)];
            const bool half = variant == Variant::half;
            good &= of.error <= (half ? 0x1p-13 : 2.0);
            std::printf("%-12s %-8s %s %.4g at %.9g (%a)\n", function->name.data(), name_of(variant).data(),
                        half ? "relative" : "ulp", of.error, static_cast<double>(of.at),
                        static_cast<double>(of.at));
        }
        std::fflush(stdout);
    }
    return good ? 0 : 1;
}
