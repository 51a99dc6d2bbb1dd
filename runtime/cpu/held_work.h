#pragma once
// What tests hold back on the CPU (Device::hold_queue). A CPU submission is complete when `submit` returns, so that nothing can be in
// flight; behind a closed gate it waits here instead, owning what it binds, and runs in order on the thread that opens the gate.
// Its events are points on the gate's timeline.

#include "runtime/device.h"

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <mutex>

namespace heddle::runtime::cpu {

class HeldWork final : public Stream {
public:
    using Run = std::function<void(std::vector<Launch>&)>;
    /// `retain`: DeviceOptions::retain_bound_buffers.
    HeldWork(bool retain, Run run) : retain_(retain), run_(std::move(run)) {}

    /// True while the gate is closed, or what waited behind it still runs.
    bool closed() const { return closed_.load(std::memory_order_acquire); }
    void hold(bool held);
    /// Takes launches whose arguments are complete and sets the events of their buffers. False when the gate was opened meanwhile.
    bool add(std::vector<Launch>& launches, Event& event);
    /// Complete once all is that was added so far.
    Event added();

    bool reached(u64 value) const override;
    /// Blocks until some thread opens the gate. Throws what the work failed with.
    void wait(u64 value) const override;

private:
    void own(std::vector<Launch>& launches, const Event& event) const;

    bool retain_;
    Run run_;
    std::atomic<bool> closed_ = false;
    mutable std::mutex mutex_; ///< of what follows
    mutable std::condition_variable done_;
    std::deque<std::vector<Launch>> waiting_;
    std::map<u64, std::exception_ptr> failures_;
    u64 added_ = 0, completed_ = 0;
    bool running_ = false;
};

} // namespace heddle::runtime::cpu
