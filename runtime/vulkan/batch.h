#pragma once
// One submission to the queue while it is recorded and in flight: its commands, what it owns, and what its launches have touched since
// their last barrier.

#include "runtime/vulkan/encoder.h"

#include <array>
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

/// Owning references, each object once. Few are searched one by one, more through a table.
class OwnedSet {
public:
    /// Room for so many more: adding them cannot fail.
    void reserve(std::size_t count);
    /// Takes the reference over unless the object is owned already. True if it is new.
    template <class T> bool add(std::shared_ptr<T>&& object) {
        if (owned_.size() >= few) grow_table(owned_.size() + 1);
        if (tabled_ ? !insert(object.get()) : listed(object.get())) return false;
        owned_.push_back(std::move(object));
        return true;
    }
    std::size_t size() const { return owned_.size(); }
    void clear();

private:
    static constexpr std::size_t few = 8;
    bool listed(const void* object) const;
    void grow_table(std::size_t count);
    bool insert(const void* object);
    static std::size_t slot_of(const void* object, std::size_t mask);
    std::vector<std::shared_ptr<void>> owned_;
    std::vector<const void*> table_; ///< open addressing, at most half full
    bool tabled_ = false;            ///< what is owned is in the table
};

/// One kernel with its arguments pushed, as a command buffer holds it. The kernel is known by its number, so that none is taken for one that
/// is gone, whose commands are no good any more.
class RecordedKernel {
public:
    /// Whether these launches are such a kernel and nothing else.
    static bool fits(std::span<const Launch> launches, const Core& core);
    /// `launch` fits, and the addresses are in its argument block.
    void set(const Launch& launch);
    void clear() { hash_ = 0; }
    /// 0: no kernel.
    u64 hash() const { return hash_; }
    static u64 hash_of(const Launch& launch);
    bool is(const Launch& launch) const;

private:
    static constexpr std::size_t most_bytes = 128;
    u64 hash_ = 0;
    u64 executable_ = 0;
    u64 grid_[3] = {};
    std::size_t bytes_ = 0;
    std::array<std::byte, most_bytes> arguments_;
};

struct Batch {
    enum class Commands : u8 {
        stale, ///< of an earlier use, or none
        recording,
        complete
    };
    Batch(std::shared_ptr<Memory> memory, VkCommandBuffer commands) : encoder(std::move(memory), commands) {}
    Commands commands = Commands::stale;
    RecordedKernel
        kernel;     ///< what the commands are when they are complete, where that is a kernel and nothing else
    u64 number = 0; ///< among all batches of the device
    u64 value = 0;  ///< of the stream's timeline, when it completes
    Encoder encoder;
    const VulkanCommand* last = nullptr; ///< launched, which `owned` holds once the call is recorded
    const Executable* owned_last =
        nullptr; ///< of a call, so that launches of one kernel in a row search for it once
    OwnedSet owned;
    u64 owned_bytes = 0;
    u32 work = 0; ///< launches and copies
    TouchedRanges touched;
    /// Everything about owning what a call binds that may fail, before the call is recorded: room, and the buffers' events.
    void announce(const std::vector<Launch>& launches, const Event& event);
    void clear();
};

/// Batches that wait to be used again. Some keep their commands, for calls that are what they were.
class SpareBatches {
public:
    /// One whose commands are that kernel, or null.
    std::unique_ptr<Batch> take(const Launch& launch);
    /// One to be recorded; null when there is none, or too few keep their commands yet.
    std::unique_ptr<Batch> take();
    void give(std::unique_ptr<Batch> batch);

private:
    static constexpr std::size_t most_kept = 8;
    struct Spare {
        u64 kernel; ///< hash, 0: none
        u64 given;
        std::unique_ptr<Batch> batch;
    };
    std::unique_ptr<Batch> take(std::vector<Spare>::iterator spare);
    std::vector<Spare> spares_;
    u64 given_ = 0;
};

} // namespace heddle::runtime::vulkan
