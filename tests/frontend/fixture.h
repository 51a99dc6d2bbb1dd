#pragma once
// A context of its own for each test, on the interpreter: what these tests are about happens before any device.

#include <heddle/heddle.h>

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace heddle::tests {

class FrontendTest : public ::testing::Test {
protected:
    Context context{ContextOptions{.device = "interp", .cache_directory = ""}};
    Context::Scope scope{context};
};

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
