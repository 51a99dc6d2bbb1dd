#pragma once
// Finds the number of a thing in a table by its hash: what hash-consing needs and no more. Open addressing in one flat array; the
// things themselves stay in their table, and the caller says whether one is equal. Nothing can be removed.

#include "support/integers.h"

#include <vector>

namespace heddle {

class HashIndex {
public:
    static constexpr u32 none = ~u32{0};

    /// The number of a thing of that hash for which `equal(number)` holds, or `none`.
    template <class Equal> u32 find(u64 hash, const Equal& equal) const {
        if (slots_.empty()) return none;
        const std::size_t mask = slots_.size() - 1;
        for (std::size_t at = hash & mask; slots_[at].number != none; at = (at + 1) & mask)
            if (slots_[at].tag == tag_of(hash) && equal(slots_[at].number)) return slots_[at].number;
        return none;
    }

    void insert(u64 hash, u32 number) {
        if (2 * (used_ + 1) > slots_.size()) grow();
        place(hash, number);
        ++used_;
    }

private:
    /// The hash is kept whole, for growing: its low half picks the slot, its high half is compared first.
    struct Slot {
        u32 low = 0, tag = 0, number = none;
    };
    static u32 tag_of(u64 hash) { return static_cast<u32>(hash >> 32); }

    void place(u64 hash, u32 number) {
        const std::size_t mask = slots_.size() - 1;
        std::size_t at = hash & mask;
        while (slots_[at].number != none) at = (at + 1) & mask;
        slots_[at] = {static_cast<u32>(hash), tag_of(hash), number};
    }

    void grow() {
        std::vector<Slot> old(slots_.empty() ? 16 : 2 * slots_.size());
        old.swap(slots_);
        for (const Slot& slot : old)
            if (slot.number != none) place(u64{slot.tag} << 32 | slot.low, slot.number);
    }

    std::vector<Slot> slots_;
    std::size_t used_ = 0;
};

} // namespace heddle
