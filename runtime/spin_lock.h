#pragma once
// A lock for sections of a few instructions, a byte large. Where the holder was descheduled, waiters give their turn up.

#include <atomic>
#include <thread>

namespace heddle::runtime {

class SpinLock {
public:
    void lock() noexcept {
        while (held_.test_and_set(std::memory_order_acquire))
            for (int turns = 0; held_.test(std::memory_order_relaxed); ++turns)
                if (turns >= 64) std::this_thread::yield();
    }
    void unlock() noexcept { held_.clear(std::memory_order_release); }

private:
    std::atomic_flag held_;
};

} // namespace heddle::runtime
