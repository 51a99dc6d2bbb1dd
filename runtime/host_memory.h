#pragma once
// Memory of the devices that compute in host memory (interpreter and CPU): buffers from a bounded pool of size classes, and the part
// of the Device interface that follows from memory being the host's. A device derives from HostMemoryDevice and adds executables
// and submissions.

#include "runtime/device.h"
#include "runtime/device_options.h"
#include "runtime/faults.h"
#include "runtime/size_classes.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>

namespace heddle::runtime {

/// Freed memory waits here for the next buffer of about its size. Idle memory is bounded; beyond the bound, and when the
/// system has no more, it goes back to the system, that of sizes which are not asked for any more first.
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
    /// What is handed out, rounded up to size classes, and what waits for reuse.
    u64 live_bytes() const { return live_bytes_.load(std::memory_order_relaxed); }
    u64 idle_bytes() const {
        u64 reserved = reserved_bytes_.load(std::memory_order_relaxed), live = live_bytes();
        return reserved > live ? reserved - live : 0; // a request is counted before its memory comes
    }

private:
    using Classes = SizeClasses<64>;
    std::byte* take_from_system(u32 size_class);
    void give_to_system(u32 size_class, std::byte* memory) noexcept;
    void shrink_others(u32 size_class) noexcept;

    u64 memory_limit_;
    u64 idle_limit_;
    bool poison_;
    std::atomic<u64> live_bytes_ = 0;
    std::atomic<u64> reserved_bytes_ = 0; ///< taken from the system
    IdlePieces<std::byte*, Classes::count> idle_;
    std::array<std::atomic<bool>, Classes::count> used_{}; ///< taken from since others had to give way
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
    Faults& faults() final { return faults_; }
    u64 live_buffers() const final { return live_buffers_.load(std::memory_order_relaxed); }
    /// Without what was adopted, which is its owner's.
    u64 live_bytes() const final { return pool_.live_bytes(); }
    u64 idle_bytes() const { return pool_.idle_bytes(); }
    const DeviceOptions& options() const { return options_; }

protected:
    /// Host memory is never lost, except in tests: then the device behaves as one that was.
    void check_usable() const;
    void lose() { lost_.store(true, std::memory_order_relaxed); }

private:
    friend class HostBuffer;
    DeviceOptions options_;
    Faults faults_;
    std::atomic<bool> lost_ = false;
    HostPool pool_;
    std::atomic<u64> live_buffers_ = 0;
};

} // namespace heddle::runtime
