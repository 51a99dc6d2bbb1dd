#pragma once
// Descriptor sets of one batch, for devices that are used without buffer addresses: a set a launch, gone all at once when the batch has
// completed. Pools are kept from batch to batch.

#include "runtime/vulkan/memory_pool.h"

#include <vector>

namespace heddle::runtime::vulkan {

class VulkanExecutable;

class DescriptorSets {
public:
    explicit DescriptorSets(Core& core) : core_(core) {}
    ~DescriptorSets();
    DescriptorSets(const DescriptorSets&) = delete;
    DescriptorSets& operator=(const DescriptorSets&) = delete;

    /// A set of the kernel's layout, not yet written. Throws OutOfMemory.
    VkDescriptorSet take(const VulkanExecutable& executable);
    /// The device is done with all of them.
    void clear();

private:
    void add_pool(u32 bindings);

    Core& core_;
    std::vector<VkDescriptorPool> pools_;
    std::size_t current_ = 0; ///< pools before it are used up
};

/// The part of memory that a descriptor shows so that it holds [offset, offset + bytes) of the allocation: it starts at a multiple
/// of the device's alignment, `before` bytes early.
struct DescribedRange {
    DescribedRange(const Core& core, const Allocation& allocation, u64 offset, u64 bytes);
    VkDescriptorBufferInfo info;
    u64 before = 0;
};

} // namespace heddle::runtime::vulkan
