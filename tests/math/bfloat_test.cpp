// Rounding to bf16: all 2^32 inputs.

#include "support/numeric.h"
#include "tests/math/bfloat.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

namespace heddle::tests {
namespace {

TEST(Bfloat, IsTheNearestOfEveryFloatWithTiesToEven) { EXPECT_EQ(count_wrong_bfloats(0, 0xFFFFFFFF), 0u); }

// What the interpreter computes, in double, around what decides: the ends and the middle between each bf16 and the next.
TEST(Bfloat, IsWhatTheInterpreterGives) {
    for (std::uint32_t upper = 0; upper < 0x10000; ++upper)
        for (std::uint32_t lower : {0u, 1u, 0x7FFFu, 0x8000u, 0x8001u, 0xFFFFu}) {
            const std::uint32_t bits = upper << 16 | lower;
            const float value = std::bit_cast<float>(bits);
            const u16 given = rounded_to_bfloat(bits);
            if (std::isnan(value))
                ASSERT_TRUE(std::isnan(bf16_value(given))) << std::hex << bits << " gives " << given;
            else
                ASSERT_EQ(given, bf16_bits(value)) << std::hex << bits;
        }
}

TEST(Bfloat, NaNKeepsItsSignAndIsQuiet) {
    for (std::uint32_t bits : {0x7F800001u, 0xFF800001u, 0x7FFFFFFFu, 0xFFC00000u, 0x7FA50000u}) {
        EXPECT_EQ(rounded_to_bfloat(bits), bits >> 16 | 0x40) << std::hex << bits;
        EXPECT_EQ(nearest_bfloat(bits), bits >> 16 | 0x40) << std::hex << bits;
    }
}

} // namespace
} // namespace heddle::tests
