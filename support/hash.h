#pragma once
// Mixing for in-memory hash tables. Keys that leave the process (the disk cache) use XXH3 through support/digest.h.

#include <cstddef>
#include <cstdint>
#include <span>

namespace heddle {

constexpr std::uint64_t hash_mix(std::uint64_t seed, std::uint64_t value) {
    std::uint64_t h = (seed ^ value) * 0x9DDFEA08EB382D69ull;
    h ^= h >> 47;
    return h * 0xC2B2AE3D27D4EB4Full + value;
}

template <class T> constexpr std::uint64_t hash_span(std::uint64_t seed, std::span<const T> values) {
    for (const T& value : values) seed = hash_mix(seed, static_cast<std::uint64_t>(value));
    return hash_mix(seed, values.size());
}

} // namespace heddle
