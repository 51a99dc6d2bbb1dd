#include "support/thread_count.h"

#include <mutex>

namespace heddle {

namespace {

/// Bit k: slot k is taken. A thread that takes over the slot of one that has ended sees what that one added: both hold the mutex.
struct Slots {
    std::mutex mutex;
    u64 taken = 0;
};
// Never destroyed: threads may end after static objects have gone.
Slots& slots() {
    static Slots& all = *new Slots;
    return all;
}

} // namespace

constinit thread_local u32 ThreadSlot::slot_ = ThreadSlot::none;

/// Gives the slot back when the thread ends.
struct ThreadSlot::Lease {
    Lease() = default;
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() {
        const u32 slot = slot_;
        slot_ = shared;
        if (slot >= shared) return;
        std::lock_guard lock(slots().mutex);
        slots().taken &= ~(u64{1} << slot);
    }
};

u32 ThreadSlot::take() {
    thread_local Lease lease;
    (void)lease;
    std::lock_guard lock(slots().mutex);
    u32 slot = 0;
    while (slot < shared && (slots().taken >> slot & 1) != 0) ++slot;
    if (slot < shared) slots().taken |= u64{1} << slot;
    return slot_ = slot;
}

} // namespace heddle
