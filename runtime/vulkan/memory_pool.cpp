#include "runtime/vulkan/memory_pool.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace heddle::runtime::vulkan {

namespace {

constexpr u64 mebibyte = u64{1} << 20;
constexpr u64 large_unit = 64 << 10;

} // namespace

MemoryPool::MemoryPool(Core& core, const Options& options)
    : core_(core), options_(options),
      block_bytes_(std::clamp<u64>(std::bit_floor(options.heap_bytes / 64), 8 * mebibyte, 256 * mebibyte)),
      largest_shared_(block_bytes_ / 2), trim_above_(options.idle_limit) {
    block_bytes_ = std::min(block_bytes_, core.physical().max_allocation);
}

MemoryPool::~MemoryPool() {
    for (const std::unique_ptr<Block>& block : blocks_) destroy_block(*block);
}

// Size classes would waste too much of a large buffer; those are few enough to be compared one by one.
u64 MemoryPool::rounded(u64 bytes) const {
    if (large(bytes)) return (bytes + large_unit - 1) / large_unit * large_unit;
    return Classes::bytes(Classes::of(bytes));
}

u64 MemoryPool::sum(std::atomic<u64> Shelf::* what) const {
    u64 total = 0;
    for (const Shelf& shelf : shelves_) total += (shelf.*what).load(std::memory_order_relaxed);
    return total;
}

void MemoryPool::keep_owner(const Shelf& shelf) noexcept {
    owners_[static_cast<std::size_t>(&shelf - shelves_.data())] = owner_.lock();
}

std::shared_ptr<void> MemoryPool::note_given(Shelf& shelf, const Allocation& allocation, u64 bytes) noexcept {
    add(shelf.pieces, ~u64{0});
    add(shelf.bytes, u64{0} - bytes);
    add(shelf.used, u64{0} - allocation.bytes);
    if (shelf.pieces.load(std::memory_order_relaxed) != 0) return nullptr;
    return std::move(owners_[static_cast<std::size_t>(&shelf - shelves_.data())]);
}

std::optional<Allocation> MemoryPool::take_existing(u64 bytes) {
    std::optional<Allocation> piece;
    {
        const std::lock_guard lock(mutex_);
        piece = take_from_blocks(rounded(bytes));
    }
    if (!piece) return std::nullopt;
    Shelf& shelf = shelf_of(piece->bytes);
    const std::lock_guard lock(shelf.lock);
    note_taken(shelf, *piece, bytes);
    return piece;
}

std::optional<Allocation> MemoryPool::take_from_blocks(u64 bytes) {
    for (const std::unique_ptr<Block>& block : blocks_) {
        // A large buffer takes a whole block of nearly its size, so that the block can be freed with it; nobody else takes
        // part of such a block.
        bool own = large(block->free.size()) && block->free.size() != block_bytes_;
        if (large(bytes) != own) continue;
        if (own &&
            (block->free.size() < bytes || block->free.size() > bytes + bytes / 8 || !block->free.all_free()))
            continue;
        u64 size = own ? block->free.size() : bytes;
        if (std::optional<u64> offset = block->free.take(size)) return Allocation{block.get(), *offset, size};
    }
    return std::nullopt;
}

std::optional<Allocation> MemoryPool::take_new(u64 bytes) {
    u64 size = rounded(bytes);
    // A block of its own must not look like one that is shared.
    u64 block_size = large(size) ? size + (size == block_bytes_ ? large_unit : 0) : block_bytes_;
    // Beyond the size that the driver promises it may still have more: it decides. Called without the lock, since it may take
    // milliseconds.
    std::unique_ptr<Block> block = make_block(block_size);
    if (block == nullptr) return std::nullopt;
    Allocation piece{block.get(), 0, large(size) ? block_size : size};
    {
        const std::lock_guard lock(mutex_);
        try {
            blocks_.push_back(std::move(block));
        } catch (const std::bad_alloc&) {
            destroy_block(*piece.block); // not moved from
            throw;
        }
        reserved_bytes_.fetch_add(block_size, std::memory_order_relaxed);
        piece.offset = piece.block->free.take(piece.bytes).value();
    }
    Shelf& shelf = shelf_of(piece.bytes);
    const std::lock_guard lock(shelf.lock);
    note_taken(shelf, piece, bytes);
    return piece;
}

std::shared_ptr<void> MemoryPool::give(const Allocation& allocation, u64 bytes) noexcept {
    if (options_.poison && allocation.host() != nullptr)
        std::memset(allocation.host(), poison_byte, allocation.bytes);
    bool kept = false;
    std::shared_ptr<void> owner;
    {
        Shelf& shelf = shelf_of(allocation.bytes);
        const std::lock_guard lock(shelf.lock);
        owner = note_given(shelf, allocation, bytes);
        if (!large(allocation.bytes) && shelf.idle.size() < most_idle) try {
                shelf.idle.push_back(allocation);
                kept = true;
            } catch (const std::bad_alloc&) {
                kept = false;
            }
    }
    if (!kept) return_to_block(allocation);
    const u64 above = trim_above_.load(std::memory_order_relaxed);
    if (reserved_bytes() <= above || idle_bytes() <= above) return owner;
    trim();
    // Where partly used blocks hold more than the limit, trimming again helps only once a block's worth has come back.
    trim_above_.store(std::max(options_.idle_limit, idle_bytes() + block_bytes_), std::memory_order_relaxed);
    return owner;
}

void MemoryPool::return_to_block(const Allocation& allocation) noexcept {
    std::lock_guard lock(mutex_);
    allocation.block->free.give(allocation.offset);
}

void MemoryPool::trim() noexcept {
    for (Shelf& shelf : shelves_) {
        std::vector<Allocation> idle;
        {
            const std::lock_guard lock(shelf.lock);
            idle.swap(shelf.idle);
        }
        for (const Allocation& piece : idle) return_to_block(piece);
    }
    release_empty_blocks();
}

std::unique_ptr<Block> MemoryPool::take_empty_block() noexcept {
    std::lock_guard lock(mutex_);
    const auto found = std::ranges::find_if(
        blocks_, [](const std::unique_ptr<Block>& block) { return block->free.all_free(); });
    if (found == blocks_.end()) return nullptr;
    std::unique_ptr<Block> block = std::move(*found);
    blocks_.erase(found);
    return block;
}

// One after the other, the driver being called without the lock.
void MemoryPool::release_empty_blocks() noexcept {
    while (const std::unique_ptr<Block> block = take_empty_block()) {
        reserved_bytes_.fetch_sub(block->free.size(), std::memory_order_relaxed);
        destroy_block(*block);
    }
}

std::unique_ptr<Block> MemoryPool::make_block(u64 bytes) {
    const Functions& vk = core_.vk;
    auto block = std::make_unique<Block>(bytes);
    VkBufferCreateInfo info{VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO};
    info.size = bytes;
    const bool addresses = core_.physical().info.target.buffer_addresses;
    info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                 VK_BUFFER_USAGE_TRANSFER_DST_BIT;
    if (addresses) info.usage |= VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT;
    auto failed = [&](VkResult result, const char* what) {
        destroy_block(*block);
        if (result != VK_ERROR_OUT_OF_DEVICE_MEMORY && result != VK_ERROR_OUT_OF_HOST_MEMORY)
            core_.check(result, what);
    };
    VkResult result = vk.vkCreateBuffer(core_.device, &info, nullptr, &block->buffer);
    if (result < 0) return failed(result, "vkCreateBuffer"), nullptr;
    VkMemoryRequirements needs{};
    vk.vkGetBufferMemoryRequirements(core_.device, block->buffer, &needs);
    VkMemoryAllocateFlagsInfo flags{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO};
    flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
    VkMemoryAllocateInfo memory{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO};
    if (addresses) memory.pNext = &flags;
    memory.allocationSize = needs.size;
    memory.memoryTypeIndex = options_.memory_type;
    result = vk.vkAllocateMemory(core_.device, &memory, nullptr, &block->memory);
    if (result < 0) return failed(result, "vkAllocateMemory"), nullptr;
    result = vk.vkBindBufferMemory(core_.device, block->buffer, block->memory, 0);
    if (result < 0) return failed(result, "vkBindBufferMemory"), nullptr;
    block->address = address_of(*block);
    if (!options_.mapped) return block;
    void* host = nullptr;
    result = vk.vkMapMemory(core_.device, block->memory, 0, VK_WHOLE_SIZE, 0, &host);
    if (result < 0) return failed(result, "vkMapMemory"), nullptr;
    block->host = static_cast<std::byte*>(host);
    return block;
}

u64 MemoryPool::address_of(const Block& block) const {
    if (!core_.physical().info.target.buffer_addresses) return core_.take_addresses(block.free.size());
    VkBufferDeviceAddressInfo info{VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO};
    info.buffer = block.buffer;
    return core_.vk.vkGetBufferDeviceAddress(core_.device, &info);
}

void MemoryPool::destroy_block(Block& block) noexcept {
    if (core_.released()) return;
    core_.vk.vkDestroyBuffer(core_.device, block.buffer, nullptr);
    core_.vk.vkFreeMemory(core_.device, block.memory, nullptr);
}

VkMappedMemoryRange MemoryPool::range(const Allocation& allocation, u64 offset, u64 bytes) const {
    u64 atom = core_.physical().atom;
    u64 begin = (allocation.offset + offset) / atom * atom;
    u64 end = (allocation.offset + offset + bytes + atom - 1) / atom * atom;
    VkMappedMemoryRange range{VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE};
    range.memory = allocation.block->memory;
    range.offset = begin;
    // Blocks are multiples of every atom that there is, but the specification lets the last one be cut off.
    range.size = end >= allocation.block->free.size() ? VK_WHOLE_SIZE : end - begin;
    return range;
}

VkResult MemoryPool::try_flush(const Allocation& allocation, u64 offset, u64 bytes) const noexcept {
    if (options_.coherent || bytes == 0) return VK_SUCCESS;
    VkMappedMemoryRange whole = range(allocation, offset, bytes);
    return core_.vk.vkFlushMappedMemoryRanges(core_.device, 1, &whole);
}

void MemoryPool::flush(const Allocation& allocation, u64 offset, u64 bytes) const {
    core_.check(try_flush(allocation, offset, bytes), "vkFlushMappedMemoryRanges");
}

void MemoryPool::invalidate(const Allocation& allocation, u64 offset, u64 bytes) const {
    if (options_.coherent || bytes == 0) return;
    VkMappedMemoryRange whole = range(allocation, offset, bytes);
    core_.check(core_.vk.vkInvalidateMappedMemoryRanges(core_.device, 1, &whole),
                "vkInvalidateMappedMemoryRanges");
}

} // namespace heddle::runtime::vulkan
