// What of a stream has completed, how that is waited for, and what becomes of batches then.

#include "runtime/vulkan/stream.h"

#include <heddle/error.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>

namespace heddle::runtime::vulkan {

namespace {

constexpr u64 wait_nanoseconds = 1'000'000'000;
// Of a wait, how long the thread looks for the end itself, and how long of that without giving way to others.
constexpr std::chrono::milliseconds poll_for(20);
constexpr std::chrono::microseconds poll_closely_for(50);

} // namespace

u64 VulkanStream::completed_value() const {
    u64 value = 0;
    VkResult result = core_.vk.vkGetSemaphoreCounterValue(core_.device, timeline_, &value);
    if (result == VK_ERROR_DEVICE_LOST) core_.lose();
    // Another thread may know more than the driver said here: what it saw complete is freed by whoever reads that.
    u64 known = completed_.load(std::memory_order_acquire);
    if (result < 0) return known;
    while (known < value && !completed_.compare_exchange_weak(known, value, std::memory_order_acq_rel,
                                                              std::memory_order_acquire)) {
    }
    return std::max(known, value);
}

// Streams are never made const; the interface is, because asking changes nothing that the caller can see.
bool VulkanStream::reached(u64 value) const {
    if (value <= completed_.load(std::memory_order_acquire)) return true;
    if (value > flushed_.load(std::memory_order_acquire)) const_cast<VulkanStream*>(this)->flush();
    if (completed_value() >= value || core_.lost()) return true;
    if (!any_failure()) return false;
    std::lock_guard lock(lock_);
    return failures_.contains(value);
}

void VulkanStream::wait(u64 value) const {
    if (!reached(value)) wait_value(value);
    const_cast<VulkanStream*>(this)->collect();
    throw_if_failed(value);
}

/// A driver takes a hundred microseconds to wake a thread. A software device needs the processor itself, and is not polled.
bool VulkanStream::poll_for_value(u64 value) const {
    const auto start = std::chrono::steady_clock::now();
    while (!core_.lost()) {
        if (completed_value() >= value) return true;
        const auto waited = std::chrono::steady_clock::now() - start;
        if (waited > poll_for) break;
        if (waited > poll_closely_for) std::this_thread::yield();
    }
    return false;
}

void VulkanStream::wait_value(u64 value) const {
    VkSemaphoreWaitInfo info{VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO};
    info.semaphoreCount = 1;
    info.pSemaphores = &timeline_;
    info.pValues = &value;
    if (core_.physical().type != VK_PHYSICAL_DEVICE_TYPE_CPU && poll_for_value(value)) return;
    VkResult result = VK_TIMEOUT;
    while (result == VK_TIMEOUT && !core_.lost())
        result = core_.vk.vkWaitSemaphores(core_.device, &info, wait_nanoseconds);
    core_.check(result, "waiting for a submission");
}

void VulkanStream::throw_if_failed(u64 value) const {
    // What completed before a loss is good.
    bool lost = core_.lost() && value > completed_.load(std::memory_order_acquire);
    if (!lost && !any_failure()) return;
    std::optional<Failure> failure;
    {
        std::lock_guard lock(lock_);
        failure = failures_.find(value);
    }
    if (lost) throw DeviceLost(failure ? failure->text() : device_lost);
    if (failure) throw DeviceError(failure->text());
}

void VulkanStream::take_finished(BatchList& finished) noexcept {
    if (in_flight_.empty()) return;
    u64 completed = completed_value();
    // Nothing runs on a lost device any more once waiting for it returns, whatever it returns.
    bool lost = core_.lost();
    if (lost) core_.wait_idle();
    while (!in_flight_.empty()) {
        const Batch& oldest = in_flight_.front();
        if (oldest.value > completed && !failures_.contains(oldest.value)) {
            if (!lost) break;
            failures_.note(oldest, VK_ERROR_DEVICE_LOST);
        }
        in_flight_bytes_ -= oldest.owned_bytes;
        finished.push_back(in_flight_.pop_front());
    }
}

void VulkanStream::recycle(BatchList& finished) noexcept {
    if (finished.empty()) return;
    BatchList cleared;
    while (std::unique_ptr<Batch> batch = finished.pop_front()) {
        batch->clear();
        cleared.push_back(std::move(batch));
    }
    std::lock_guard lock(lock_);
    while (std::unique_ptr<Batch> batch = cleared.pop_front()) spare_.give(std::move(batch));
}

void VulkanStream::collect() noexcept {
    if (!is_used()) return;
    BatchList finished;
    {
        std::lock_guard lock(lock_);
        take_finished(finished);
    }
    recycle(finished);
}

bool VulkanStream::wait_oldest() {
    if (!is_used()) return false;
    u64 oldest = 0;
    {
        std::lock_guard lock(lock_);
        if (open_ != nullptr) flush_open();
        if (in_flight_.empty()) return false;
        oldest = in_flight_.front().value;
        if (failures_.contains(oldest)) oldest = 0;
    }
    wait_value(oldest);
    collect();
    return true;
}

void VulkanStream::drain() noexcept {
    try {
        while (wait_oldest()) {
        }
    } catch (...) {
        // Lost, or the driver cannot wait: there is nothing left to wait for.
        collect();
    }
}

} // namespace heddle::runtime::vulkan
