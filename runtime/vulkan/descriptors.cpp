#include "runtime/vulkan/descriptors.h"

#include "runtime/vulkan/executable.h"

#include <algorithm>

namespace heddle::runtime::vulkan {

namespace {

constexpr u32 sets_a_pool = 64;
constexpr u32 bindings_a_pool = 512;

} // namespace

DescriptorSets::~DescriptorSets() {
    if (core_.released()) return;
    for (VkDescriptorPool pool : pools_) core_.vk.vkDestroyDescriptorPool(core_.device, pool, nullptr);
}

void DescriptorSets::add_pool(u32 bindings) {
    VkDescriptorPoolSize size{VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, std::max(bindings, bindings_a_pool)};
    VkDescriptorPoolCreateInfo info{VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO};
    info.maxSets = sets_a_pool;
    info.poolSizeCount = 1;
    info.pPoolSizes = &size;
    pools_.reserve(pools_.size() + 1);
    VkDescriptorPool pool = VK_NULL_HANDLE;
    core_.check(core_.vk.vkCreateDescriptorPool(core_.device, &info, nullptr, &pool),
                "vkCreateDescriptorPool");
    pools_.push_back(pool);
}

VkDescriptorSet DescriptorSets::take(const VulkanExecutable& executable) {
    const VkDescriptorSetLayout layout = executable.set_layout();
    VkDescriptorSetAllocateInfo info{VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO};
    info.descriptorSetCount = 1;
    info.pSetLayouts = &layout;
    for (bool fresh = false;; ++current_) {
        if (current_ == pools_.size()) {
            add_pool(executable.bindings());
            fresh = true;
        }
        info.descriptorPool = pools_[current_];
        VkDescriptorSet set = VK_NULL_HANDLE;
        const VkResult result = core_.vk.vkAllocateDescriptorSets(core_.device, &info, &set);
        const bool full = result == VK_ERROR_OUT_OF_POOL_MEMORY || result == VK_ERROR_FRAGMENTED_POOL;
        if (full && !fresh) continue;
        core_.check(result, "vkAllocateDescriptorSets");
        return set;
    }
}

void DescriptorSets::clear() {
    if (core_.released()) return;
    for (VkDescriptorPool pool : pools_) (void)core_.vk.vkResetDescriptorPool(core_.device, pool, 0);
    current_ = 0;
}

DescribedRange::DescribedRange(const Core& core, const Allocation& allocation, u64 offset, u64 bytes) {
    const u64 alignment = core.physical().descriptor_alignment;
    // Of nothing, or of what lies behind the end, some bytes are shown all the same: a descriptor is never empty.
    const u64 last = (allocation.bytes - 1) / alignment * alignment;
    const u64 start = std::min(offset / alignment * alignment, last);
    before = offset - start;
    info = {allocation.block->buffer, allocation.offset + start, std::max<u64>(before + bytes, 4)};
    info.range = std::min(info.range, allocation.bytes - start);
}

} // namespace heddle::runtime::vulkan
