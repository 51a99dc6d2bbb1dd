#pragma once
// Memory of the devices that compute in host memory (interpreter and CPU): buffers from a bounded pool of size classes, and the part
// of the Device interface that follows from memory being the host's. A device derives from HostMemoryDevice and adds executables
// and submissions.

#include "runtime/device.h"
#include "runtime/device_options.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

namespace heddle::runtime {

/// Freed memory waits here for the next buffer of about its size: four classes for each power of two, one short lock a class.
/// Idle memory is bounded; beyond the bound, and when the system has no more, it goes back to the system.
class HostPool {
public:
    HostPool(u64 memory_limit, u64 idle_limit, bool poison);
    ~HostPool();
    HostPool(const HostPool&) = delete;
    HostPool& operator=(const HostPool&) = delete;

    /// 64-byte aligned. Throws OutOfMemory when `bytes` and what is handed out exceed the limit, or the system refuses.
    std::byte* take(std::size_t bytes);
    /// `bytes` as given to take().
    void give(std::byte* memory, std::size_t bytes) noexcept;
    void trim() noexcept;
    u64 idle_bytes() const { return idle_bytes_.load(std::memory_order_relaxed); }
    u64 live_bytes() const { return live_bytes_.load(std::memory_order_relaxed); }

private:
    struct alignas(64) SizeClass {
        std::atomic_flag guard;
        std::vector<std::byte*> idle;
    };
    static constexpr u32 class_count = 4 * 48;
    static u32 class_of(std::size_t bytes);
    static std::size_t class_bytes(u32 size_class);
    std::byte* take_idle(u32 size_class) noexcept;
    std::byte* take_from_system(u32 size_class, std::size_t bytes);

    u64 memory_limit_;
    u64 idle_limit_;
    bool poison_;
    std::atomic<u64> live_bytes_ = 0;
    std::atomic<u64> idle_bytes_ = 0;
    std::array<SizeClass, class_count> classes_;
};

/// Memory that the machine grants this process: physical memory, or the control group's limit if that is less.
u64 host_memory_bytes();

class HostMemoryDevice : public Device {
public:
    explicit HostMemoryDevice(const DeviceOptions& options);

    BufferRef allocate(std::size_t bytes) final;
    BufferRef adopt(std::byte* data, std::size_t bytes, std::shared_ptr<void> owner) final;
    void upload(const BufferRef& to, std::size_t offset, std::span<const std::byte> from) final;
    void download(const BufferRef& from, std::size_t offset, std::span<std::byte> to) final;
    void trim() final { pool_.trim(); }
    u64 live_buffers() const final { return live_buffers_.load(std::memory_order_relaxed); }
    /// Without what was adopted, which is its owner's.
    u64 live_bytes() const final { return pool_.live_bytes(); }
    u64 idle_bytes() const { return pool_.idle_bytes(); }
    const DeviceOptions& options() const { return options_; }

private:
    friend class HostBuffer;
    DeviceOptions options_;
    HostPool pool_;
    std::atomic<u64> live_buffers_ = 0;
};

} // namespace heddle::runtime
