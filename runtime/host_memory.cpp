#include "runtime/host_memory.h"

#include <heddle/error.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

namespace heddle::runtime {

namespace {

constexpr std::size_t alignment = 64;
constexpr std::size_t huge_page = std::size_t{2} << 20;

std::byte* system_take(std::size_t bytes) {
    // Large buffers are touched a page at a time by every kernel: huge pages save most of the faults.
    std::size_t align = bytes >= 2 * huge_page ? huge_page : alignment;
    void* memory = nullptr;
    if (posix_memalign(&memory, align, bytes) != 0) return nullptr;
    if (align == huge_page) (void)madvise(memory, bytes / huge_page * huge_page, MADV_HUGEPAGE);
    return static_cast<std::byte*>(memory);
}

u64 control_group_limit() {
    for (const char* file : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
        std::ifstream in(file);
        u64 limit = 0;
        if (in >> limit) return limit;
    }
    return ~u64{0};
}

} // namespace

u64 host_memory_bytes() {
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGE_SIZE);
    u64 physical = pages > 0 && page > 0 ? static_cast<u64>(pages) * static_cast<u64>(page) : u64{1} << 32;
    return std::min(physical, control_group_limit());
}

HostPool::HostPool(u64 memory_limit, u64 idle_limit, bool poison)
    : memory_limit_(memory_limit), idle_limit_(idle_limit), poison_(poison) {}

HostPool::~HostPool() { trim(); }

std::byte* HostPool::take_from_system(u32 size_class) {
    std::size_t bytes = Classes::bytes(size_class);
    // What waits here counts against the same limit: it goes before anyone is refused.
    if (reserved_bytes_.load(std::memory_order_relaxed) + bytes > memory_limit_) trim();
    std::byte* memory = system_take(bytes);
    if (memory == nullptr) {
        trim();
        memory = system_take(bytes);
    }
    if (memory != nullptr) reserved_bytes_.fetch_add(bytes, std::memory_order_relaxed);
    return memory;
}

void HostPool::give_to_system(u32 size_class, std::byte* memory) noexcept {
    reserved_bytes_.fetch_sub(Classes::bytes(size_class), std::memory_order_relaxed);
    std::free(memory);
}

std::byte* HostPool::take(std::size_t bytes) {
    u64 limit = memory_limit_;
    u32 size_class = bytes <= limit ? Classes::of(bytes) : 0;
    std::size_t rounded = Classes::bytes(size_class);
    if (bytes > limit || live_bytes_.fetch_add(rounded, std::memory_order_relaxed) + rounded > limit) {
        if (bytes <= limit) live_bytes_.fetch_sub(rounded, std::memory_order_relaxed);
        throw OutOfMemory(fmt::format("{} bytes of host memory were asked for; {} of {} bytes are in use",
                                      bytes, live_bytes(), limit));
    }
    if (!used_[size_class].load(std::memory_order_relaxed))
        used_[size_class].store(true, std::memory_order_relaxed);
    if (std::optional<std::byte*> memory = idle_.take(size_class)) return *memory;
    if (std::byte* memory = take_from_system(size_class)) return memory;
    live_bytes_.fetch_sub(rounded, std::memory_order_relaxed);
    throw OutOfMemory(
        fmt::format("the system refused {} bytes of host memory; {} bytes are in use", bytes, live_bytes()));
}

/// Until the bound holds: first what waits in classes that nothing was taken from since the last time, then in any.
void HostPool::shrink_others(u32 size_class) noexcept {
    for (const bool any : {false, true})
        for (u32 other = Classes::count; other-- > 0 && idle_bytes() > idle_limit_;) {
            if (other == size_class || (used_[other].exchange(false, std::memory_order_relaxed) && !any))
                continue;
            while (idle_bytes() > idle_limit_) {
                const std::optional<std::byte*> memory = idle_.take(other);
                if (!memory) break;
                give_to_system(other, *memory);
            }
        }
}

void HostPool::give(std::byte* memory, std::size_t bytes) noexcept {
    u32 size_class = Classes::of(bytes);
    std::size_t rounded = Classes::bytes(size_class);
    if (poison_) std::memset(memory, poison_byte, rounded);
    live_bytes_.fetch_sub(rounded, std::memory_order_relaxed);
    if (rounded <= idle_limit_ && idle_bytes() > idle_limit_) shrink_others(size_class);
    if (idle_bytes() > idle_limit_ || !idle_.put(size_class, memory)) give_to_system(size_class, memory);
}

void HostPool::trim() noexcept {
    for (u32 size_class = 0; size_class < Classes::count; ++size_class)
        while (std::optional<std::byte*> memory = idle_.take(size_class)) give_to_system(size_class, *memory);
}

/// Owns its memory, or what keeps adopted memory alive; and its device, so that the pool outlives it.
class HostBuffer final : public Buffer {
public:
    HostBuffer(std::shared_ptr<HostMemoryDevice> device, std::byte* data, std::size_t bytes,
               std::shared_ptr<void> owner, bool adopted)
        : Buffer(*device, bytes, reinterpret_cast<u64>(data), nullptr, adopted), device_(std::move(device)),
          data_(data), owner_(std::move(owner)) {
        device_->live_buffers_.fetch_add(1, std::memory_order_relaxed);
    }
    ~HostBuffer() override {
        if (!adopted()) device_->pool_.give(data_, bytes());
        device_->live_buffers_.fetch_sub(1, std::memory_order_relaxed);
    }
    std::byte* host() const override { return data_; }

private:
    std::shared_ptr<HostMemoryDevice> device_;
    std::byte* data_;
    std::shared_ptr<void> owner_;
};

namespace {

u64 limit_or(u64 limit, u64 otherwise) { return limit != 0 ? limit : otherwise; }

} // namespace

HostMemoryDevice::HostMemoryDevice(const DeviceOptions& options)
    : options_(options),
      pool_(limit_or(options.memory_limit, host_memory_bytes()),
            limit_or(options.pool_limit, host_memory_bytes() / 8), options.poison_released) {}

void HostMemoryDevice::check_usable() const {
    if (lost_.load(std::memory_order_relaxed))
        throw DeviceLost(fmt::format("device {} was lost; open it again", info().name));
}

BufferRef HostMemoryDevice::allocate(std::size_t bytes) {
    check_usable();
    if (faults_.allocation_fails())
        throw OutOfMemory(fmt::format(
            "{} bytes of host memory were asked for, and a test said that there are none", bytes));
    auto self = std::static_pointer_cast<HostMemoryDevice>(shared_from_this());
    std::byte* memory = pool_.take(bytes);
    try {
        return std::make_shared<HostBuffer>(std::move(self), memory, bytes, nullptr, false);
    } catch (const std::bad_alloc&) {
        pool_.give(memory, bytes);
        throw OutOfMemory(fmt::format("no memory for the handle of a buffer of {} bytes", bytes));
    }
}

BufferRef HostMemoryDevice::adopt(std::byte* data, std::size_t bytes, std::shared_ptr<void> owner) {
    auto self = std::static_pointer_cast<HostMemoryDevice>(shared_from_this());
    return std::make_shared<HostBuffer>(std::move(self), data, bytes, std::move(owner), true);
}

void HostMemoryDevice::upload(const BufferRef& to, std::size_t offset, std::span<const std::byte> from) {
    check_range(*to, offset, from.size());
    wait_before_write(*to);
    if (!from.empty()) std::memcpy(to->host() + offset, from.data(), from.size());
}

void HostMemoryDevice::download(const BufferRef& from, std::size_t offset, std::span<std::byte> to) {
    check_range(*from, offset, to.size());
    wait_before_read(*from);
    if (!to.empty()) std::memcpy(to.data(), from->host() + offset, to.size());
}

} // namespace heddle::runtime
