#pragma once
// A context of its own for each test, on the interpreter: what these tests are about happens before any device.

#include <heddle/heddle.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace heddle::tests {

class FrontendTest : public ::testing::Test {
protected:
    Context context{ContextOptions{.device = "interp", .cache_directory = ""}};
    Context::Scope scope{context};
};

/// What is there to run on. Asked once a process: each answer starts and ends a Vulkan driver.
inline const std::vector<DeviceSummary>& known_devices() {
    static const std::vector<DeviceSummary> known = devices();
    return known;
}

inline bool has_vulkan() {
    return std::ranges::any_of(known_devices(), [](const DeviceSummary& device) {
        return device.name.starts_with("vulkan") && device.refused.empty();
    });
}

/// `names` and, where a driver is there, Vulkan; the tests' names say which ran.
inline std::vector<std::string> with_vulkan(std::vector<std::string> names) {
    if (has_vulkan()) names.push_back("vulkan");
    return names;
}

/// The message of the error of type E that `act` ends with; fails the test when it ends otherwise.
template <class E, class Act> std::string message_of(Act act) {
    try {
        act();
    } catch (const E& error) {
        return error.what();
    } catch (const std::exception& error) {
        ADD_FAILURE() << "another error: " << error.what();
        return {};
    }
    ADD_FAILURE() << "no error";
    return {};
}

inline ::testing::AssertionResult contains(const std::string& text, const std::string& part) {
    if (text.find(part) != std::string::npos) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "'" << text << "' does not contain '" << part << "'";
}

inline std::vector<float> floats(const Array& array) { return array.to_vector<float>(); }

} // namespace heddle::tests
