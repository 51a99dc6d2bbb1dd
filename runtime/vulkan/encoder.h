#pragma once
// Kernels written into one command buffer: pipelines, arguments, descriptors, barriers. It owns the memory that argument blocks and descriptor
// sets take, not what the launches bind. A batch and a recording have one each.

#include "runtime/vulkan/descriptors.h"
#include "runtime/vulkan/executable.h"
#include "runtime/vulkan/memory.h"

#include <memory>
#include <span>
#include <vector>

namespace heddle::runtime::vulkan {

/// Puts the addresses of what the launch binds into its argument block.
void patch_addresses(Launch& launch);

class Encoder {
public:
    explicit Encoder(std::shared_ptr<Memory> memory);

    /// Where to. Once, before anything is encoded.
    void set_commands(VkCommandBuffer commands) { commands_ = commands; }
    VkCommandBuffer commands() const { return commands_; }
    /// What the kernels among these launches need beside commands, so that encoding them cannot fail. Throws OutOfMemory; nothing is
    /// encoded then.
    void reserve(std::span<const Launch> launches);
    /// A kernel among those that were reserved for, in their order. Its grid is not empty.
    void kernel(Launch& launch) noexcept;
    /// Shows the device the argument blocks of what was encoded. Before it runs.
    VkResult flush_parameters() noexcept;
    void execute(VkCommandBuffer recorded);
    /// Orders all kernels and copies before it before those after it.
    void barrier();
    /// The device is done with the commands.
    void clear();

private:
    void reserve_parameters(u64 needed);
    u64 parameter_step() const;
    u64 put_parameters(const Launch& launch);
    void push(Launch& launch);
    void bind(Launch& launch);

    std::shared_ptr<Memory> memory_;
    const Core& core_;
    VkCommandBuffer commands_ = VK_NULL_HANDLE;
    const VulkanExecutable* bound_ = nullptr;
    StagingRef parameters_; ///< where the next argument block that is too long for push constants goes
    u64 parameters_used_ = 0, parameters_shown_ = 0;
    std::vector<StagingRef> full_;
    std::unique_ptr<DescriptorSets> descriptors_; ///< null where kernels are given addresses
    std::vector<VkDescriptorSet> sets_;           ///< reserved; those before next_set_ are used
    std::size_t next_set_ = 0;
    std::vector<VkDescriptorBufferInfo> described_; ///< of one launch; has room for any that was reserved for
    std::vector<VkWriteDescriptorSet> writes_;      ///< likewise
};

} // namespace heddle::runtime::vulkan
