#pragma once
// Which parts of a block are free: best fit, neighbours joined again as they come back.

#include "support/integers.h"

#include <map>
#include <optional>
#include <set>
#include <utility>

namespace heddle::runtime {

/// Offsets and sizes are whatever unit the caller keeps to. Not safe for several threads.
class FreeRanges {
public:
    explicit FreeRanges(u64 size) : size_(size) { insert(0, size); }

    /// The smallest range that fits; its rest stays free.
    std::optional<u64> take(u64 bytes) {
        auto found = by_size_.lower_bound({bytes, 0});
        if (found == by_size_.end()) return std::nullopt;
        auto [size, offset] = *found;
        erase(offset, size);
        if (size > bytes) insert(offset + bytes, size - bytes);
        return offset;
    }
    void give(u64 offset, u64 bytes) {
        auto next = by_offset_.lower_bound(offset);
        if (next != by_offset_.begin()) {
            auto [before, before_size] = *std::prev(next);
            if (before + before_size == offset) {
                erase(before, before_size);
                offset = before;
                bytes += before_size;
            }
        }
        if (next != by_offset_.end() && next->first == offset + bytes) {
            u64 next_size = next->second;
            erase(next->first, next_size);
            bytes += next_size;
        }
        insert(offset, bytes);
    }
    bool all_free() const { return by_offset_.size() == 1 && by_offset_.begin()->second == size_; }
    u64 size() const { return size_; }

private:
    void insert(u64 offset, u64 bytes) {
        by_offset_.emplace(offset, bytes);
        by_size_.emplace(bytes, offset);
    }
    void erase(u64 offset, u64 bytes) {
        by_offset_.erase(offset);
        by_size_.erase({bytes, offset});
    }
    u64 size_;
    std::map<u64, u64> by_offset_;
    std::set<std::pair<u64, u64>> by_size_;
};

} // namespace heddle::runtime
