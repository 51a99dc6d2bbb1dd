// Eight threads that compile, call, drop and destroy functions at random against an oracle. A seed gives each thread its own sequence of steps; how
// they interleave is the machine's.
//
//     HEDDLE_STRESS_SECONDS=60 test_stress --gtest_filter='*random*'      for a minute on each device, rather than so many steps
//     HEDDLE_STRESS_SEED=7                                                other steps

#include "fixture.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <random>

using namespace heddle;
using namespace heddle::tests;

namespace {

using Random = std::minstd_rand;
using Clock = std::chrono::steady_clock;

int below(Random& random, int bound) { return static_cast<int>(random() % static_cast<unsigned>(bound)); }

/// One link of a chain: an op with a small integer, so that every float on the way is exact.
struct Link {
    enum Op { add, subtract_from, multiply, at_least, at_most, magnitude, ops } op;
    float number;
};

float apply(const Link& link, float x) {
    switch (link.op) {
    case Link::add: return x + link.number;
    case Link::subtract_from: return link.number - x;
    case Link::multiply: return x * (link.number < 0 ? -1.0f : 2.0f);
    case Link::at_least: return std::max(x, link.number);
    case Link::at_most: return std::min(x, link.number);
    default: return std::abs(x);
    }
}

Array apply(const Link& link, const Array& x) {
    switch (link.op) {
    case Link::add: return x + link.number;
    case Link::subtract_from: return link.number - x;
    case Link::multiply: return x * (link.number < 0 ? -1.0f : 2.0f);
    case Link::at_least: return maximum(x, link.number);
    case Link::at_most: return minimum(x, link.number);
    default: return abs(x);
    }
}

/// chain(x) + weight * y, or its sum; `weight` is captured.
struct Model {
    std::vector<Link> chain;
    bool summed = false;
    float weight = 1;
    Compiled<Array(Array, Array)> function;

    std::vector<float> oracle(float x, float y, int size) const {
        for (const Link& link : chain) x = apply(link, x);
        const float each = x + weight * y;
        return summed ? filled(1, each * static_cast<float>(size))
                      : filled(static_cast<std::size_t>(size), each);
    }
};

using ModelRef = std::shared_ptr<const Model>;

ModelRef make_model(Random& random) {
    std::vector<Link> chain;
    // A few numbers alone: the kernels of some functions are known, those of others are not.
    for (int k = below(random, 4) + 1; k > 0; --k)
        chain.push_back(
            {static_cast<Link::Op>(below(random, Link::ops)), static_cast<float>(below(random, 7) - 3)});
    const bool summed = below(random, 3) == 0;
    const float weight = static_cast<float>(below(random, 3) + 1);
    const Array captured = full({1}, weight).eval();
    // Called in the trace of the other: inlined, and destroyed with it.
    const auto inner = compile("inner", [chain](Array x) {
        for (const Link& link : chain) x = apply(link, x);
        return x;
    });
    const auto body = [inner, captured, summed](Array x, Array y) {
        const Array result = inner(x) + captured * y;
        return summed ? sum(result) : result;
    };
    const CompileOptions options{.shapeless = below(random, 2) == 0};
    return std::make_shared<Model>(
        Model{chain, summed, weight, compile<Array(Array, Array)>("random", body, options)});
}

/// Functions and values that the threads share.
class Shared {
public:
    ModelRef model(int slot) {
        const std::lock_guard lock(mutex_);
        return models_[static_cast<std::size_t>(slot)];
    }
    /// Gives the one that was there: the last owner may be any thread that still calls it.
    ModelRef replace(int slot, ModelRef model) {
        const std::lock_guard lock(mutex_);
        return std::exchange(models_[static_cast<std::size_t>(slot)], std::move(model));
    }
    struct Known {
        std::shared_ptr<const MaterializedArray> array;
        std::vector<float> values;
    };
    Known exchange(int slot, Known known) {
        const std::lock_guard lock(mutex_);
        return std::exchange(known_[static_cast<std::size_t>(slot)], std::move(known));
    }
    static constexpr int slots = 12;

private:
    std::mutex mutex_;
    std::array<ModelRef, slots> models_;
    std::array<Known, slots> known_;
};

/// A thread's own part: a seed, results that it has not looked at yet, and how many were wrong.
class Walker {
public:
    Walker(Shared& shared, unsigned seed) : shared_(shared), random_(seed) {}

    void step() {
        const int slot = below(random_, Shared::slots);
        switch (below(random_, 10)) {
        case 0: shared_.replace(slot, make_model(random_)); break;
        case 1: shared_.replace(slot, nullptr); break;
        case 2: check_all(); break;
        case 3: results_.clear(); break;
        case 4: hand_over(slot); break;
        default: call(slot); break;
        }
    }
    void check_all() {
        for (const Result& result : results_) wrong += floats(result.array) != result.values;
        results_.clear();
    }
    int wrong = 0, calls = 0;

private:
    struct Result {
        Array array;
        std::vector<float> values;
    };

    void call(int slot) {
        ModelRef model = shared_.model(slot);
        if (model == nullptr) {
            model = make_model(random_);
            shared_.replace(slot, model);
        }
        const int size = std::array{1, 3, 64, 100, 1000}[static_cast<std::size_t>(below(random_, 5))];
        const float x = static_cast<float>(below(random_, 9) - 4), y = static_cast<float>(below(random_, 5));
        Array given = full({size}, x) + 0.0f; // pending, or moved and so to be overwritten
        const Array other = Array::from(filled(static_cast<std::size_t>(size), y));
        Array result =
            below(random_, 2) == 0 ? model->function(std::move(given), other) : model->function(given, other);
        std::vector<float> values = model->oracle(x, y, size);
        ++calls;
        if (below(random_, 2) == 0) {
            result = result * 2.0f;
            for (float& value : values) value *= 2;
        }
        results_.push_back({std::move(result), std::move(values)});
        if (results_.size() > 16) check_all();
    }

    /// Gives a value to whichever thread comes by, and checks the one that lay there.
    void hand_over(int slot) {
        Shared::Known mine;
        if (!results_.empty()) {
            Result last = std::move(results_.back());
            results_.pop_back();
            mine = {std::make_shared<const MaterializedArray>(materialize(last.array)),
                    std::move(last.values)};
        }
        const Shared::Known theirs = shared_.exchange(slot, std::move(mine));
        if (theirs.array != nullptr) wrong += theirs.array->to_vector<float>() != theirs.values;
    }

    Shared& shared_;
    Random random_;
    std::vector<Result> results_;
};

unsigned environment_number(const char* name) {
    const char* text = std::getenv(name);
    return text == nullptr ? 0 : static_cast<unsigned>(std::strtoul(text, nullptr, 10));
}

class RandomThreads : public OnDevice {};

TEST_P(RandomThreads, eight_threads_compile_call_drop_and_destroy_functions_at_random) {
    const unsigned seconds = environment_number("HEDDLE_STRESS_SECONDS"),
                   seed = environment_number("HEDDLE_STRESS_SEED");
    const int steps = (sanitized ? 60 : 240) / (std::string(GetParam()) == "vulkan" ? 3 : 1);
    RecordProperty("seed", static_cast<int>(seed));
    context.synchronize();
    const std::uint64_t arrays = live_arrays(), buffers = context.live_buffers(),
                        specializations = context.statistics().live_specializations;
    std::atomic<int> wrong{0}, calls{0};
    {
        Shared shared;
        const Clock::time_point until = Clock::now() + std::chrono::seconds(seconds);
        on_threads(context, 8, [&](int k) {
            Walker walker(shared, seed * 8 + static_cast<unsigned>(k) + 1);
            const auto goes_on = [&](int step) {
                return seconds != 0 ? Clock::now() < until : step < steps || walker.calls < 10;
            };
            for (int step = 0; goes_on(step); ++step) walker.step();
            walker.check_all();
            wrong += walker.wrong;
            calls += walker.calls;
        });
    }
    EXPECT_EQ(wrong, 0) << "of " << calls << " calls";
    RecordProperty("calls", calls);
    context.synchronize();
    EXPECT_EQ(live_arrays(), arrays);
    EXPECT_EQ(context.statistics().live_specializations, specializations);
    // Lazy programs stay known, and so do their constants; nothing else does.
    EXPECT_LE(context.live_buffers(), buffers + context.statistics().live_programs);
    if (seconds != 0) std::cout << calls << " calls in " << seconds << " s\n";
}

HEDDLE_ON_DEVICES(RandomThreads);

} // namespace
