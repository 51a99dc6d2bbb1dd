#pragma once
// Size classes of the memory pools, and the lists in which freed pieces wait for the next request of their class: four
// classes for each power of two, one short lock a class.

#include "runtime/spin_lock.h"
#include "support/integers.h"

#include <array>
#include <bit>
#include <cstddef>
#include <mutex>
#include <new>
#include <optional>
#include <vector>

namespace heddle::runtime {

/// `Smallest` is a power of two, the size of the smallest class and the unit of all.
template <std::size_t Smallest> struct SizeClasses {
    static constexpr u32 lowest = std::bit_width(Smallest) - 1;
    static constexpr u32 count = 4 * (54 - lowest);

    // Class 4 * k + j holds (4 + j) / 4 * 2^k * Smallest bytes, in whole units.
    static constexpr u32 of(std::size_t bytes) {
        if (bytes <= Smallest) return 0;
        std::size_t last = bytes - 1;
        u32 power = static_cast<u32>(std::bit_width(last)) - 1;
        u32 quarter = static_cast<u32>(last >> (power - 2)) & 3;
        return 4 * (power - lowest) + quarter + 1;
    }
    static constexpr std::size_t bytes(u32 size_class) {
        std::size_t exact = (std::size_t{4 + (size_class & 3)} << (size_class / 4)) * Smallest / 4;
        return (exact + Smallest - 1) / Smallest * Smallest;
    }
};

/// Freed pieces by class. Any thread may put and take.
template <class Piece, u32 Count> class IdlePieces {
public:
    std::optional<Piece> take(u32 size_class) noexcept {
        std::lock_guard guard(lists_[size_class].lock);
        std::vector<Piece>& pieces = lists_[size_class].pieces;
        if (pieces.empty()) return std::nullopt;
        Piece piece = pieces.back();
        pieces.pop_back();
        return piece;
    }
    /// False when the class holds enough already.
    bool put(u32 size_class, Piece piece) noexcept {
        std::lock_guard guard(lists_[size_class].lock);
        std::vector<Piece>& pieces = lists_[size_class].pieces;
        if (pieces.size() >= most) return false;
        try {
            pieces.push_back(piece);
        } catch (const std::bad_alloc&) {
            return false;
        }
        return true;
    }

private:
    static constexpr std::size_t most = 4096;
    struct alignas(64) List {
        SpinLock lock;
        std::vector<Piece> pieces;
    };
    std::array<List, Count> lists_;
};

} // namespace heddle::runtime
