#pragma once
// Launches recorded once, as a secondary command buffer that batches execute: on any stream, several times, also at once. That is safe
// because batches run one after the other on the one queue, each behind a full barrier, and because inside a batch what the launches
// write is compared with what was touched before. Device::record says what a caller has to keep to.

#include "runtime/vulkan/batch.h"

#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

namespace heddle::runtime::vulkan {

/// Command pools, each with one secondary command buffer and one recording at a time. Idle ones are kept.
class CommandPools {
public:
    struct Pool {
        VkCommandPool pool = VK_NULL_HANDLE;
        VkCommandBuffer commands = VK_NULL_HANDLE;
    };
    explicit CommandPools(std::shared_ptr<Memory> memory) : memory_(std::move(memory)) {}
    ~CommandPools();
    CommandPools(const CommandPools&) = delete;
    CommandPools& operator=(const CommandPools&) = delete;

    Pool take();
    /// Needs no memory: there is a place for each that was taken.
    void give(Pool pool) noexcept;
    /// Destroys the idle ones.
    void trim() noexcept;
    const std::shared_ptr<Memory>& memory() const { return memory_; }

private:
    std::optional<Pool> take_idle();
    void destroy(const Pool& pool) noexcept;

    std::shared_ptr<Memory> memory_;
    std::mutex mutex_;
    std::vector<Pool> idle_; ///< has room for all that there are
    std::size_t made_ = 0;   ///< idle or taken
};

class VulkanRecording final : public VulkanCommand {
public:
    /// The launches were checked. Throws OutOfMemory, DeviceLost or DeviceError.
    VulkanRecording(std::shared_ptr<CommandPools> pools, std::vector<Launch> launches, const Launch& passed,
                    Recorded use);
    ~VulkanRecording() override;
    VulkanRecording(const VulkanRecording&) = delete;
    VulkanRecording& operator=(const VulkanRecording&) = delete;

    VkCommandBuffer commands() const { return pool_.commands; }
    /// Kernels in it.
    u32 work() const { return work_; }
    /// What the kernels write in buffers that the recording owns.
    std::span<const AddressRange> own_writes() const { return own_writes_; }
    /// Why this launch of it is wrong; empty if it is not.
    std::string objection(const Launch& launch) const;

private:
    void encode(std::vector<Launch>& launches);
    void own(std::vector<Launch>& launches, const Launch& passed);

    std::shared_ptr<CommandPools> pools_;
    Encoder encoder_;
    CommandPools::Pool pool_; ///< given back by the destructor: nothing that may fail is made behind it
    Recorded use_;
    OwnedSet owned_;
    std::vector<AddressRange> own_writes_;
    std::vector<u64> passed_; ///< addresses of what a launch has to bind
    u32 work_ = 0;
};

} // namespace heddle::runtime::vulkan
