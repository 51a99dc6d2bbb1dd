// Workloads that time the host: first calls, cached calls, new shapes, long traces.

#include "bench/workload.h"

#include <chrono>
#include <sstream>

namespace heddle::bench {
namespace {

using Clock = std::chrono::steady_clock;

template <class Work> double milliseconds(const Work& work) {
    const Clock::time_point start = Clock::now();
    work();
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

Array filled(std::int64_t count, float value = 0.5f) {
    return Array::from(std::vector<float>(static_cast<std::size_t>(count), value));
}

/// Eight ops, without a disk cache; a context of its own each time, so nothing is known.
std::vector<double> first_call(const std::string& device) {
    std::vector<double> times;
    for (int run = 0; run < 7; ++run) {
        Context context({.device = device, .cache_directory = ""});
        const Context::Scope scope(context);
        const Array x = filled(4096).to(device);
        const auto function = compile("gelu8", [](Array a) {
            return 0.5f * a * (1.0f + tanh(0.7978845608f * (a + 0.044715f * a * a * a)));
        });
        times.push_back(milliseconds([&] { function(x).wait(); }));
    }
    return times;
}

std::vector<double> new_shape(const std::string& device) {
    const auto function = compile("gelu8", [](Array a) {
        return 0.5f * a * (1.0f + tanh(0.7978845608f * (a + 0.044715f * a * a * a)));
    });
    for (std::int64_t size : {1000, 1001}) function(filled(size).to(device)).wait();
    std::vector<double> times;
    for (std::int64_t size = 1002; size < 1102; ++size) {
        const Array x = filled(size).to(device);
        times.push_back(milliseconds([&] { function(x).wait(); }));
    }
    return times;
}

/// Mean time of a call, over many in a row.
template <class Call> std::vector<double> per_call(int calls, const Call& call) {
    for (int k = 0; k < 100; ++k) call();
    std::vector<double> times;
    for (int run = 0; run < 11; ++run)
        times.push_back(milliseconds([&] {
                            for (int k = 0; k < calls; ++k) call();
                        }) /
                        calls);
    return times;
}

std::vector<double> tiny_call(const std::string& device, std::int64_t size) {
    const Array a = filled(size).to(device), b = filled(size, 2).to(device);
    const auto function = compile("tiny", [](Array x, Array y) { return tanh(x * y + 1.0f); });
    return per_call(device == "cpu" ? 20000 : 500, [&] { function(a, b).wait(); });
}

/// Two shapes called in turn, the oldest of `shapes` that are known: no call is the one before it.
template <class Function>
std::vector<double> calls_in_turn(const std::string& device, std::int64_t shapes, const Function& function) {
    for (std::int64_t k = 0; k < shapes; ++k) function(filled(k + 2).to(device)).wait();
    const Array a = filled(2).to(device), b = filled(3).to(device);
    bool second = false;
    return per_call(device == "cpu" ? 20000 : 500, [&] { function((second = !second) ? b : a).wait(); });
}

/// A signature for each shape.
std::vector<double> many_shapes(const std::string& device, std::int64_t shapes) {
    return calls_in_turn(device, shapes, compile("shapes", [](Array x) { return x * 2.0f + 1.0f; }));
}

/// One signature, in which guards tell the shapes apart.
std::vector<double> many_shapes_shapeless(const std::string& device, std::int64_t shapes) {
    const auto function =
        compile("shapes", [](Array x) { return x * static_cast<float>(x.shape(0).value()) + 1.0f; },
                {.shapeless = true});
    return calls_in_turn(device, shapes, function);
}

Array long_chain(Array x, int length) {
    for (int k = 0; k < length; ++k) x = x + (0.001f * static_cast<float>(k % 97 + 1));
    return x;
}

/// Trace, passes and lowering of a chain of `x + constant`, without code generation.
std::vector<double> trace_chain(const std::string& device, int length) {
    std::vector<double> times;
    const Array x = filled(1024).to(device);
    for (int run = 0; run < 5; ++run) {
        const auto function = compile("chain", [length](Array a) { return long_chain(a, length); });
        std::ostringstream report;
        times.push_back(milliseconds([&] { function.dump(report, Stage::report, x); }));
    }
    return times;
}

std::vector<double> first_call_chain(const std::string& device, int length) {
    std::vector<double> times;
    for (int run = 0; run < 3; ++run) {
        Context context({.device = device, .cache_directory = ""});
        const Context::Scope scope(context);
        const Array x = filled(1024).to(device);
        const auto function = compile("chain", [length](Array a) { return long_chain(a, length); });
        times.push_back(milliseconds([&] { function(x).wait(); }));
    }
    return times;
}

} // namespace

const std::vector<CallWorkload>& call_workloads() {
    static const std::vector<CallWorkload> list = {
        {"first_call", "an 8-op function, nothing cached: trace, compile, run", first_call},
        {"new_shape", "the same kernel for another shape: trace, compile, run", new_shape},
        {"tiny_call_4", "cached call and run of tanh(a * b + 1), 4 elements",
         [](auto& device) { return tiny_call(device, 4); }},
        {"tiny_call_16", "the same, 16 elements", [](auto& device) { return tiny_call(device, 16); }},
        {"many_shapes_2", "cached calls of two shapes in turn, with 2 known",
         [](auto& device) { return many_shapes(device, 2); }},
        {"many_shapes_4001", "cached calls of two shapes in turn, with 4,001 known",
         [](auto& device) { return many_shapes(device, 4001); }},
        {"many_shapes_shapeless_2", "the same, shapeless, with a guard for each of the 2 sizes",
         [](auto& device) { return many_shapes_shapeless(device, 2); }},
        {"many_shapes_shapeless_4001", "the same, shapeless, with a guard for each of the 4,001 sizes",
         [](auto& device) { return many_shapes_shapeless(device, 4001); }},
        {"trace_1000", "1,000 ops x + c: trace, passes, lowering",
         [](auto& device) { return trace_chain(device, 1000); }},
        {"trace_10000", "10,000 ops x + c: trace, passes, lowering",
         [](auto& device) { return trace_chain(device, 10000); }},
        {"first_call_10000", "10,000 ops x + c: the whole first call",
         [](auto& device) { return first_call_chain(device, 10000); }},
    };
    return list;
}

} // namespace heddle::bench
