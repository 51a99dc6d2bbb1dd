#pragma once
// The VkDevice and what everything made from it shares: its functions, its one queue, the pipeline layout of all kernels. Buffers, streams
// and executables own it together, so that it goes last whatever the user drops first.

#include "runtime/faults.h"
#include "runtime/spin_lock.h"
#include "runtime/vulkan/physical_device.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

namespace heddle::runtime::vulkan {

inline constexpr const char* device_lost = "the Vulkan device was lost; open it again";

class Core {
public:
    /// Device number `index` of describe_all(). Throws DeviceError when it is refused, UsageError when there is none.
    Core(const DeviceOptions& options, std::size_t index);
    ~Core();
    Core(const Core&) = delete;
    Core& operator=(const Core&) = delete;

    /// Writable for tests alone, before anything is submitted.
    Functions vk;
    VkDevice device = VK_NULL_HANDLE;
    VkPipelineLayout layout =
        VK_NULL_HANDLE; ///< of kernels that are given addresses: 128 bytes of push constants, nothing else
    VkPipelineCache pipelines = VK_NULL_HANDLE;

    const PhysicalDevice& physical() const { return physical_; }
    const DeviceOptions& options() const { return options_; }
    Faults& faults() { return faults_; }
    const ValidationLog& validation() const { return instance_.validation(); }

    /// The only lock around the queue; held for the submission alone.
    VkResult submit(const VkSubmitInfo& info) {
        if (const VkResult fault = fault_of_submission(); fault != VK_SUCCESS) return fault;
        const std::lock_guard lock(queue_lock_);
        return vk.vkQueueSubmit(queue_, 1, &info, VK_NULL_HANDLE);
    }
    /// Until nothing runs; also on a lost device.
    void wait_idle();
    /// Notes a loss and throws as check() does.
    void check(VkResult result, const char* what);
    /// From here on what belongs to the device is left to the end of the process: nothing is destroyed or reset, the driver may be gone.
    void release_nothing() { released_.store(true); }
    bool released() const { return released_.load(std::memory_order_relaxed); }
    bool lost() const { return lost_.load(std::memory_order_relaxed); }
    void lose() { lost_.store(true, std::memory_order_relaxed); }

    /// The value of `gate()` that submissions have to wait for; 0 for none. See Device::hold_queue.
    u64 gate_value() const { return gate_value_.load(std::memory_order_relaxed); }
    VkSemaphore gate() const { return gate_; }
    void hold(bool held);

    VkSemaphore make_timeline();
    /// Where memory without a device address counts as lying, for comparing ranges: no two blocks overlap, and all start aligned.
    u64 take_addresses(u64 bytes) {
        constexpr u64 step = 1 << 16;
        return addresses_.fetch_add((bytes + step - 1) / step * step, std::memory_order_relaxed);
    }
    /// For an executable. Never the same twice, never 0.
    u64 new_number() { return numbers_.fetch_add(1, std::memory_order_relaxed) + 1; }
    /// For a stream, which may number 2^48 batches from there on.
    u64 take_batch_numbers() { return streams_.fetch_add(1, std::memory_order_relaxed) << 48; }

private:
    /// As a test has it.
    VkResult fault_of_submission() {
        switch (faults_.next_submission()) {
        case Fault::none: break;
        case Fault::refused: return VK_ERROR_OUT_OF_DEVICE_MEMORY;
        case Fault::lost: return VK_ERROR_DEVICE_LOST;
        }
        return VK_SUCCESS;
    }
    void make_device();
    void make_layout();
    void destroy();

    DeviceOptions options_;
    Instance instance_;
    PhysicalDevice physical_;
    // What each submission looks at lies together.
    alignas(64) VkQueue queue_ = VK_NULL_HANDLE;
    VkSemaphore gate_ = VK_NULL_HANDLE;
    std::atomic<u64> gate_value_ = 0;
    std::atomic<bool> lost_ = false;
    SpinLock queue_lock_;
    Faults faults_;
    u64 gates_ = 0;
    std::atomic<bool> released_ = false;
    std::atomic<u64> numbers_ = 0;
    std::atomic<u64> streams_ = 0;
    std::atomic<u64> addresses_ = 1 << 16;
};

} // namespace heddle::runtime::vulkan
