// Kernels with 64-bit indices on the GPU, at sizes that do not need them: HEDDLE_INDEX_LIMIT lowers what 32-bit ones may reach. The
// results are compared with the interpreter's.

#include "fixture.h"

#include <heddle/error.h>

#include <cstdlib>
#include <functional>
#include <optional>
#include <sstream>

using namespace heddle;
using namespace heddle::tests;

namespace {

constexpr std::int64_t limit = 64; ///< elements

/// A Vulkan device whose 32-bit indices reach `limit` elements. There must be a driver.
class IndexWidth : public ::testing::Test {
protected:
    static ContextOptions on(const char* device) { return {.device = device, .cache_directory = ""}; }

    void SetUp() override {
        ASSERT_EQ(setenv("HEDDLE_INDEX_LIMIT", std::to_string(limit).c_str(), 1), 0);
        vulkan.emplace(on("vulkan"));
        vulkan->set_default_device("vulkan");
    }
    void TearDown() override { unsetenv("HEDDLE_INDEX_LIMIT"); }

    static std::vector<float> values_on(Context& context, const std::function<Array()>& make) {
        Context::Scope scope(context);
        return cast(make(), Dtype::f32).to_vector<float>();
    }

    using Body = std::function<Array(Array)>;
    /// A shapeless function of x[rows, columns] takes another kernel at the first size past the limit, and only there.
    void expect_another_kernel(const char* name, const Body& body, std::int64_t most_rows,
                               std::int64_t columns, std::uint64_t kernels = 1) {
        Context interpreter(on("interp"));
        Context::Scope scope(*vulkan);
        auto f = compile(name, body, {.shapeless = true});
        const auto input = [&](std::int64_t rows) {
            return reshape(arange(rows * columns, Dtype::f32), {rows, columns}) * 0.25f - 3.0f;
        };
        const auto kernels_at = [&](std::int64_t rows) {
            const Array x = input(rows);
            x.eval();
            const std::uint64_t before = vulkan->statistics().kernels_compiled;
            const std::vector<float> given = cast(f(x), Dtype::f32).to_vector<float>();
            const std::uint64_t compiled = vulkan->statistics().kernels_compiled - before;
            const std::vector<float> wanted = values_on(interpreter, [&] { return body(input(rows)); });
            EXPECT_EQ(given.size(), wanted.size());
            for (std::size_t k = 0; k < std::min(given.size(), wanted.size()); ++k)
                EXPECT_NEAR(given[k], wanted[k], 1e-5 * std::max(1.0f, std::abs(wanted[k])))
                    << name << " " << k;
            return compiled;
        };
        EXPECT_EQ(kernels_at(most_rows - 1), kernels) << name;
        EXPECT_EQ(kernels_at(most_rows), 0u) << name;
        EXPECT_EQ(kernels_at(most_rows + 1), 1u) << name;
        EXPECT_EQ(kernels_at(most_rows * 3 + 1), 0u) << name;
    }

    std::optional<Context> vulkan;
};

TEST_F(IndexWidth, pointwise_kernels_widen_past_the_limit) {
    expect_another_kernel("scaled", [](Array x) { return x * 2.0f + 1.0f; }, limit / 8, 8);
    expect_another_kernel("mirrored", [](Array x) { return flip(x, {1}) - x; }, limit / 4, 4);
}

TEST_F(IndexWidth, row_kernels_widen_past_the_limit) {
    expect_another_kernel("soft", [](Array x) { return softmax(x); }, limit / 8, 8);
    expect_another_kernel("centred", [](Array x) { return x - mean(x, 1, true); }, 21, 3);
}

TEST_F(IndexWidth, column_kernels_widen_past_the_limit) {
    expect_another_kernel("columns", [](Array x) { return sum(x, 0); }, limit / 8, 8);
    expect_another_kernel("odd_columns", [](Array x) { return max(x, 0); }, 12, 5);
}

TEST_F(IndexWidth, tables_widen_by_their_own_size) {
    // The places are made ready by a kernel of their own.
    const auto looked_up = [](Array x) {
        return take(x, Array{std::int64_t{2}, std::int64_t{-7}, std::int64_t{1} << 40});
    };
    expect_another_kernel("looked_up", looked_up, limit / 8, 8, 2);
    const auto looked_up_narrow = [](Array x) { return take(x, Array{2, -7, 100, 0}, 1); };
    expect_another_kernel("looked_up_narrow", looked_up_narrow, limit / 8, 8, 2);
}

// 32 bits cannot hold every index that data may give; the nearest place of the axis counts all the same.
TEST_F(IndexWidth, an_index_beyond_32_bits_is_clamped_as_what_it_is) {
    const auto body = [] {
        const Array table{10.f, 11.f, 12.f};
        const Array near =
            take(table, Array{std::int64_t{1} << 32, -(std::int64_t{1} << 40), std::int64_t{1}});
        return near + take(table, Array{0xFFFFFFFFu, 0x80000000u, 0u});
    };
    Context interpreter(on("interp"));
    EXPECT_EQ(values_on(*vulkan, body), values_on(interpreter, body));
    EXPECT_EQ(values_on(*vulkan, body), (std::vector<float>{24, 22, 21}));
}

// ---- places of the graph: i32 where the sizes are known to fit, else i64

class Places : public ::testing::TestWithParam<const char*> {
protected:
    Context context{ContextOptions{.device = GetParam(), .cache_directory = ""}};
    Context::Scope scope{context};
};

TEST_P(Places, a_negative_index_counts_from_an_end_that_its_dtype_cannot_hold) {
    const Array table = arange(300);
    const auto lookup = [](Array x, Array at) { return take(x, at); };
    const Array last = cast(Array{-1, -128, 127}, Dtype::i8).eval();
    const std::vector<int> expected{299, 172, 127};
    EXPECT_EQ(lookup(table, last).to_vector<int>(), expected);
    EXPECT_EQ(compile("lookup", lookup, {.shapeless = true})(table, last).to_vector<int>(), expected);
}

TEST_P(Places, a_block_starts_at_the_nearest_place_to_an_index_beyond_32_bits) {
    const Array x = arange(6), far(std::int64_t{1} << 32);
    EXPECT_EQ(dynamic_slice(x, {far}, {2}).to_vector<int>(), (std::vector<int>{4, 5}));
    EXPECT_EQ(slice_update(x, Array{8, 9}, {far}).to_vector<int>(), (std::vector<int>{0, 1, 2, 3, 8, 9}));
    EXPECT_EQ(dynamic_slice(x, {Array(std::uint64_t{1} << 63)}, {1}).to_vector<int>(), std::vector<int>{5});
}

INSTANTIATE_TEST_SUITE_P(Devices, Places, ::testing::Values("interp", "cpu", "vulkan"),
                         [](const auto& info) { return std::string(info.param); });

/// Of kernels alone: the interpreter writes every array out.
class PlacesOfKernels : public Places {};

TEST_P(PlacesOfKernels, an_axis_of_more_than_2_to_the_31_is_read_to_its_end) {
    // Never in memory: a gather from an iota, or a view of one, is arithmetic.
    const auto ends = compile("ends", [](Array at) {
        const Array table = arange(3'000'000'000, Dtype::i64);
        const Array columns = transpose(reshape(table, {50'000, 60'000}));
        return stack({take(table, at), take(flip(table, 0), at), take(reshape(columns, {-1}), at)});
    });
    EXPECT_EQ(ends(Array{-1, 5}).to_vector<std::int64_t>(),
              (std::vector<std::int64_t>{2'999'999'999, 5, 0, 2'999'999'994, 2'999'999'999, 300'000}));
}

INSTANTIATE_TEST_SUITE_P(Devices, PlacesOfKernels, ::testing::Values("cpu", "vulkan"),
                         [](const auto& info) { return std::string(info.param); });

TEST(PlacesOfATrace, are_64_bits_wide_where_an_axis_may_be_too_long_for_32) {
    const auto trace_of = [](bool shapeless) {
        auto rows = compile("rows", [](Array x, Array at) { return take(x, at); }, {.shapeless = shapeless});
        std::ostringstream text;
        rows.dump(text, Stage::trace, zeros({4, 3}), Array{-1});
        return text.str();
    };
    const std::string any_size = trace_of(true), one_size = trace_of(false);
    EXPECT_TRUE(contains(any_size, "iota {axis = 1} : i64[")) << any_size;
    EXPECT_TRUE(contains(any_size, "dim {extent = ") && contains(any_size, "} : i64[]")) << any_size;
    EXPECT_TRUE(contains(one_size, "iota {axis = 1} : i32[")) << one_size;
    EXPECT_FALSE(contains(one_size, "i64")) << one_size;
}

} // namespace
