#pragma once
// Which parts of a block are free: best fit, neighbours joined again as they come back.

#include "support/integers.h"

#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace heddle::runtime {

/// Offsets and sizes are whatever unit the caller keeps to. Not safe for several threads.
class FreeRanges {
public:
    explicit FreeRanges(u64 size) : size_(size) {
        ranges_.emplace(0, Range{size, {}});
        by_size_.emplace(size, 0);
    }

    /// The smallest range that fits; its rest stays free. Where it throws for want of memory, nothing has changed.
    std::optional<u64> take(u64 bytes) {
        const auto found = by_size_.lower_bound({bytes, 0});
        if (found == by_size_.end()) return std::nullopt;
        const auto [size, offset] = *found;
        if (size > bytes) {
            Sizes rest{{size - bytes, offset + bytes}};
            ranges_.emplace(offset + bytes, Range{size - bytes, {}});
            by_size_.merge(rest);
        }
        Range& range = ranges_.find(offset)->second;
        range.bytes = bytes;
        range.place = by_size_.extract(found);
        return offset;
    }
    /// Gives back what was taken there. Needs no memory.
    void give(u64 offset) noexcept {
        auto range = ranges_.find(offset);
        Sizes::node_type place = std::move(range->second.place);
        if (const auto next = std::next(range); next != ranges_.end() && next->second.is_free())
            join(range, next, next);
        if (range != ranges_.begin())
            if (const auto before = std::prev(range); before->second.is_free()) {
                join(before, range, before);
                range = before;
            }
        place.value() = {range->second.bytes, range->first};
        by_size_.insert(std::move(place));
    }
    bool all_free() const { return ranges_.size() == 1 && ranges_.begin()->second.is_free(); }
    u64 size() const { return size_; }

private:
    using Sizes = std::set<std::pair<u64, u64>>; ///< size and offset
    struct Range {
        u64 bytes;
        Sizes::node_type place; ///< for `by_size_`, while the range is taken
        bool is_free() const { return place.empty(); }
    };
    using Ranges = std::map<u64, Range>;
    /// Makes one range of two neighbours, of which `listed` is in `by_size_`, and leaves it out there.
    void join(Ranges::iterator first, Ranges::iterator second, Ranges::iterator listed) noexcept {
        by_size_.erase({listed->second.bytes, listed->first});
        first->second.bytes += second->second.bytes;
        ranges_.erase(second);
    }
    u64 size_;
    Ranges ranges_; ///< by offset, free ones and taken ones: together they are the block
    Sizes by_size_; ///< the free ones
};

} // namespace heddle::runtime
