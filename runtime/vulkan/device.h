#pragma once
// The Vulkan device: memory from its pool, kernels as pipelines, calls on the stream of the calling thread. All streams share one
// queue, where every batch starts with a barrier; so a call that depends on another stream only has to see that one's batch flushed.

#include "runtime/device.h"
#include "runtime/device_options.h"
#include "runtime/vulkan/stream.h"

#include <memory>
#include <vector>

namespace heddle::runtime::vulkan {

class VulkanDevice final : public Device {
public:
    /// Device number `index`, best first. Throws DeviceError that says what is missing.
    VulkanDevice(const DeviceOptions& options, std::size_t index);
    ~VulkanDevice() override;

    const DeviceInfo& info() const override { return info_; }
    BufferRef allocate(std::size_t bytes) override;
    /// Copies: Vulkan cannot take host memory over everywhere.
    BufferRef adopt(std::byte* data, std::size_t bytes, std::shared_ptr<void> owner) override;
    void upload(const BufferRef& to, std::size_t offset, std::span<const std::byte> from) override;
    void download(const BufferRef& from, std::size_t offset, std::span<std::byte> to) override;
    ExecutableRef load(const codegen::Artifact& artifact) override;
    Event submit(std::vector<Launch>&& launches) override;
    std::unique_ptr<PreparedLaunch> prepare_launch(const Launch& launch) override;
    bool submit_prepared(const PreparedLaunch& launch, std::span<const Bound> bound,
                         std::span<std::byte> arguments) override;
    bool records() const override { return true; }
    ExecutableRef record(std::vector<Launch> launches, const Launch& passed, Recorded use) override;
    Event submitted() override { return stream().submitted(); }
    void synchronize() override;
    /// Waits for what was submitted until now; what other threads submit meanwhile is not waited for.
    void finish() noexcept;
    bool hold_queue(bool held) override;
    Faults& faults() override { return core_->faults(); }
    void trim() override;
    u64 live_buffers() const override { return memory_->main.live_pieces(); }
    u64 live_bytes() const override { return memory_->main.live_bytes(); }

    /// Completes info() with what only a kernel can tell. Once, before the device is shared.
    void measure();
    /// For tests.
    Core& core() { return *core_; }
    Memory& memory() { return *memory_; }

private:
    // Threads share streams when there are more of them than this; they then only take turns at recording.
    static constexpr std::size_t stream_count = 16;
    /// Of the calling thread.
    VulkanStream& stream() {
        const std::size_t number = thread_number_ != 0 ? thread_number_ : number_thread();
        return *streams_[(number - 1) % stream_count];
    }
    /// Among the threads that have used some device, from 1; 0: it has not yet.
    static constinit thread_local std::size_t thread_number_;
    static std::size_t number_thread();
    void collect();
    bool wait_for_memory();
    Allocation take(std::size_t bytes);
    StagingRef take_staging(u64 bytes);
    void check_launch(const Launch& launch) const;
    void check_kernel(const VulkanExecutable& kernel, const Launch& launch) const;
    void order_after_others(const Buffer& buffer, const VulkanStream& own, bool write) const;
    std::shared_ptr<VulkanBuffer> own_buffer(const BufferRef& buffer) const;
    void upload_staged(const std::shared_ptr<VulkanBuffer>& to, std::size_t offset,
                       std::span<const std::byte> from);
    void download_staged(const std::shared_ptr<VulkanBuffer>& from, std::size_t offset,
                         std::span<std::byte> to);

    std::shared_ptr<Core> core_;
    std::shared_ptr<Memory> memory_;
    std::shared_ptr<CommandPools> command_pools_; ///< of recordings
    DeviceInfo info_;
    std::vector<std::shared_ptr<VulkanStream>> streams_;
};

/// All devices, with the reasons why some are refused. Empty without a loader or a driver.
std::vector<DeviceInfo> list_devices(const DeviceOptions& options);
DeviceRef open_device(const DeviceOptions& options, std::size_t index);

} // namespace heddle::runtime::vulkan
