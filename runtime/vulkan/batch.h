#pragma once
// One submission to the queue while it is recorded and in flight: its commands, what it owns, and what its launches have touched since
// their last barrier.

#include "runtime/vulkan/encoder.h"

#include <memory>
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

/// Owning references, each object once.
class OwnedSet {
public:
    /// Room for so many more: adding them cannot fail.
    void reserve(std::size_t count);
    /// Takes the reference over unless the object is owned already. True if it is new.
    template <class T> bool add(std::shared_ptr<T>&& object) {
        if (!insert(object.get())) return false;
        owned_.push_back(std::move(object));
        return true;
    }
    std::size_t size() const { return owned_.size(); }
    void clear();

private:
    void grow_table(std::size_t count);
    bool insert(const void* object);
    static std::size_t slot_of(const void* object, std::size_t mask);
    std::vector<std::shared_ptr<void>> owned_;
    std::vector<const void*> table_; ///< open addressing, at most half full
    std::size_t used_ = 0;
};

struct Batch {
    Batch(std::shared_ptr<Memory> memory, VkCommandBuffer commands) : encoder(std::move(memory), commands) {}
    u64 number = 0; ///< among all batches of the device
    u64 value = 0;  ///< of the stream's timeline, when it completes
    Encoder encoder;
    const VulkanCommand* last = nullptr; ///< launched, which `owned` holds
    OwnedSet owned;
    u64 owned_bytes = 0;
    u32 work = 0; ///< launches and copies
    TouchedRanges touched;
    /// Everything about owning what a call binds that may fail, before the call is recorded: room, and the buffers' events.
    void announce(const std::vector<Launch>& launches, const Event& event);
    void clear();
};

} // namespace heddle::runtime::vulkan
