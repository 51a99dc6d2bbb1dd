// What Stage::report says of a function: how many kernels, which variant the sizes run, and that each input element is loaded once.

#include "fixture.h"

#include <sstream>

using namespace heddle;
using namespace heddle::tests;

namespace {

class Report : public ::testing::TestWithParam<const char*> {
protected:
    Context context{ContextOptions{.device = GetParam(), .cache_directory = ""}};
    Context::Scope scope{context};

    static std::string line_with(const std::string& text, const std::string& part) {
        std::istringstream lines(text);
        for (std::string line; std::getline(lines, line);)
            if (line.find(part) != std::string::npos) return line;
        return {};
    }

    /// One kernel that loads `bytes`.
    template <class Function, class... Arrays>
    void expect_one_kernel(const char* name, Function function, std::size_t bytes, const Arrays&... arrays) {
        const auto compiled = compile(name, function, {.shapeless = true});
        std::ostringstream report;
        compiled.dump(report, Stage::report, arrays...);
        EXPECT_TRUE(contains(report.str(), " ops in 1 kernels")) << name << "\n" << report.str();
        EXPECT_TRUE(contains(report.str(), ", loads " + std::to_string(bytes) + " bytes\n")) << name << "\n"
                                                                                             << report.str();
    }
};

Array matrix(std::int64_t rows, std::int64_t columns, Dtype dtype = Dtype::f32) {
    return zeros({rows, columns}, dtype).eval();
}

TEST_P(Report, row_functions_are_one_kernel_that_loads_each_element_once) {
    // Rows that fill vectors, rows that do not, and rows of several steps.
    for (std::int64_t columns : {64, 333, 1000, 2048, 4096}) {
        const Array x = matrix(6, columns), w = zeros({columns}).eval(), b = zeros({columns}).eval();
        const std::size_t bytes = static_cast<std::size_t>(6 * columns * 4);
        expect_one_kernel("softmax", [](Array v) { return softmax(v); }, bytes, x);
        expect_one_kernel("log_softmax", [](Array v) { return log_softmax(v); }, bytes, x);
        expect_one_kernel("var", [](Array v) { return var(v, -1); }, bytes, x);
    }
}

TEST_P(Report, weights_of_a_norm_are_loaded_by_each_row_and_the_rows_once) {
    const std::int64_t rows = 5, columns = 1000;
    const Array x = matrix(rows, columns), w = zeros({columns}).eval(), b = zeros({columns}).eval();
    const std::size_t matrix_bytes = static_cast<std::size_t>(rows * columns * 4);
    expect_one_kernel(
        "layer_norm", [](Array v, Array s, Array t) { return layer_norm(v, s, t); }, 3 * matrix_bytes, x, w,
        b);
    expect_one_kernel("rms_norm", [](Array v, Array s) { return rms_norm(v, s); }, 2 * matrix_bytes, x, w);
    expect_one_kernel(
        "add_rms_norm",
        [](Array v, Array r, Array s) {
            const Array h = v + r;
            return std::tuple(h, rms_norm(h, s));
        },
        3 * matrix_bytes, x, x + 1.0f, w);
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
    expect_one_kernel("gelu", [](Array v) { return gelu(v); }, 1001 * 4, x);
}

TEST_P(Report, a_broadcast_operand_of_a_stencil_counts_each_load) {
    const Array x = zeros({1002}).eval();
    expect_one_kernel(
        "stencil",
        [](Array v) { return slice(v, 0, {0, 1000}) + slice(v, 0, {1, 1001}) + slice(v, 0, {2, 1002}); },
        3 * 1000 * 4, x);
}

INSTANTIATE_TEST_SUITE_P(On, Report, ::testing::Values("cpu", "vulkan"),
                         [](const auto& info) { return std::string(info.param); });

} // namespace
