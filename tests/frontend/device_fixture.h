#pragma once
// Tests that run on each device, and arrays beside values that are written out.

#include "fixture.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace heddle::tests {

inline std::vector<std::string> usable_devices() { return with_vulkan({"interp", "cpu"}); }

class DeviceTest : public ::testing::TestWithParam<std::string> {
protected:
    Context context{ContextOptions{.device = GetParam(), .cache_directory = ""}};
    Context::Scope scope{context};

    /// Elements as doubles.
    static std::vector<double> values(const Array& array) {
        const std::vector<float> narrow = cast(array, Dtype::f32).to_vector<float>();
        return {narrow.begin(), narrow.end()};
    }
    static void expect(const Array& array, const std::vector<double>& wanted, const std::string& shape,
                       double tolerance = 2e-6) {
        EXPECT_EQ(array.shape().text(), shape);
        const std::vector<double> given = values(array);
        ASSERT_EQ(given.size(), wanted.size());
        for (std::size_t k = 0; k < wanted.size(); ++k) {
            if (std::isnan(wanted[k]))
                EXPECT_TRUE(std::isnan(given[k])) << "element " << k;
            else if (std::isinf(wanted[k]))
                EXPECT_EQ(given[k], wanted[k]) << "element " << k;
            else
                EXPECT_NEAR(given[k], wanted[k], tolerance * std::max(1.0, std::fabs(wanted[k])))
                    << "element " << k;
        }
    }
};

} // namespace heddle::tests
