#pragma once
// Failures that a test asks a device for: memory runs out at the nth allocation, or the queue refuses the nth submission or says that the
// device is lost. A test runs its work once under `watch()`, reads how many of each there are, and then lets each fail in turn.
// Until then a device asks one flag.

#include "support/integers.h"

#include <atomic>

namespace heddle::runtime {

enum class Fault : u8 { none, refused, lost };

class Faults {
public:
    /// Counts from here on; nothing fails.
    void watch() { start(0, 0, Fault::none); }
    /// The `nth` allocation from now (1: the next) fails, once. Buffers, memory for copies and arguments, and loaded kernels count.
    void fail_allocation(u64 nth) { start(nth, 0, Fault::none); }
    /// The `nth` submission from now fails, once. After Fault::lost so does everything else.
    void fail_submission(u64 nth, Fault how) { start(0, nth, how); }
    void stop() { active_.store(false); }
    u64 allocations() const { return allocations_.load(); }
    u64 submissions() const { return submissions_.load(); }

    // ---- for devices
    bool allocation_fails() {
        if (!active_.load(std::memory_order_relaxed)) return false;
        return allocations_.fetch_add(1) + 1 == failing_allocation_.load();
    }
    Fault next_submission() {
        if (!active_.load(std::memory_order_relaxed)) return Fault::none;
        return submissions_.fetch_add(1) + 1 == failing_submission_.load() ? how_.load() : Fault::none;
    }

private:
    void start(u64 allocation, u64 submission, Fault how) {
        allocations_.store(0);
        submissions_.store(0);
        failing_allocation_.store(allocation);
        failing_submission_.store(submission);
        how_.store(how);
        active_.store(true);
    }

    std::atomic<bool> active_ = false;
    std::atomic<u64> allocations_ = 0, submissions_ = 0;
    std::atomic<u64> failing_allocation_ = 0, failing_submission_ = 0;
    std::atomic<Fault> how_ = Fault::none;
};

} // namespace heddle::runtime
