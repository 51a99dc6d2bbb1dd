// The tuner on devices, with times that a test makes up: every candidate computes what the interpreter computes, decisions are kept and read
// back, calls do not wait for each other's, and a wrong candidate is found.

#include "frontend/code_generator.h"
#include "frontend/context_state.h"
#include "frontend/tuner.h"
#include "runtime/device.h"

#include "device_fixture.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <semaphore>
#include <set>
#include <sstream>
#include <thread>
#include <unistd.h>

using namespace heddle;
using namespace heddle::tests;
using detail::Stopwatch;

namespace {

/// Runs nothing: a schedule takes as long as a test says.
class FakeStopwatch final : public Stopwatch {
public:
    explicit FakeStopwatch(std::function<double(const std::string& schedule)> times)
        : times_(std::move(times)) {}

    double seconds(runtime::Device&, const passes::Schedule& schedule, const runtime::Launch&) override {
        const double time = times_(text(schedule));
        std::lock_guard lock(mutex_);
        clock_ += time;
        seen_.insert(text(schedule));
        return time;
    }
    double now() override {
        std::lock_guard lock(mutex_);
        return clock_;
    }
    std::set<std::string> seen() {
        std::lock_guard lock(mutex_);
        return seen_;
    }

private:
    std::function<double(const std::string&)> times_;
    std::mutex mutex_;
    double clock_ = 0;
    std::set<std::string> seen_;
};

/// All the same time: the compiler's choice stays.
double equal_times(const std::string&) { return 1e-3; }

struct Tuned {
    Tuned(const ContextOptions& options, std::function<double(const std::string&)> times,
          std::unique_ptr<detail::CodeGenerator> generator = nullptr)
        : Tuned(options, std::make_unique<FakeStopwatch>(std::move(times)), std::move(generator)) {}
    Tuned(const ContextOptions& options, std::unique_ptr<FakeStopwatch> watch,
          std::unique_ptr<detail::CodeGenerator> generator)
        : stopwatch(watch.get()), context(Context::sharing(std::make_shared<detail::ContextState>(
                                      options, std::move(generator), std::move(watch)))) {}
    FakeStopwatch* stopwatch;
    Context context;
};

struct Example {
    std::string name;
    Array (*function)(Array);
    std::int64_t rows, columns;
};

Array chain(Array x) { return exp(x * 0.5f) + 1.0f; }
Array normalised(Array x) { return softmax(x); }
Array row_sums(Array x) { return sum(x, {1}); }
Array column_sums(Array x) { return sum(x, {0}); }
Array column_variances(Array x) { return var(x, {0}); }
Array last_of_rows(Array x) { return argmax(x, 1); }
Array mirrored(Array x) { return x + transpose(x); }
Array crossed(Array x) { return transpose(x) * 2.0f; }
Array blurred(Array x) {
    const Dim rows = x.shape()[0];
    return slice(x, 0, {0, rows - 2}) + slice(x, 0, {1, rows - 1}) + slice(x, 0, {2, rows});
}

const std::vector<Example>& examples() {
    static const std::vector<Example> all{
        {"chain", chain, 33, 64},
        {"normalised", normalised, 5, 260},
        {"row_sums", row_sums, 3, 1025},
        {"column_sums", column_sums, 300, 36},
        {"column_variances", column_variances, 140, 33},
        {"last_of_rows", last_of_rows, 9, 64},
        {"mirrored", mirrored, 68, 68},
        {"crossed", crossed, 70, 41},
        {"blurred", blurred, 37, 64},
    };
    return all;
}

Array input(std::int64_t rows, std::int64_t columns) {
    std::vector<float> elements(static_cast<std::size_t>(rows * columns));
    for (std::size_t k = 0; k < elements.size(); ++k)
        elements[k] = static_cast<float>(k * 2654435761u % 1000) / 300.f - 1.5f;
    return Array::from(elements, {rows, columns});
}

std::vector<float> floats_of(const Array& array) { return cast(array, Dtype::f32).to_vector<float>(); }

std::vector<float> run(Context& context, const Example& example, const CompileOptions& options) {
    const Context::Scope scope(context);
    return floats_of(compile(example.name, example.function, options)(input(example.rows, example.columns)));
}

std::string report(Context& context, const Compiled<Array(Array)>& function, const Array& x) {
    const Context::Scope scope(context);
    std::ostringstream out;
    function.dump(out, Stage::report, x);
    return out.str();
}

class TunerTest : public ::testing::TestWithParam<std::string> {
protected:
    void SetUp() override {
        folder_ = std::filesystem::temp_directory_path() /
                  ("heddle-tuner-" + std::to_string(::getpid()) + "-" + GetParam());
        std::filesystem::remove_all(folder_);
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    ContextOptions options(bool keeps = false, bool tunes = true) const {
        return {.device = GetParam(), .cache_directory = keeps ? folder_.string() : "", .tune = tunes};
    }
    std::vector<std::filesystem::path> records() const {
        std::vector<std::filesystem::path> paths;
        for (const auto& entry : std::filesystem::directory_iterator(folder_))
            if (entry.path().extension() == ".tuned") paths.push_back(entry.path());
        return paths;
    }
    std::filesystem::path folder_;
};

TEST_P(TunerTest, every_candidate_computes_what_the_interpreter_computes) {
    Context interpreter(ContextOptions{.device = "interp", .cache_directory = ""});
    for (const Example& example : examples()) {
        // What makes the input is not looked at.
        Tuned tuned(options(false, false), equal_times);
        const std::vector<float> wanted = run(interpreter, example, {});
        EXPECT_EQ(run(tuned.context, example, {.shapeless = true, .tune = true}),
                  run(tuned.context, example, {.shapeless = true}))
            << example.name;
        const std::set<std::string> schedules = tuned.stopwatch->seen();
        EXPECT_GE(schedules.size(), 4u) << example.name;
        EXPECT_EQ(tuned.context.statistics().schedules_differ, 0u);
        for (const std::string& schedule : schedules) {
            const std::vector<float> given = run(tuned.context, example, {.schedule = schedule});
            ASSERT_EQ(given.size(), wanted.size());
            for (std::size_t k = 0; k < wanted.size(); ++k)
                ASSERT_NEAR(given[k], wanted[k], 4e-6 * std::max(1.f, std::fabs(wanted[k])))
                    << example.name << " with " << schedule << ", element " << k;
        }
    }
}

TEST_P(TunerTest, is_off_by_default) {
    Tuned tuned(options(false, false), equal_times);
    run(tuned.context, examples()[1], {});
    EXPECT_TRUE(tuned.stopwatch->seen().empty());
    EXPECT_EQ(tuned.context.statistics().kernels_tuned, 0u);
}

TEST_P(TunerTest, what_is_faster_runs_from_then_on) {
    const Example& example = examples()[1];
    std::string standard;
    Tuned tuned(options(), [&](const std::string& schedule) {
        if (standard.empty()) standard = schedule; // it is timed first
        return schedule == standard ? 2e-3 : 1e-3;
    });
    const Context::Scope scope(tuned.context);
    const auto function = compile(example.name, example.function, {.tune = true});
    const Array x = input(example.rows, example.columns);
    const std::vector<float> first = floats_of(function(x));
    const std::string said = report(tuned.context, function, x);
    EXPECT_TRUE(contains(said, ".tuned: ")) << said;
    EXPECT_TRUE(contains(said, ": tuned (50% less time, in 9 of 9 pairs of runs)\n")) << said;
    EXPECT_FALSE(contains(said, standard)) << said;
    const std::uint64_t timed = tuned.context.statistics().schedules_timed;
    EXPECT_EQ(floats_of(function(x)), first);
    EXPECT_EQ(tuned.context.statistics().schedules_timed, timed) << "a second call measures nothing";
}

TEST_P(TunerTest, decisions_are_read_back_by_another_context_without_measuring) {
    const Example& example = examples()[3];
    std::string standard;
    const auto times = [&](const std::string& schedule) {
        if (standard.empty()) standard = schedule;
        return schedule == standard ? 2e-3 : 1e-3;
    };
    std::string said;
    {
        Tuned first(options(true), times);
        run(first.context, example, {});
        EXPECT_GT(first.context.statistics().schedules_timed, 0u);
        const Context::Scope scope(first.context);
        said = report(first.context, compile(example.name, example.function),
                      input(example.rows, example.columns));
        EXPECT_TRUE(contains(said, ": tuned (")) << said;
    }
    Tuned second(options(true), [](const std::string&) -> double {
        ADD_FAILURE() << "something was measured";
        return 1;
    });
    run(second.context, example, {});
    EXPECT_EQ(second.context.statistics().schedules_timed, 0u);
    EXPECT_GT(second.context.statistics().schedules_loaded, 0u);
    const Context::Scope scope(second.context);
    EXPECT_EQ(
        report(second.context, compile(example.name, example.function), input(example.rows, example.columns)),
        said);
}

TEST_P(TunerTest, a_damaged_or_stale_record_is_made_again) {
    const Example& example = examples()[0];
    const auto tuned_kernels = [&] {
        Tuned tuned(options(true), equal_times);
        const Context::Scope scope(tuned.context);
        const Array x = input(example.rows, example.columns);
        compile(example.name, example.function, {.tune = true})(x).wait();
        return tuned.context.statistics().kernels_tuned;
    };
    EXPECT_EQ(tuned_kernels(), 1u);
    EXPECT_EQ(tuned_kernels(), 0u);
    ASSERT_EQ(records().size(), 1u);
    const std::filesystem::path path = records()[0];
    // Cut off.
    std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
    EXPECT_EQ(tuned_kernels(), 1u);
    EXPECT_EQ(tuned_kernels(), 0u);
    // Whole, but for a schedule that this compiler does not make.
    detail::DiskCache disk({folder_});
    const std::string name = path.stem().string();
    const Digest key{std::stoull(name.substr(0, 16), nullptr, 16), std::stoull(name.substr(16), nullptr, 16)};
    std::string text = disk.load_record(key).value();
    const std::size_t at = text.find("chosen ");
    text.replace(at, text.find('\n', at) - at,
                 GetParam() == "cpu" ? "chosen cpu_pointwise(vector=4096, chunk=8192, stream=0)"
                                     : "chosen pointwise(threads=3, vector=4, steps=1, index=32)");
    disk.store_record(key, text);
    EXPECT_EQ(tuned_kernels(), 1u);
    EXPECT_EQ(tuned_kernels(), 0u);
}

TEST_P(TunerTest, sizes_of_one_bucket_share_a_decision) {
    Tuned tuned(options(), equal_times);
    const Context::Scope scope(tuned.context);
    const auto function = compile("row_sums", row_sums, {.shapeless = true});
    const auto kernels_tuned = [&](std::int64_t rows, std::int64_t columns) {
        const Array x = input(rows, columns).eval();
        const std::uint64_t before = tuned.context.statistics().kernels_tuned;
        function(x).wait();
        return tuned.context.statistics().kernels_tuned - before;
    };
    EXPECT_EQ(kernels_tuned(8, 600), 1u);
    EXPECT_EQ(kernels_tuned(15, 1020), 0u);
    EXPECT_EQ(kernels_tuned(16, 600), 1u);
    EXPECT_EQ(kernels_tuned(0, 600), 0u);
}

TEST_P(TunerTest, results_beyond_the_bound_are_not_tried) {
    ContextOptions small = options();
    small.tune_bytes = 100;
    Tuned tuned(small, equal_times);
    const Example& example = examples()[0];
    EXPECT_EQ(run(tuned.context, example, {}), run(tuned.context, example, {.tune = false}));
    EXPECT_TRUE(tuned.stopwatch->seen().empty());
}

TEST_P(TunerTest, a_call_does_not_wait_while_another_measures) {
    std::binary_semaphore measuring{0}, go_on{0};
    std::atomic<bool> first{true};
    Tuned tuned(options(), [&](const std::string&) {
        if (first.exchange(false)) {
            measuring.release();
            go_on.acquire();
        }
        return 1e-3;
    });
    const Context::Scope scope(tuned.context);
    const Array x = input(64, 64).eval();
    const auto function = compile("chain", chain, {.tune = true});
    std::vector<float> slow;
    std::thread other([&] {
        const Context::Scope inner(tuned.context);
        slow = floats_of(function(input(64, 64)));
    });
    measuring.acquire();
    const std::vector<float> quick = floats_of(function(x)); // while the other thread measures
    go_on.release();
    other.join();
    EXPECT_EQ(quick, slow);
}

TEST_P(TunerTest, many_threads_tune_what_they_share) {
    constexpr int threads = 6, calls = 4;
    Tuned tuned(options(), [](const std::string& schedule) {
        return 1e-3 + 1e-4 * static_cast<double>(schedule.size() % 7);
    });
    const Context::Scope scope(tuned.context);
    const auto sums = compile("row_sums", row_sums, {.shapeless = true});
    const auto squares = compile("chain", chain, {.shapeless = true});
    std::atomic<int> wrong{0};
    {
        std::vector<std::jthread> all;
        for (int k = 0; k < threads; ++k)
            all.emplace_back([&, k] {
                const Context::Scope inner(tuned.context);
                for (int call = 0; call < calls; ++call) {
                    const std::int64_t columns = 16 << ((k + call) % 3);
                    const Array ones = full({8, columns}, 1.0f);
                    if (floats_of(sums(ones)) != std::vector<float>(8, static_cast<float>(columns))) ++wrong;
                    if (floats_of(squares(full({8, columns}, 0.0f))) !=
                        std::vector<float>(static_cast<std::size_t>(8 * columns), 2.0f))
                        ++wrong;
                }
            });
    }
    EXPECT_EQ(wrong, 0);
    EXPECT_GT(tuned.context.statistics().kernels_tuned, 0u);
}

/// Gives candidates the code of another function's kernel.
class WrongGenerator final : public detail::CodeGenerator {
public:
    codegen::Artifact generate(const ir::Function& kernel, const ir::Target& target,
                               detail::KernelTexts* texts) override {
        if (kernel.name().ends_with(".tuned")) return wrong_;
        codegen::Artifact made = emitters_->generate(kernel, target, texts);
        if (kernel.name().starts_with("wrong.")) wrong_ = made;
        return made;
    }

private:
    codegen::Artifact wrong_;
    std::unique_ptr<detail::CodeGenerator> emitters_ = detail::make_code_generator();
};

TEST_P(TunerTest, a_candidate_that_computes_something_else_is_an_error) {
    Tuned tuned(options(), equal_times, std::make_unique<WrongGenerator>());
    const Context::Scope scope(tuned.context);
    const Array x = input(64, 64).eval();
    compile("wrong", [](Array a) { return a * 3.0f; }, {.tune = false})(x).wait();
    const auto square = compile("square", [](Array a) { return a * a; }, {.tune = true});
    const std::string message = message_of<InternalError>([&] { square(x).wait(); });
    EXPECT_TRUE(contains(message, "square.0")) << message;
    EXPECT_TRUE(contains(message, " do not agree: element 0 of output 0 is -4.5, not 2.25")) << message;
    EXPECT_EQ(tuned.context.statistics().schedules_differ, 1u);
    EXPECT_TRUE(tuned.stopwatch->seen().empty());
}

TEST(TunerOnTheCpu, a_candidate_that_sums_too_differently_is_reported_and_never_chosen) {
    std::string standard;
    const ContextOptions options{.device = "cpu", .cache_directory = "", .tune = true};
    Tuned tuned(
        options,
        [&](const std::string& schedule) {
            if (standard.empty()) standard = schedule;
            return schedule == standard ? 2e-3 : 1e-3;
        },
        std::make_unique<WrongGenerator>());
    const Context::Scope scope(tuned.context);
    const Array x = input(8, 1000).eval();
    compile("wrong", [](Array a) { return sum(a, {1}) * 2.0f; }, {.tune = false})(x).wait();
    const auto sums = compile("row_sums", row_sums, {.tune = true});
    EXPECT_EQ(floats_of(sums(x)), floats_of(compile("row_sums", row_sums, {.tune = false})(x)));
    const std::uint64_t differ = tuned.context.statistics().schedules_differ;
    EXPECT_GE(differ, 4u);
    std::uint64_t said = 0;
    for (const auto& record : tuned.context.state()->tuner().decisions())
        if (record->kernel.starts_with("row_sums")) {
            EXPECT_FALSE(record->is_tuned());
            for (const detail::TuningTrial& trial : record->trials)
                said += trial.note.starts_with("differs: element 0 of output 0 is ") && trial.seconds < 0;
        }
    EXPECT_EQ(said, differ);
}

/// Those that compile.
std::vector<std::string> compiling_devices() {
    std::vector<std::string> names = usable_devices();
    std::erase(names, "interp");
    return names;
}

INSTANTIATE_TEST_SUITE_P(Devices, TunerTest, ::testing::ValuesIn(compiling_devices()),
                         [](const auto& device) { return device.param; });

} // namespace
