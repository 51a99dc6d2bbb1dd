#pragma once
// A number to which many threads add and which few ask for. Each thread adds to a place of its own, so that it neither waits for the
// others nor needs an atomic addition, which takes as long as dozens of instructions.

#include "support/integers.h"

#include <array>
#include <atomic>
#include <cstddef>

namespace heddle {

/// A small number that no other living thread has, or `shared`: so for threads beyond the first few dozens, and while a thread ends.
class ThreadSlot {
public:
    static constexpr u32 shared = 63;
    static u32 current() {
        const u32 slot = slot_;
        return slot != none ? slot : take();
    }

private:
    static constexpr u32 none = ~u32{0};
    struct Lease;
    static u32 take();
    static constinit thread_local u32 slot_;
};

class ThreadCount {
public:
    void add(i64 number) {
        const u32 slot = ThreadSlot::current();
        std::atomic<i64>& place = places_[slot].number;
        if (slot == ThreadSlot::shared)
            place.fetch_add(number, std::memory_order_relaxed);
        else
            place.store(place.load(std::memory_order_relaxed) + number, std::memory_order_relaxed);
    }
    /// What was added by this thread, and by others before something that this thread knows of.
    i64 sum() const {
        i64 total = 0;
        for (const Place& place : places_) total += place.number.load(std::memory_order_relaxed);
        return total;
    }

private:
    struct alignas(64) Place {
        std::atomic<i64> number{0};
    };
    std::array<Place, ThreadSlot::shared + 1> places_;
};

} // namespace heddle
