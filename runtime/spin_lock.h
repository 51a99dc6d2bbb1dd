#pragma once
// A lock for sections that are short and for which threads seldom meet, a byte large: taking it is one atomic operation, letting it go none.
// Where it takes longer (the holder was descheduled, a driver does not return), waiters give their turn up, then sleep for a while.

#include <atomic>
#include <chrono>
#include <thread>

namespace heddle::runtime {

class SpinLock {
public:
    void lock() noexcept {
        while (held_.test_and_set(std::memory_order_acquire)) wait();
    }
    void unlock() noexcept { held_.clear(std::memory_order_release); }

private:
    void wait() const noexcept {
        for (int turns = 0; held_.test(std::memory_order_relaxed); ++turns)
            if (turns >= 256)
                std::this_thread::sleep_for(std::chrono::microseconds(50));
            else if (turns >= 64)
                std::this_thread::yield();
    }
    std::atomic_flag held_;
};

} // namespace heddle::runtime
