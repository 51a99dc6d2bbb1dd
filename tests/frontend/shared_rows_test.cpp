// Rows that several blocks share on the GPU (passes/lower/shared_rows.h), on a driver that is told to: whatever runs beside them, the
// results have the bits that they always have.

#include "fixture.h"
#include "frontend/context_state.h"
#include "tests/runtime/hazards.h"

#include <cmath>
#include <cstdlib>
#include <functional>
#include <optional>
#include <sstream>
#include <thread>

using namespace heddle;
using namespace heddle::tests;

namespace {

constexpr std::int64_t rows = 5,
                       columns = 6145; ///< one block holds 2,048 to 8,192, by the driver's subgroups

/// There must be a Vulkan driver.
class SharedRows : public ::testing::Test {
protected:
    void SetUp() override {
        ASSERT_EQ(setenv("HEDDLE_RESIDENT_BLOCKS", "128", 1), 0);
        device.emplace(ContextOptions{.device = "vulkan", .cache_directory = ""});
    }
    void TearDown() override { unsetenv("HEDDLE_RESIDENT_BLOCKS"); }

    static Array input(std::int64_t length, float seed = 0.25f) {
        return sin(reshape(arange(rows * length, Dtype::f32), {rows, length}) * seed) * 4.0f;
    }
    static std::vector<float> interpreted(const std::function<Array(Array)>& body, std::int64_t length) {
        Context interpreter(ContextOptions{.device = "interp", .cache_directory = ""});
        Context::Scope scope(interpreter);
        return floats(body(input(length)));
    }
    static void expect_near(const std::vector<float>& given, const std::vector<float>& wanted,
                            double within) {
        ASSERT_EQ(given.size(), wanted.size());
        for (std::size_t k = 0; k < given.size(); ++k)
            ASSERT_NEAR(given[k], wanted[k], within * std::max(1.f, std::fabs(wanted[k]))) << k;
    }

    std::optional<Context> device;
};

Array soft(Array x) { return softmax(x); }
/// Two groups of long rows: the words of the first are cleared again for the second.
Array soft_twice(Array x) { return softmax(transpose(softmax(x * 3.0f), {1, 0}) * 2.0f, 0); }
Array normed(Array x) { return (x - mean(x, 1, true)) * rsqrt(var(x, {1}, true) + 1e-5f); }
Array log_soft(Array x) { return log_softmax(x); }
Array root_mean_square(Array x) { return x * rsqrt(mean(x * x, 1, true) + 1e-5f); }
Array variance(Array x) { return var(x, {1}); }

TEST_F(SharedRows, the_whole_family_of_row_functions_is_shared_and_right) {
    const struct {
        const char* name;
        Array (*function)(Array);
        double within;
    } family[] = {{"soft", soft, 1e-6},
                  {"log_soft", log_soft, 2e-6},
                  {"normed", normed, 1e-5},
                  {"root_mean_square", root_mean_square, 2e-6},
                  {"variance", variance, 1e-5}};
    for (std::int64_t length : {16385, 24000})
        for (const auto& [name, function, within] : family) {
            SCOPED_TRACE(name);
            Context::Scope scope(*device);
            const auto compiled = compile(name, function);
            const Array x = input(length).eval();
            std::ostringstream kernels;
            compiled.dump(kernels, Stage::kernels, x);
            EXPECT_NE(kernels.str().find(".shared"), std::string::npos);
            expect_near(floats(compiled(x)), interpreted(function, length), within);
        }
}

TEST_F(SharedRows, every_call_gives_the_same_bits_whether_parts_came_or_were_computed_again) {
    Context::Scope scope(*device);
    const auto compiled = compile("soft", soft);
    const Array x = input(columns).eval();
    const std::vector<float> first = floats(compiled(x));
    for (int call = 0; call < 20; ++call) ASSERT_EQ(floats(compiled(x)), first) << call;
}

TEST_F(SharedRows, calls_in_flight_do_not_see_the_words_of_others) {
    Context::Scope scope(*device);
    const auto once = compile("soft", soft), twice = compile("soft_twice", soft_twice);
    const Array inputs[] = {input(columns).eval(), input(columns, 0.7f).eval()};
    std::vector<std::vector<float>> wanted;
    for (const Array& x : inputs) wanted.push_back(floats(once(x)));
    for (const Array& x : inputs) wanted.push_back(floats(twice(x)));
    expect_near(wanted[2], interpreted(soft_twice, columns), 1e-6);
    std::vector<Array> results;
    for (int call = 0; call < 16; ++call)
        results.push_back(call % 4 < 2 ? once(inputs[call % 2]) : twice(inputs[call % 2]));
    for (int call = 0; call < 16; ++call) ASSERT_EQ(floats(results[call]), wanted[call % 4]) << call;
}

TEST_F(SharedRows, threads_on_streams_of_their_own_do_not_wait_for_each_other) {
    Context::Scope scope(*device);
    const auto compiled = compile("soft", soft);
    const Array x = input(columns).eval();
    const std::vector<float> wanted = floats(compiled(x));
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            Context::Scope inner(*device);
            for (int call = 0; call < 8; ++call) EXPECT_EQ(floats(compiled(x)), wanted);
        });
    for (std::thread& thread : threads) thread.join();
}

TEST_F(SharedRows, a_function_of_every_size_shares_only_the_long_rows) {
    Context::Scope scope(*device);
    const auto compiled = compile("normed", normed, {.shapeless = true});
    for (std::int64_t length : {0, 3, 700, 6145, 20000, 300000})
        expect_near(floats(compiled(input(length))), interpreted(normed, length), 1e-5);
}

class SharedRowsBarriers : public runtime::testing::HazardTest {
protected:
    /// Barriers that calls with rows of these lengths record in one batch, where so many blocks may share rows.
    static int barriers_of(const char* blocks, std::initializer_list<std::int64_t> lengths) {
        EXPECT_EQ(setenv("HEDDLE_RESIDENT_BLOCKS", blocks, 1), 0);
        Context context{ContextOptions{.device = "vulkan", .cache_directory = ""}};
        const Context::Scope scope{context};
        const auto f = compile("soft", soft, {.shapeless = true});
        std::vector<Array> inputs, results;
        for (const std::int64_t length : lengths) inputs.push_back(ones({rows, length}).eval());
        context.synchronize();
        const runtime::DeviceRef device = context.state()->device();
        unsetenv("HEDDLE_RESIDENT_BLOCKS"); // the device has read it
        leave_out(dynamic_cast<runtime::vulkan::VulkanDevice&>(*device), 0);
        device->hold_queue(true);
        for (const Array& input : inputs) results.push_back(f(input));
        device->hold_queue(false);
        for (const Array& result : results) result.wait();
        return barriers;
    }
};

TEST_F(SharedRowsBarriers, rows_that_are_not_shared_wait_for_no_words) {
    EXPECT_EQ(barriers_of("128", {64, 65, 66}), barriers_of("0", {64, 65, 66}));
    EXPECT_EQ(barriers_of("128", {16385}), barriers_of("0", {16385}) + 1)
        << "behind the step that clears the words";
}

} // namespace
