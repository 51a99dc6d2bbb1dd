// Every rung of the row and column schedules, on both sides of its borders: one function without shapes, called with many, beside
// the interpreter.

#include "fixture.h"

#include <cmath>
#include <random>

using namespace heddle;
using namespace heddle::tests;

namespace {

Array random_array(std::int64_t rows, std::int64_t columns, Dtype dtype) {
    std::minstd_rand random(static_cast<unsigned>(rows * 7919 + columns));
    std::uniform_real_distribution<float> values(-3, 3);
    std::vector<float> elements(static_cast<std::size_t>(rows * columns));
    for (float& element : elements) element = values(random);
    return cast(Array::from(elements, {rows, columns}), dtype);
}

class Schedules : public ::testing::TestWithParam<std::string> {
protected:
    using Function = Array (*)(Array);

    static std::vector<float> run(Context& context, const Compiled<Array(Array)>& function, std::int64_t rows,
                                  std::int64_t columns, Dtype dtype) {
        Context::Scope scope(context);
        return cast(function(random_array(rows, columns, dtype)), Dtype::f32).to_vector<float>();
    }

    void compare(const std::string& name, Function function, Dtype dtype, double tolerance,
                 const std::vector<std::pair<std::int64_t, std::int64_t>>& shapes) {
        Context device(ContextOptions{.device = GetParam(), .cache_directory = ""});
        Context interpreter(ContextOptions{.device = "interp", .cache_directory = ""});
        const auto make = [&](Context& context) {
            Context::Scope scope(context);
            return compile(name, function, {.shapeless = true});
        };
        const auto given = make(device), wanted = make(interpreter);
        for (const auto& [rows, columns] : shapes) {
            const std::vector<float> a = run(device, given, rows, columns, dtype);
            const std::vector<float> b = run(interpreter, wanted, rows, columns, dtype);
            ASSERT_EQ(a.size(), b.size());
            for (std::size_t k = 0; k < a.size(); ++k)
                ASSERT_NEAR(a[k], b[k], tolerance * std::max(1.f, std::fabs(b[k])))
                    << name << " of [" << rows << ", " << columns << "], element " << k;
        }
    }

    /// Lengths around what 4, 8, 16, 32 and more invocations hold, of vectors and of single elements.
    static std::vector<std::pair<std::int64_t, std::int64_t>> rows() {
        std::vector<std::pair<std::int64_t, std::int64_t>> shapes;
        for (std::int64_t length :
             {2,   3,   4,   15,  16,  17,   20,   63,   64,   65,   68,   127,  128,  129,  252,  256,
              257, 260, 511, 512, 516, 1023, 1024, 1025, 2044, 2048, 2052, 4095, 4096, 4100, 16388})
            for (std::int64_t count :
                 length < 300 ? std::vector<std::int64_t>{1, 5, 64, 65} : std::vector<std::int64_t>{3})
                shapes.emplace_back(count, length);
        return shapes;
    }
    static std::vector<std::pair<std::int64_t, std::int64_t>> columns() {
        std::vector<std::pair<std::int64_t, std::int64_t>> shapes;
        for (std::int64_t length : {2, 31, 127, 128, 129, 500, 513})
            for (std::int64_t count : {2, 3, 4, 31, 32, 33, 64, 260}) shapes.emplace_back(length, count);
        shapes.emplace_back(140000, 3);
        return shapes;
    }
};

Array softmax_rows(Array x) { return softmax(x); }
Array sum_rows(Array x) { return sum(x, {1}); }
Array argmax_rows(Array x) { return argmax(x, 1); }
Array sum_columns(Array x) { return sum(x, {0}); }
Array variance_columns(Array x) { return var(x, {0}); }
Array argmin_columns(Array x) { return argmin(x, 0); }

TEST_P(Schedules, rows_of_every_length_are_normalised) {
    compare("softmax_rows", softmax_rows, Dtype::f32, 4e-6, rows());
}
TEST_P(Schedules, rows_of_halves_are_normalised) {
    compare("softmax_rows", softmax_rows, Dtype::f16, 2e-3, rows());
}
TEST_P(Schedules, rows_of_every_length_are_summed) {
    compare("sum_rows", sum_rows, Dtype::f32, 2e-5, rows());
}
TEST_P(Schedules, the_largest_of_every_row_is_found) {
    compare("argmax_rows", argmax_rows, Dtype::f32, 0, rows());
}
TEST_P(Schedules, columns_of_every_length_are_summed) {
    compare("sum_columns", sum_columns, Dtype::f32, 1e-4, columns());
}
TEST_P(Schedules, columns_of_halves_have_their_variance) {
    compare("variance_columns", variance_columns, Dtype::f16, 4e-3, columns());
}
TEST_P(Schedules, the_smallest_of_every_column_is_found) {
    compare("argmin_columns", argmin_columns, Dtype::f32, 0, columns());
}

TEST_P(Schedules, an_input_that_is_not_aligned_takes_the_scalar_form) {
    Context context(ContextOptions{.device = GetParam(), .cache_directory = ""});
    Context::Scope scope(context);
    const auto doubled = compile<Array(Array)>("doubled", [](Array x) { return x + x; });
    std::vector<float> elements(65);
    for (std::size_t k = 0; k < elements.size(); ++k) elements[k] = static_cast<float>(k);
    const Array whole = Array::from(elements, {65}).eval();
    const std::vector<float> result = doubled(slice(whole, 0, {1, 65})).to_vector<float>();
    ASSERT_EQ(result.size(), 64u);
    for (std::size_t k = 0; k < result.size(); ++k) EXPECT_EQ(result[k], 2 * static_cast<float>(k + 1));
}

INSTANTIATE_TEST_SUITE_P(Devices, Schedules, ::testing::ValuesIn(with_vulkan({"cpu"})),
                         [](const auto& info) { return info.param; });

} // namespace
