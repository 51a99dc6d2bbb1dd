#pragma once
// Device memory of one memory type. Buffers are parts of large blocks, each of which is one VkBuffer; what is given back waits in
// size classes, and goes back to its block, and empty blocks to the driver, when too much waits or memory is short.
// The pool knows nothing of submissions: they own what they use, so nothing in flight is ever given back.

#include "runtime/free_ranges.h"
#include "runtime/size_classes.h"
#include "runtime/vulkan/core.h"

#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace heddle::runtime::vulkan {

struct Block {
    explicit Block(u64 size) : free(size) {}
    FreeRanges free;
    VkBuffer buffer = VK_NULL_HANDLE;
    VkDeviceMemory memory = VK_NULL_HANDLE;
    u64 address = 0;           ///< the device's, or one that Core gives out
    std::byte* host = nullptr; ///< null when not mapped
};

/// A part of a block, at a multiple of 256 bytes.
struct Allocation {
    Block* block = nullptr;
    u64 offset = 0;
    u64 bytes = 0; ///< rounded up
    u64 address() const { return block->address + offset; }
    std::byte* host() const { return block->host != nullptr ? block->host + offset : nullptr; }
};

class MemoryPool {
public:
    struct Options {
        u32 memory_type = 0;
        bool mapped = false;
        bool coherent = false;
        u64 heap_bytes = 0;
        u64 idle_limit = 0;
        bool poison = false;
    };
    MemoryPool(Core& core, const Options& options);
    ~MemoryPool();
    MemoryPool(const MemoryPool&) = delete;
    MemoryPool& operator=(const MemoryPool&) = delete;

    /// The owner lives as long as something is handed out. Before anything is.
    void set_owner(std::weak_ptr<void> owner) { owner_ = std::move(owner); }
    /// From what was given back lately.
    std::optional<Allocation> take_idle(u64 bytes) noexcept {
        if (large(bytes)) return std::nullopt;
        Shelf& shelf = shelf_of(bytes);
        const std::lock_guard lock(shelf.lock);
        if (shelf.idle.empty()) return std::nullopt;
        const Allocation piece = shelf.idle.back();
        shelf.idle.pop_back();
        note_taken(shelf, piece, bytes);
        return piece;
    }
    /// From the blocks that there are.
    std::optional<Allocation> take_existing(u64 bytes);
    /// From a new block; none when the driver has no memory.
    std::optional<Allocation> take_new(u64 bytes);
    /// What was taken for `bytes`. The result is to be destroyed when the caller needs the pool no more: it may be what kept the owner.
    [[nodiscard]] std::shared_ptr<void> give(const Allocation& allocation, u64 bytes) noexcept;
    void trim() noexcept;

    /// For memory that is not coherent: what the host wrote, or is about to read.
    void flush(const Allocation& allocation, u64 offset, u64 bytes) const;
    VkResult try_flush(const Allocation& allocation, u64 offset, u64 bytes) const noexcept;
    void invalidate(const Allocation& allocation, u64 offset, u64 bytes) const;

    u64 block_bytes() const { return block_bytes_; }
    u64 reserved_bytes() const { return reserved_bytes_.load(std::memory_order_relaxed); }
    u64 idle_bytes() const { return reserved_bytes() - sum(&Shelf::used); }
    /// What is handed out: how many pieces, and the bytes that were asked for.
    u64 live_pieces() const { return sum(&Shelf::pieces); }
    u64 live_bytes() const { return sum(&Shelf::bytes); }

private:
    using Classes = SizeClasses<256>;
    /// Of one size class: what waits for the next request, and what is handed out. The sums are read without the lock.
    struct alignas(64) Shelf {
        SpinLock lock;
        std::vector<Allocation> idle;
        std::atomic<u64> pieces = 0;
        std::atomic<u64> bytes = 0; ///< asked for
        std::atomic<u64> used = 0;  ///< rounded up
    };
    static_assert(sizeof(Shelf) == 64);
    static constexpr std::size_t most_idle = 4096;
    u64 sum(std::atomic<u64> Shelf::* what) const;
    Shelf& shelf_of(u64 bytes) { return shelves_[Classes::of(bytes)]; }
    /// To a number that is changed under a lock: no atomic addition is needed.
    static void add(std::atomic<u64>& number, u64 more) {
        number.store(number.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
    }
    /// With the shelf's lock.
    void note_taken(Shelf& shelf, const Allocation& allocation, u64 bytes) noexcept {
        if (shelf.pieces.load(std::memory_order_relaxed) == 0) keep_owner(shelf);
        add(shelf.pieces, 1);
        add(shelf.bytes, bytes);
        add(shelf.used, allocation.bytes);
    }
    void keep_owner(const Shelf& shelf) noexcept;
    /// With the shelf's lock.
    std::shared_ptr<void> note_given(Shelf& shelf, const Allocation& allocation, u64 bytes) noexcept;
    u64 rounded(u64 bytes) const;
    bool large(u64 bytes) const { return bytes > largest_shared_; }
    std::optional<Allocation> take_from_blocks(u64 bytes);
    std::unique_ptr<Block> make_block(u64 bytes);
    u64 address_of(const Block& block) const;
    void destroy_block(Block& block) noexcept;
    void return_to_block(const Allocation& allocation) noexcept;
    void release_empty_blocks() noexcept;
    std::unique_ptr<Block> take_empty_block() noexcept;
    VkMappedMemoryRange range(const Allocation& allocation, u64 offset, u64 bytes) const;

    Core& core_;
    Options options_;
    u64 block_bytes_;
    u64 largest_shared_; ///< larger requests get a block of their own
    std::atomic<u64> reserved_bytes_ = 0;
    std::array<Shelf, Classes::count> shelves_;
    std::array<std::shared_ptr<void>, Classes::count>
        owners_; ///< of each shelf that has handed something out
    std::weak_ptr<void> owner_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<Block>> blocks_;
    std::atomic<u64> trim_above_;
};

} // namespace heddle::runtime::vulkan
