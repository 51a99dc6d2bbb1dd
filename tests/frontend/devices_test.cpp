// Names of devices that do not exist: errors say who asked for them, and where.

#include "fixture.h"

#include <heddle/error.h>

using namespace heddle;
using namespace heddle::tests;

namespace {

class DeviceNames : public FrontendTest {
protected:
    /// The message of what `act` throws: begins with who asked, ends with a line of this file.
    template <class Act> static void expect_unknown(const std::string& who, Act act) {
        const std::string message = message_of<UsageError>(act);
        EXPECT_TRUE(message.starts_with(who + ": no device is called 'tpu'; there are cpu (")) << message;
        EXPECT_TRUE(contains(message, " (devices_test.cpp:"));
        EXPECT_EQ(message.find('\n'), message.npos) << message;
    }
};

TEST_F(DeviceNames, an_array_that_is_to_go_to_an_unknown_device_stays_where_it_is) {
    const Array x{1.f, 2.f};
    expect_unknown("to", [&] { x.to("tpu"); });
    expect_unknown("to", [&] { (x + 1.0f).to("tpu"); });
    EXPECT_EQ(floats(x.to("cpu")), (std::vector<float>{1, 2}));
}

TEST_F(DeviceNames, a_function_compiled_for_an_unknown_device_names_itself) {
    const auto f = compile("doubled", [](Array x) { return x * 2.0f; }, {.device = "tpu"});
    const Array x{1.f};
    expect_unknown("doubled", [&] { f(x); });
    EXPECT_EQ(f.traces(), 0u);
    const auto none = compile("none", [] { return zeros({2}); }, {.device = "tpu"});
    expect_unknown("none", [&] { none(); });
}

TEST_F(DeviceNames, a_context_with_an_unknown_device_says_so_where_it_is_needed) {
    Context wrong{ContextOptions{.device = "tpu", .cache_directory = ""}};
    Context::Scope inside(wrong);
    expect_unknown("array", [] { Array{1.f}; });
    expect_unknown("eval", [] { zeros({2}).eval(); });
    expect_unknown("to_vector", [] { zeros({2}).to_vector<float>(); });
    const auto f = compile("doubled", [](Array x) { return x * 2.0f; });
    expect_unknown("doubled", [&] { f(1.0f); });
}

TEST_F(DeviceNames, an_unknown_default_device_is_refused_and_the_old_one_stays) {
    expect_unknown("set_default_device", [&] { context.set_default_device("tpu"); });
    EXPECT_EQ(context.default_device(), "interp");
}

} // namespace
