#pragma once
// One submission to the queue while it is recorded and in flight: its commands, what it owns, and what its launches have touched since
// their last barrier. Once a call is announced nothing may fail until the queue has it: what is needed on the way is there before.

#include "runtime/vulkan/encoder.h"
#include "runtime/vulkan/owned_set.h"
#include "runtime/vulkan/recorded_kernel.h"
#include "runtime/vulkan/submission.h"

#include <memory>
#include <span>
#include <vector>

namespace heddle::runtime::vulkan {

struct AddressRange {
    u64 begin, end;
};

/// Address ranges used since the last barrier. Those of the call that is being recorded count for later calls only: inside a
/// call the plan says where barriers go.
class TouchedRanges {
public:
    void begin_call() {
        ranges_.reserve(most); // so that touch() cannot fail
        earlier_ = ranges_.size();
    }
    bool conflicts(u64 begin, u64 end, bool written) const {
        if (full_) return true;
        for (std::size_t i = 0; i < earlier_; ++i) {
            const Range& range = ranges_[i];
            if (begin < range.end && range.begin < end && (written || range.written)) return true;
        }
        return false;
    }
    void touch(u64 begin, u64 end, bool written) {
        if (ranges_.size() < most)
            ranges_.push_back({begin, end, written});
        else
            full_ = true; // everything conflicts until the next barrier
    }
    void clear() {
        ranges_.clear();
        earlier_ = 0;
        full_ = false;
    }

private:
    struct Range {
        u64 begin, end;
        bool written;
    };
    static constexpr std::size_t most = 128;
    std::vector<Range> ranges_;
    std::size_t earlier_ = 0;
    bool full_ = false;
};

struct Batch {
    enum class Commands : u8 {
        stale, ///< of an earlier use, or none
        recording,
        complete
    };
    explicit Batch(std::shared_ptr<Memory> memory) : encoder(std::move(memory)) {}
    void set_commands(VkCommandBuffer buffer, VkSemaphore timeline) {
        encoder.set_commands(buffer);
        submission.set(buffer, timeline);
    }
    RecordedKernel
        kernel;     ///< what the commands are when they are complete, where that is a kernel and nothing else
    u64 number = 0; ///< among all batches of the device
    u64 value = 0;  ///< of the stream's timeline, when it completes
    const VulkanCommand* last = nullptr;    ///< launched, which `owned` holds once the call is recorded
    const Executable* owned_last = nullptr; ///< of a call, so that launches of one kernel search for it once
    u64 owned_bytes = 0;
    u32 work = 0; ///< launches and copies
    Commands commands = Commands::stale;
    Submission submission;
    OwnedSet owned;
    Encoder encoder;
    TouchedRanges touched;
    std::unique_ptr<Batch> next; ///< in a BatchList
    /// Everything about owning what a call binds that may fail, before the call is recorded: room, and the buffers' events. Where it
    /// throws, no buffer counts as written.
    void announce(const std::vector<Launch>& launches, const Event& event);
    void clear() noexcept;
};

/// Batches in a row, which hang on each other: adding one takes no memory.
class BatchList {
public:
    BatchList() = default;
    ~BatchList();
    BatchList(const BatchList&) = delete;
    BatchList& operator=(const BatchList&) = delete;
    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    const Batch& front() const { return *first_; }
    void push_front(std::unique_ptr<Batch> batch) noexcept;
    void push_back(std::unique_ptr<Batch>&& batch) noexcept {
        Batch* const added = batch.get();
        (empty() ? first_ : last_->next) = std::move(batch);
        last_ = added;
        ++size_;
    }
    /// Null where there is none.
    std::unique_ptr<Batch> pop_front() noexcept;

private:
    std::unique_ptr<Batch> first_;
    Batch* last_ = nullptr;
    std::size_t size_ = 0;
};

/// Batches that wait to be used again. Those whose last use was one kernel keep their commands, for calls that are what it was: the latest of
/// them, so that a call that comes again finds its own whatever was called before.
class SpareBatches {
public:
    SpareBatches() { kept_.reserve(most_kept); }
    /// One whose commands are that kernel, or null.
    std::unique_ptr<Batch> take(const KernelIdentity& kernel, std::span<const std::byte> arguments) {
        // What was given last is most likely what is asked for next.
        if (kept_.empty() || !kept_.back().batch->kernel.is(kernel, arguments))
            return take_earlier(kernel, arguments);
        std::unique_ptr<Batch> batch = std::move(kept_.back().batch);
        kept_.pop_back();
        return batch;
    }
    /// One to be recorded; null when there is none, or too few keep their commands yet.
    std::unique_ptr<Batch> take();
    void give(std::unique_ptr<Batch> batch) noexcept;

private:
    static constexpr std::size_t most_kept = 16;
    struct Kept {
        u64 kernel; ///< hash
        std::unique_ptr<Batch> batch;
    };
    std::unique_ptr<Batch> take(std::vector<Kept>::iterator kept);
    std::unique_ptr<Batch> take_earlier(const KernelIdentity& kernel, std::span<const std::byte> arguments);
    std::vector<Kept> kept_; ///< what was given last comes last; has room for all
    BatchList others_;       ///< what was given last comes first
};

} // namespace heddle::runtime::vulkan
