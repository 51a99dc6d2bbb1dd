#pragma once
// Keys that leave the process: 128 bits of XXH3 over bytes. Files on disk are named by them.

#include "support/integers.h"

#include <compare>
#include <cstddef>
#include <span>
#include <string>

namespace heddle {

struct Digest {
    u64 high = 0, low = 0;
    auto operator<=>(const Digest&) const = default;
    /// 32 hexadecimal digits.
    std::string text() const;
};

Digest digest(std::span<const std::byte> bytes);
/// 64 bits of it.
u64 digest64(std::span<const std::byte> bytes);

} // namespace heddle
