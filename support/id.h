#pragma once
// Typed 32-bit ids: an index into one table, that cannot be mixed up with an index into another.

#include <compare>
#include <cstdint>
#include <functional>

namespace heddle {

template <class Tag> struct Id {
    static constexpr std::uint32_t none = ~std::uint32_t{0};
    std::uint32_t value = none;

    constexpr Id() = default;
    constexpr explicit Id(std::uint32_t value) : value(value) {}
    constexpr explicit Id(std::size_t value) : value(static_cast<std::uint32_t>(value)) {}
    constexpr bool valid() const { return value != none; }
    constexpr explicit operator bool() const { return valid(); }
    constexpr auto operator<=>(const Id&) const = default;
};

/// A run of elements in a pool.
struct Range {
    std::uint32_t begin = 0;
    std::uint32_t count = 0;
};

} // namespace heddle

template <class Tag> struct std::hash<heddle::Id<Tag>> {
    std::size_t operator()(heddle::Id<Tag> id) const noexcept {
        return id.value * std::size_t{0x9E3779B97F4A7C15};
    }
};
