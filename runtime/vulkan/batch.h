#pragma once
// One submission to the queue while it is recorded and in flight: its commands, what it owns, and what its launches have touched since
// their last barrier. Once a call is announced nothing may fail until the queue has it: what is needed on the way is there before.

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
    /// One of few, of which it is known that it is new and that there is room.
    void add_new(std::shared_ptr<void> object) { owned_.push_back(std::move(object)); }
    std::size_t size() const { return owned_.size(); }
    void clear();

    static constexpr std::size_t few = 8;

private:
    bool listed(const void* object) const;
    void grow_table(std::size_t count);
    bool insert(const void* object);
    static std::size_t slot_of(const void* object, std::size_t mask);
    std::vector<std::shared_ptr<void>> owned_;
    std::vector<const void*> table_; ///< open addressing, at most half full
    bool tabled_ = false;            ///< what is owned is in the table
};

/// A kernel and its grid. The kernel is known by its number, so that none is taken for one that is gone.
class KernelIdentity {
public:
    KernelIdentity() = default;
    explicit KernelIdentity(const Launch& launch);
    /// With an argument block. Never 0.
    u64 hash(std::span<const std::byte> arguments) const;
    bool operator==(const KernelIdentity&) const = default;

private:
    u64 executable_ = 0;
    u64 grid_[3] = {};
};

/// One kernel with its arguments pushed, as a command buffer holds it: of a kernel that is gone the commands are no good any more.
class RecordedKernel {
public:
    /// Whether this launch can be one.
    static bool fits(const Launch& launch, const Core& core);
    /// The addresses are among the arguments.
    void set(const KernelIdentity& kernel, std::span<const std::byte> arguments);
    void clear() { hash_ = 0; }
    /// 0: no kernel.
    u64 hash() const { return hash_; }
    bool is(const KernelIdentity& kernel, std::span<const std::byte> arguments) const;

    static constexpr std::size_t most_bytes = 128;

private:
    u64 hash_ = 0;
    KernelIdentity kernel_;
    std::size_t bytes_ = 0;
    std::array<std::byte, most_bytes> arguments_;
};

/// A launch of a kernel with pushed arguments, of which all is known but what it binds.
class PreparedKernel final : public PreparedLaunch {
public:
    static constexpr std::size_t most_pointers = OwnedSet::few - 1; // beside the kernel
    /// `launch` fits, and has no more pointers.
    explicit PreparedKernel(const Launch& launch);

    KernelIdentity kernel;
    ExecutableRef executable;
    u32 bytes;      ///< of its arguments
    u32 pointers;   ///< how many
    u32 write_mask; ///< as the launch's
    std::array<u32, most_pointers> fields{};
    bool writes(std::size_t k) const { return (write_mask >> k & 1) != 0; }
};

struct Batch {
    enum class Commands : u8 {
        stale, ///< of an earlier use, or none
        recording,
        complete
    };
    explicit Batch(std::shared_ptr<Memory> memory) : encoder(std::move(memory)) {}
    RecordedKernel
        kernel;     ///< what the commands are when they are complete, where that is a kernel and nothing else
    u64 number = 0; ///< among all batches of the device
    u64 value = 0;  ///< of the stream's timeline, when it completes
    const VulkanCommand* last = nullptr;    ///< launched, which `owned` holds once the call is recorded
    const Executable* owned_last = nullptr; ///< of a call, so that launches of one kernel search for it once
    u64 owned_bytes = 0;
    u32 work = 0; ///< launches and copies
    Commands commands = Commands::stale;
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
    void push_back(std::unique_ptr<Batch> batch) noexcept;
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
    std::unique_ptr<Batch> take(const KernelIdentity& kernel, std::span<const std::byte> arguments);
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
    std::vector<Kept> kept_; ///< what was given last comes last; has room for all
    BatchList others_;       ///< what was given last comes first
};

} // namespace heddle::runtime::vulkan
