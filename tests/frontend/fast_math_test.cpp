// fast_math: other code, within the bounds that docs/math.md gives for it, and kept apart in the caches.

#include "fixture.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <ostream>
#include <sstream>
#include <unistd.h>

using namespace heddle;
using namespace heddle::tests;
namespace fs = std::filesystem;

namespace {

struct Function {
    const char* name;
    Array (*on_array)(Array);
    double (*exact)(double);
    float low, high;
};

void PrintTo(const Function& function, std::ostream* out) { *out << function.name; }

constexpr Function functions[] = {
    {"exp", [](Array x) { return exp(x); }, [](double x) { return std::exp(x); }, -80, 80},
    {"exp2", [](Array x) { return exp2(x); }, [](double x) { return std::exp2(x); }, -120, 120},
    {"log", [](Array x) { return log(x); }, [](double x) { return std::log(x); }, 1e-6f, 1e6f},
    {"log2", [](Array x) { return log2(x); }, [](double x) { return std::log2(x); }, 1e-6f, 1e6f},
    {"log10", [](Array x) { return log10(x); }, [](double x) { return std::log10(x); }, 1e-6f, 1e6f},
    {"sin", [](Array x) { return sin(x); }, [](double x) { return std::sin(x); }, -3.14f, 3.14f},
    {"cos", [](Array x) { return cos(x); }, [](double x) { return std::cos(x); }, -3.14f, 3.14f},
    {"tan", [](Array x) { return tan(x); }, [](double x) { return std::tan(x); }, -1, 1},
    {"tanh", [](Array x) { return tanh(x); }, [](double x) { return std::tanh(x); }, -100, 100},
    {"rsqrt", [](Array x) { return rsqrt(x); }, [](double x) { return 1 / std::sqrt(x); }, 1e-6f, 1e6f},
    {"erf", [](Array x) { return erf(x); }, [](double x) { return std::erf(x); }, -6, 6},
    {"asin", [](Array x) { return asin(x); }, [](double x) { return std::asin(x); }, -1, 1},
    {"power", [](Array x) { return power(x, 2.5f); }, [](double x) { return std::pow(x, 2.5); }, 0, 1e6f},
    {"cube", [](Array x) { return power(x, 3.0f + 0.0f * x); }, [](double x) { return x * x * x; }, -50, 50},
    {"divide", [](Array x) { return x / 3.0f + x * x; }, [](double x) { return x / 3 + x * x; }, -9, 9},
};

class FastMath : public ::testing::TestWithParam<std::tuple<const char*, Function>> {};

bool is_there(const std::string& name) {
    return std::ranges::any_of(known_devices(), [&](const DeviceSummary& device) {
        return device.name.starts_with(name) && device.refused.empty();
    });
}

std::vector<float> between(float low, float high) {
    std::vector<float> values;
    for (int k = 0; k < 4099; ++k)
        values.push_back(low + (high - low) * (static_cast<float>(k) + 0.5f) / 4099.0f);
    return values;
}

// Functions of a Vulkan device are promised to 2^-11 absolute (sin and cos), the short expansions to 2^-13 relative.
TEST_P(FastMath, is_within_its_bound) {
    const auto& [device, function] = GetParam();
    if (!is_there(device)) GTEST_SKIP() << "this machine has no device " << device;
    Context context({.device = device, .cache_directory = ""});
    const Context::Scope scope(context);
    const std::vector<float> x = between(function.low, function.high);
    const auto fast = compile("fast", function.on_array, {.fast_math = true});
    const std::vector<float> y = floats(fast(Array::from(x)));
    const bool native = std::string(device) != "cpu";
    for (std::size_t k = 0; k < x.size(); ++k) {
        const double exact = function.exact(x[k]), size = std::abs(exact);
        const double bound = native ? 0x1p-11 * std::max(size, 1.0) : 0x1p-12 * size + 1e-37;
        ASSERT_LE(std::abs(y[k] - exact), bound) << function.name << " of " << x[k] << " gives " << y[k];
    }
}

INSTANTIATE_TEST_SUITE_P(Devices, FastMath,
                         ::testing::Combine(::testing::Values("cpu", "vulkan"),
                                            ::testing::ValuesIn(functions)),
                         [](const auto& info) {
                             return std::string(std::get<0>(info.param)) + "_" + std::get<1>(info.param).name;
                         });

TEST(FastMathOnCpu, infinities_nan_and_zeros_go_through_the_short_forms) {
    Context context({.device = "cpu", .cache_directory = ""});
    const Context::Scope scope(context);
    const float inf = INFINITY;
    const auto fast = [](auto body) { return compile("fast", body, {.fast_math = true}); };
    const Array x{0.f, inf, -inf, NAN};
    const std::vector<float> e = floats(fast([](Array a) { return exp(a); })(x));
    EXPECT_EQ((std::vector(e.begin(), e.begin() + 3)), (std::vector<float>{1, inf, 0}));
    EXPECT_TRUE(std::isnan(e[3]));
    const std::vector<float> l = floats(fast([](Array a) { return log(a); })(x));
    EXPECT_EQ((std::vector(l.begin(), l.begin() + 2)), (std::vector<float>{-inf, inf}));
    EXPECT_TRUE(std::isnan(l[2]) && std::isnan(l[3]));
    const std::vector<float> t = floats(fast([](Array a) { return tanh(a); })(x));
    EXPECT_EQ(t[0], 0);
    EXPECT_NEAR(t[1], 1, 0x1p-12);
    EXPECT_NEAR(t[2], -1, 0x1p-12);
    EXPECT_TRUE(std::isnan(t[3]));
}

std::string assembly_of(bool fast_math) {
    const auto function =
        compile("f", [](Array x) { return tanh(x) * x + 1.0f; }, CompileOptions{.fast_math = fast_math});
    std::ostringstream text;
    function.dump(text, Stage::llvm, Array{1.f, 2.f});
    return text.str();
}

TEST(FastMathOnCpu, the_code_is_shorter_and_contracts) {
    Context context({.device = "cpu", .cache_directory = ""});
    const Context::Scope scope(context);
    EXPECT_LT(assembly_of(true).size(), assembly_of(false).size());
}

TEST(FastMathOnCpu, caches_keep_exact_and_fast_kernels_apart) {
    const fs::path folder =
        fs::temp_directory_path() / ("heddle_fast_math_test_" + std::to_string(::getpid()));
    fs::remove_all(folder);
    const auto body = [](Array x) { return tanh(x); };
    const Array x{0.25f, 0.75f};
    std::vector<float> exact, fast;
    for (int process = 0; process < 2; ++process) {
        Context context({.device = "cpu", .cache_directory = folder.string()});
        const Context::Scope scope(context);
        const auto exactly = compile("f", body), quickly = compile("f", body, {.fast_math = true});
        const std::vector<float> a = floats(exactly(x)), b = floats(quickly(x));
        EXPECT_NE(a, b);
        EXPECT_EQ(context.statistics().kernels_compiled, process == 0 ? 2u : 0u);
        EXPECT_EQ(context.statistics().kernels_loaded, process == 0 ? 0u : 2u);
        if (process == 0) exact = a, fast = b;
        EXPECT_EQ(a, exact);
        EXPECT_EQ(b, fast);
    }
    fs::remove_all(folder);
}

} // namespace
