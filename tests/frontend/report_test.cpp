// What Stage::report says of a function: how many kernels, what is in memory between them, which variant the sizes run, and that each
// input element is loaded once and each output element stored once.

#include "fixture.h"

#include <heddle/error.h>

#include <cmath>
#include <cstdlib>
#include <sstream>

using namespace heddle;
using namespace heddle::tests;

namespace {

class Report : public ::testing::TestWithParam<const char*> {
protected:
    Context context{ContextOptions{.device = GetParam(), .cache_directory = ""}};
    Context::Scope scope{context};

    /// One kernel that loads and stores so many bytes, shapeless and for given sizes.
    template <class Function, class... Arrays> void expect_one_kernel(const char* name, Function function,
                                                                      std::size_t loaded, std::size_t stored,
                                                                      const Arrays&... arrays) {
        for (bool shapeless : {true, false}) {
            const auto compiled = compile(name, function, {.shapeless = shapeless});
            std::ostringstream report;
            compiled.dump(report, Stage::report, arrays...);
            EXPECT_TRUE(contains(report.str(), " ops in 1 kernels with 0 bytes between them\n"))
                << name << "\n"
                << report.str();
            const std::string traffic =
                ", loads " + std::to_string(loaded) + " bytes, stores " + std::to_string(stored) + " bytes\n";
            EXPECT_TRUE(contains(report.str(), traffic)) << name << "\n" << report.str();
        }
    }
};

Array matrix(std::int64_t rows, std::int64_t columns, Dtype dtype = Dtype::f32) {
    return zeros({rows, columns}, dtype).eval();
}

// Rows that fill vectors, rows that do not, and rows of several steps.
constexpr std::int64_t row_lengths[] = {64, 333, 1000, 2048, 4096};

TEST_P(Report, row_functions_load_each_element_once_and_store_each_once) {
    for (std::int64_t columns : row_lengths) {
        const Array x = matrix(6, columns);
        const std::size_t bytes = static_cast<std::size_t>(6 * columns * 4);
        expect_one_kernel("softmax", [](Array v) { return softmax(v); }, bytes, bytes, x);
        expect_one_kernel("log_softmax", [](Array v) { return log_softmax(v); }, bytes, bytes, x);
        expect_one_kernel("layer_norm", [](Array v) { return layer_norm(v); }, bytes, bytes, x);
        expect_one_kernel("rms_norm", [](Array v) { return rms_norm(v); }, bytes, bytes, x);
        expect_one_kernel("var", [](Array v) { return var(v, -1); }, bytes, 6 * 4, x);
    }
}

TEST_P(Report, the_sum_that_add_rms_norm_also_gives_back_is_stored_once_and_not_loaded_again) {
    for (std::int64_t columns : row_lengths) {
        const Array x = matrix(6, columns);
        const std::size_t bytes = static_cast<std::size_t>(6 * columns * 4);
        expect_one_kernel(
            "add_rms_norm",
            [](Array v, Array r) {
                const Array h = v + r;
                return std::tuple(h, rms_norm(h));
            },
            2 * bytes, 2 * bytes, x, x + 1.0f);
    }
}

TEST_P(Report, weights_of_a_norm_are_loaded_by_each_row_and_the_rows_once) {
    const std::int64_t rows = 5, columns = 1000;
    const Array x = matrix(rows, columns), w = zeros({columns}).eval(), b = zeros({columns}).eval();
    const std::size_t bytes = static_cast<std::size_t>(rows * columns * 4);
    expect_one_kernel(
        "layer_norm", [](Array v, Array s, Array t) { return layer_norm(v, s, t); }, 3 * bytes, bytes, x, w,
        b);
    expect_one_kernel("rms_norm", [](Array v, Array s) { return rms_norm(v, s); }, 2 * bytes, bytes, x, w);
    expect_one_kernel(
        "add_rms_norm",
        [](Array v, Array r, Array s) {
            const Array h = v + r;
            return std::tuple(h, rms_norm(h, s));
        },
        3 * bytes, 2 * bytes, x, x + 1.0f, w);
}

TEST_P(Report, what_is_stored_twice_or_kept_between_kernels_is_counted) {
    const Array x = matrix(3, 70);
    const auto both = compile("both", [](Array v) { return std::tuple(v + 1.0f, v * 2.0f); });
    std::ostringstream report;
    both.dump(report, Stage::report, x);
    EXPECT_TRUE(contains(report.str(), ", loads 840 bytes, stores 1680 bytes\n")) << report.str();
    const auto centred = compile("centred", [](Array v) { return v - sum(v, 0); }, {.shapeless = true});
    std::ostringstream between;
    centred.dump(between, Stage::report, x);
    EXPECT_TRUE(contains(between.str(), " ops in 2 kernels with 280 bytes between them\n")) << between.str();
}

Array pairwise_sum(Array a) {
    const Array d = expand_dims(a, 0) - expand_dims(a, 1);
    return sum(d * rsqrt(d * d + 0.01f), 1);
}

TEST_P(Report, sums_over_all_pairs_keep_nothing_in_memory_between) {
    for (std::int64_t n : {100, 2048}) {
        std::ostringstream report;
        compile("pairwise_sum", pairwise_sum).dump(report, Stage::report, zeros({n}).eval());
        EXPECT_TRUE(contains(report.str(), " ops in 1 kernels with 0 bytes between them\n"));
        EXPECT_TRUE(contains(report.str(), ", stores " + std::to_string(n * 4) + " bytes\n"));
    }
}

/// A context whose devices have so many bytes of memory and no more.
class SmallMemory : public ::testing::TestWithParam<const char*> {
protected:
    static constexpr std::int64_t points = 2048;
    void SetUp() override {
        // Half of an array [points, points].
        setenv("HEDDLE_MEMORY_LIMIT", std::to_string(points * points * 4 / 2).c_str(), 1);
    }
    void TearDown() override { unsetenv("HEDDLE_MEMORY_LIMIT"); }
};

TEST_P(SmallMemory, has_room_for_the_sums_over_all_pairs_but_not_for_the_pairs) {
    Context context{ContextOptions{.device = GetParam(), .cache_directory = ""}};
    Context::Scope scope{context};
    const Array a = full({points}, 0.5f).eval();
    const auto f = compile("pairwise_sum", pairwise_sum);
    EXPECT_EQ(floats(f(a)), std::vector<float>(points, 0));
    EXPECT_EQ(floats(f(a)), std::vector<float>(points, 0));
    const auto pairs = compile("pairs", [](Array v) { return expand_dims(v, 0) - expand_dims(v, 1); });
    EXPECT_TRUE(contains(message_of<OutOfMemory>([&] { pairs(a).wait(); }), "pairs"));
}

TEST_P(Report, a_row_alone_is_one_kernel_unless_it_is_long) {
    for (bool shapeless : {true, false}) {
        const auto f = compile("softmax", [](Array v) { return softmax(v); }, {.shapeless = shapeless});
        const auto report_of = [&](const Shape& shape) {
            std::ostringstream report;
            f.dump(report, Stage::report, zeros(shape).eval());
            return report.str();
        };
        for (const Shape& shape : {Shape{1000}, Shape{1, 1000}, Shape{1, 1, 65535}, Shape{2, 1000}})
            EXPECT_TRUE(contains(report_of(shape), " ops in 1 kernels with 0 bytes between them\n"))
                << shape.text();
        for (const Shape& shape : {Shape{1'000'000}, Shape{1, 65536}})
            EXPECT_FALSE(contains(report_of(shape), " ops in 1 kernels ")) << shape.text();
    }
    const auto f = compile("softmax", [](Array v) { return softmax(v); }, {.shapeless = true});
    std::ostringstream report;
    f.dump(report, Stage::report, zeros({1000}).eval());
    EXPECT_TRUE(
        contains(report.str(), " between them\n  the plan where ?n <= 65535, of 2\nkernel @softmax.short.0"));
}

TEST_P(Report, rows_alone_of_every_length_share_one_trace) {
    const auto f = compile("softmax", [](Array v) { return softmax(v); }, {.shapeless = true});
    for (std::int64_t length : {70'000, 7, 65'536, 65'535, 0, 200'000, 1'000}) {
        const std::vector<float> given = floats(f(arange(0, length, 1, Dtype::f32) * 0.001f));
        ASSERT_EQ(given.size(), static_cast<std::size_t>(length));
        double sum = 0;
        for (std::int64_t k = 0; k < length; ++k) sum += std::exp(0.001 * static_cast<double>(k - length));
        for (std::int64_t k = 0; k < length; k += 997)
            EXPECT_NEAR(given[static_cast<std::size_t>(k)] * sum,
                        std::exp(0.001 * static_cast<double>(k - length)), 1e-4)
                << k << " of " << length;
    }
    EXPECT_EQ(f.traces(), 1u);
}

TEST_P(Report, a_chain_of_a_thousand_ops_is_at_most_four_kernels) {
    const auto chain = compile("chain", [](Array v) {
        for (int k = 0; k < 1000; ++k) v = v + 0.001f * static_cast<float>(k % 97 + 1);
        return v;
    });
    std::ostringstream report;
    chain.dump(report, Stage::report, zeros({1001}).eval());
    int operations = 0, kernels = 0;
    std::string word;
    std::istringstream(report.str()) >> operations >> word >> word >> kernels;
    EXPECT_GE(operations, 1000);
    EXPECT_GE(kernels, 1);
    EXPECT_LE(kernels, 4);
}

TEST_P(Report, a_masked_tail_loads_only_what_is_inside) {
    const Array x = zeros({1001}).eval();
    expect_one_kernel("gelu", [](Array v) { return gelu(v); }, 1001 * 4, 1001 * 4, x);
}

TEST_P(Report, chunks_of_a_reduction_load_only_what_is_inside) {
    const auto total = compile("total", [](Array v) { return sum(v); }, {.shapeless = true});
    for (std::int64_t length : {70'001, 65'536, 100'000}) {
        std::ostringstream report;
        total.dump(report, Stage::report, zeros({length}).eval());
        EXPECT_TRUE(contains(report.str(), ", loads " + std::to_string(length * 4) + " bytes, stores "));
    }
}

TEST_P(Report, a_stencil_counts_each_load) {
    const Array x = zeros({1002}).eval();
    // On a GPU the neighbours of four elements are a vector and two elements.
    const int loads = GetParam() == std::string("cpu") ? 3 * 1000 : 6 * 1000 / 4;
    expect_one_kernel(
        "stencil",
        [](Array v) { return slice(v, 0, {0, 1000}) + slice(v, 0, {1, 1001}) + slice(v, 0, {2, 1002}); },
        loads * 4, 1000 * 4, x);
}

INSTANTIATE_TEST_SUITE_P(On, Report, ::testing::Values("cpu", "vulkan"),
                         [](const auto& info) { return std::string(info.param); });
INSTANTIATE_TEST_SUITE_P(On, SmallMemory, ::testing::Values("cpu", "vulkan"),
                         [](const auto& info) { return std::string(info.param); });

} // namespace
