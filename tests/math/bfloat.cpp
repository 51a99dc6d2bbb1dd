#include "tests/math/bfloat.h"

#include "passes/math/bfloat.h"
#include "tests/math/context_host.h"

#include <bit>

namespace heddle::tests {
namespace {

std::uint32_t rounded(std::uint32_t bits) {
    HostContext<float, true> c;
    const Whole<std::int32_t> word = passes::math::round_to_bfloat(c, {std::bit_cast<float>(bits)});
    return static_cast<std::uint32_t>(word.v) >> 16;
}

/// Of one sign, bit patterns are in the order of their magnitudes, and infinity comes after the largest number.
std::uint32_t nearest(std::uint32_t bits) {
    const std::uint32_t below = bits >> 16, above = below + 1;
    const std::uint32_t from_below = bits - (below << 16), to_above = (above << 16) - bits;
    const std::uint32_t even = (below & 1) == 0 ? below : above;
    const std::uint32_t nearer = from_below < to_above ? below : from_below > to_above ? above : even;
    return (bits & 0x7FFFFFFF) > 0x7F800000 ? below | 0x40 : nearer;
}

} // namespace

std::uint16_t rounded_to_bfloat(std::uint32_t bits) { return static_cast<std::uint16_t>(rounded(bits)); }
std::uint16_t nearest_bfloat(std::uint32_t bits) { return static_cast<std::uint16_t>(nearest(bits)); }

std::uint64_t count_wrong_bfloats(std::uint64_t first, std::uint64_t last) {
    std::uint64_t wrong = 0;
    constexpr std::uint64_t step = 1 << 16; // inside, counts of 32 bits
    for (std::uint64_t low = first; low <= last; low += step) {
        const auto begin = static_cast<std::uint32_t>(low);
        const auto count = static_cast<std::uint32_t>(last - low < step ? last - low + 1 : step);
        std::uint32_t part = 0;
        for (std::uint32_t k = 0; k < count; ++k) part += rounded(begin + k) != nearest(begin + k);
        wrong += part;
    }
    return wrong;
}

} // namespace heddle::tests
