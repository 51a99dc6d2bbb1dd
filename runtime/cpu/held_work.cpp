#include "runtime/cpu/held_work.h"

namespace heddle::runtime::cpu {

void HeldWork::own(std::vector<Launch>& launches, const Event& event) const {
    for (Launch& launch : launches) {
        for (std::size_t k = 0; k < launch.buffers.size(); ++k)
            launch.buffers[k]->note_use(event, launch.writes(k));
        // The arguments hold addresses already: the kernel runs with whatever lies there by then.
        if (!retain_) launch.buffers.clear();
    }
}

bool HeldWork::add(std::vector<Launch>& launches, Event& event) {
    std::vector<BufferRef> dropped; // outlives the lock
    const std::lock_guard lock(mutex_);
    if (!closed_.load(std::memory_order_relaxed)) return false;
    if (!retain_)
        for (const Launch& launch : launches)
            dropped.insert(dropped.end(), launch.buffers.begin(), launch.buffers.end());
    event = Event(shared_from_this(), added_ + 1);
    waiting_.push_back(std::move(launches));
    ++added_;
    own(waiting_.back(), event);
    return true;
}

Event HeldWork::added() {
    const std::lock_guard lock(mutex_);
    return Event(shared_from_this(), added_);
}

void HeldWork::hold(bool held) {
    std::unique_lock lock(mutex_);
    if (held) {
        closed_.store(true, std::memory_order_release);
        return;
    }
    if (running_) return;
    running_ = true;
    while (!waiting_.empty()) {
        std::vector<Launch> launches = std::move(waiting_.front());
        waiting_.pop_front();
        lock.unlock();
        std::exception_ptr failure;
        try {
            run_(launches);
        } catch (...) {
            failure = std::current_exception();
        }
        launches.clear();
        lock.lock();
        ++completed_;
        if (failure) failures_.emplace(completed_, failure);
        done_.notify_all();
    }
    running_ = false;
    closed_.store(false, std::memory_order_release);
}

bool HeldWork::reached(u64 value) const {
    const std::lock_guard lock(mutex_);
    return completed_ >= value;
}

void HeldWork::wait(u64 value) const {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [&] { return completed_ >= value; });
    const auto failure = failures_.find(value);
    if (failure != failures_.end()) std::rethrow_exception(failure->second);
}

} // namespace heddle::runtime::cpu
