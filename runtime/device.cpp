#include "runtime/device.h"

#include <heddle/error.h>

#include <fmt/format.h>
#include <mutex>
#include <utility>

namespace heddle::runtime {

bool Event::complete() const { return stream_ == nullptr || stream_->reached(value_); }

void Event::wait() const {
    if (stream_ != nullptr) stream_->wait(value_);
}

Event Buffer::at_home(u64 value) const { return {home_->shared_from_this(), value}; }

Event Buffer::written() const {
    if (const u64 value = home_written_.load(std::memory_order_acquire)) return at_home(value);
    std::lock_guard guard(guard_);
    return written_;
}

// Events own their stream: what is replaced is destroyed after the guard is released.
void Buffer::forget_elsewhere() noexcept {
    Event old;
    std::vector<Event> old_reads;
    std::lock_guard guard(guard_);
    old = std::exchange(written_, Event());
    old_reads.swap(reads_);
    elsewhere_.store(false, std::memory_order_release);
}

// Most calls come from one stream, whose later point needs no further owner.
void Buffer::set_written(const Event& event) noexcept {
    if (scratch_) return;
    if (home_ != nullptr && event.stream().get() == home_) return note_at_home(event.value(), true);
    Event old;
    std::vector<Event> old_reads;
    std::lock_guard guard(guard_);
    home_written_.store(0, std::memory_order_relaxed);
    home_read_.store(0, std::memory_order_relaxed);
    elsewhere_.store(true, std::memory_order_release);
    old_reads.swap(reads_);
    if (!written_.move_on(event)) old = std::exchange(written_, event);
}

void Buffer::add_read(const Event& event) {
    if (event.stream() == nullptr || scratch_) return;
    if (event.stream().get() == home_) return note_at_home(event.value(), false);
    std::lock_guard guard(guard_);
    for (Event& read : reads_) {
        if (read.stream() != event.stream()) continue;
        if (read.value() < event.value()) read.move_on(event);
        return;
    }
    reads_.push_back(event);
    elsewhere_.store(true, std::memory_order_release);
}

std::vector<Event> Buffer::reads() const {
    std::lock_guard guard(guard_);
    std::vector<Event> events = reads_;
    if (const u64 value = home_read_.load(std::memory_order_acquire)) events.push_back(at_home(value));
    return events;
}

std::vector<Event> Buffer::on_other_streams(const Stream* own, bool write) const {
    std::vector<Event> events;
    if (scratch_ || only_at_home(own)) return events;
    std::lock_guard guard(guard_);
    auto add = [&](const Event& event) {
        if (event.stream() != nullptr && event.stream().get() != own) events.push_back(event);
    };
    auto add_own = [&](u64 value) {
        if (value != 0 && home_ != own) events.push_back(at_home(value));
    };
    add(written_);
    add_own(home_written_.load(std::memory_order_acquire));
    if (!write) return events;
    for (const Event& read : reads_) add(read);
    add_own(home_read_.load(std::memory_order_acquire));
    return events;
}

bool Device::submit_prepared(const PreparedLaunch&, std::span<const Bound>, std::span<std::byte>) {
    throw InternalError(fmt::format("{} prepares no launches", info().name));
}

ExecutableRef Device::record(std::vector<Launch>, const Launch&, Recorded) {
    throw UsageError(fmt::format("{} records no launches", info().name));
}

void Device::add_keeper(std::weak_ptr<Keeper> keeper) {
    std::lock_guard lock(keepers_mutex_);
    std::erase_if(keepers_, [](const std::weak_ptr<Keeper>& known) { return known.expired(); });
    keepers_.push_back(std::move(keeper));
}

bool Device::release_kept() {
    std::vector<std::shared_ptr<Keeper>> keepers;
    {
        std::lock_guard lock(keepers_mutex_);
        for (const std::weak_ptr<Keeper>& keeper : keepers_)
            if (std::shared_ptr<Keeper> known = keeper.lock()) keepers.push_back(std::move(known));
    }
    bool any = false;
    for (const std::shared_ptr<Keeper>& keeper : keepers) any |= keeper->release_kept();
    return any;
}

void wait_before_read(const Buffer& buffer) { buffer.written().wait(); }

void wait_before_write(const Buffer& buffer) {
    buffer.written().wait();
    for (const Event& read : buffer.reads()) read.wait();
}

void check_range(const Buffer& buffer, std::size_t offset, std::size_t bytes) {
    if (offset > buffer.bytes() || bytes > buffer.bytes() - offset)
        throw UsageError(fmt::format("copy of {} bytes at offset {} is outside a buffer of {} bytes", bytes,
                                     offset, buffer.bytes()));
}

} // namespace heddle::runtime
