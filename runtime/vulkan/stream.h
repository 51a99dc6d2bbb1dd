#pragma once
// One timeline of a Vulkan device. Calls are recorded into the stream's open batch; the batch is flushed to the queue at once while
// the device has little to do, else when it is long, when someone asks for one of its events, or another stream depends on it.
// What a batch binds it owns until its value is reached; destructors run outside every lock.

#include "runtime/vulkan/batch.h"
#include "runtime/vulkan/buffer.h"
#include "runtime/vulkan/failures.h"
#include "runtime/vulkan/recording.h"
#include "support/hot_path.h"

#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace heddle::runtime::vulkan {

/// One copy between a buffer and staging memory.
struct StagedCopy {
    std::shared_ptr<VulkanBuffer> buffer;
    StagingRef staging;
    u64 offset = 0; ///< in the buffer
    u64 bytes = 0;
    bool to_device = false;
};

class VulkanStream final : public Stream {
public:
    explicit VulkanStream(std::shared_ptr<Memory> memory);
    ~VulkanStream() override;
    VulkanStream(const VulkanStream&) = delete;
    VulkanStream& operator=(const VulkanStream&) = delete;

    /// Records the launches, which were checked, and sets the events of their buffers. Takes the references out of `launches`.
    /// Throws OutOfMemory before anything is recorded; DeviceLost or DeviceError when the queue refuses the batch, whose events
    /// then fail.
    Event submit(std::vector<Launch>& launches);
    /// Sends the launch at once, if that is what submit() would do and its commands are there already. False: nothing has happened. The addresses
    /// of `bound` are among the arguments. `all_at_home`: this stream is their home, and no other has used them. Throws as submit().
    bool repeat(const PreparedKernel& launch, std::span<const Bound> bound,
                std::span<const std::byte> arguments, bool all_at_home);
    /// Records a copy, likewise.
    Event copy(StagedCopy& copy);

    /// Complete once all is that was recorded so far.
    Event submitted();

    bool reached(u64 value) const override;
    void wait(u64 value) const override;
    void flush();
    /// Throws what the batch of this value failed with.
    void throw_if_failed(u64 value) const;
    /// Whether anything was ever recorded: of most of a device's streams nothing is.
    bool is_used() const { return last_value_.load(std::memory_order_acquire) != 0; }
    bool any_failure() const { return failures_.any(); }
    /// Frees what completed batches own.
    void collect() noexcept;
    /// Waits for the oldest batch in flight and frees what it owns. False when there is none.
    bool wait_oldest();
    /// Waits for everything. Does not throw.
    void drain() noexcept;
    const Core& core() const { return core_; }

private:
    using Lock = std::unique_lock<SpinLock>;
    /// A batch is sent at once while fewer than this many are in flight; the device then never waits for the host to fill one. Small calls
    /// are over before the host could send another: of them one batch is in flight, and those behind it share the next.
    std::size_t sent_at_once() const {
        const u64 bytes = in_flight_bytes_ + (open_ != nullptr ? open_->owned_bytes : 0);
        return bytes < small_bytes_ ? 1 : 2;
    }

    Batch& open_batch(Lock& lock, const Launch* repeatable);
    std::unique_ptr<Batch> make_batch(const Launch* repeatable);
    void number(Batch& batch) {
        batch.value = last_value_.load(std::memory_order_relaxed) + 1;
        last_value_.store(batch.value, std::memory_order_release);
        batch.number = first_number_ + batch.value;
    }
    void make_room_to_fail() { failures_.reserve(in_flight_.size() + 1); }
    VkResult begin(Batch& batch);
    void begin_if_stale(Batch& batch);
    void barrier(Batch& batch);
    /// The commands are there.
    static void repeat(Batch& batch, const Executable& kernel) noexcept {
        batch.last = static_cast<const VulkanCommand*>(&kernel);
        batch.commands = Batch::Commands::complete;
        batch.work = 1;
    }
    void announce_abroad(const PreparedKernel& launch, std::span<const Bound> bound);
    HEDDLE_ALWAYS_INLINE void own(Batch& batch, const PreparedKernel& launch,
                                  std::span<const Bound> bound) noexcept;
    void record(Batch& batch, std::span<Launch> launches, const Launch* repeatable);
    void record(Batch& batch, Launch& launch, bool& ordered);
    struct OwnAtEnd;
    void own(Batch& batch, Launch& launch) noexcept;
    bool too_much_in_flight() const;
    u64 most_bytes() const; ///< that calls in flight may own
    /// What the batch owns and tells is announced: from here on nothing may fail but the queue.
    void flush_open() noexcept {
        Batch& batch = *open_;
        const u64 value = batch.value;
        // A batch that fails goes the way of the others: it is freed once those before it have completed.
        in_flight_.push_back(std::move(open_));
        in_flight_bytes_ += batch.owned_bytes;
        if (const VkResult result = send(batch); result < 0) note_failure(batch, result);
        flushed_.store(value, std::memory_order_release);
    }
    bool should_flush();
    VkResult end(Batch& batch);
    VkResult finish_commands(Batch& batch);
    VkResult send(Batch& batch) {
        if (batch.commands != Batch::Commands::complete)
            if (const VkResult result = finish_commands(batch); result < 0) return result;
        return core_.submit(batch.submission.info(batch.value, core_.gate(), core_.gate_value()));
    }
    void note_failure(Batch& batch, VkResult result) noexcept;
    u64 completed_value() const;
    bool poll_for_value(u64 value) const;
    void wait_value(u64 value) const;
    void take_finished(BatchList& finished) noexcept;
    void recycle(BatchList& finished) noexcept;

    std::shared_ptr<Memory> memory_;
    Core& core_;
    VkSemaphore timeline_ = VK_NULL_HANDLE;
    VkCommandPool pool_ = VK_NULL_HANDLE;

    const u64 small_bytes_; ///< calls count as small while what is in flight and open binds less
    const bool retains_;    ///< what is bound; false: a test looks for what then breaks
    mutable SpinLock lock_; ///< guards what follows, and the command pool
    std::unique_ptr<Batch> open_;
    BatchList in_flight_;
    SpareBatches spare_;
    std::atomic<u64> last_value_ = 0; ///< changed by who holds the lock
    u64 first_number_;                ///< of batches: numbers from here on are this stream's
    u64 in_flight_bytes_ = 0;
    Failures failures_; ///< has room for what is in flight and open
    std::atomic<u64> flushed_ = 0;
    mutable std::atomic<u64> completed_ = 0;
};

} // namespace heddle::runtime::vulkan
