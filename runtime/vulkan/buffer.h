#pragma once
// A buffer in Vulkan memory: part of a block of the device's pool, to which it returns with the last owner.

#include "runtime/vulkan/memory.h"

#include <memory>

namespace heddle::runtime::vulkan {

class VulkanBuffer final : public Buffer {
public:
    /// Takes over `allocation`, which keeps the device, and this `memory`, and its streams, of which `home` is one.
    VulkanBuffer(Device& device, Memory& memory, std::size_t bytes, const Allocation& allocation,
                 Stream* home)
        : Buffer(device, bytes, allocation.address(), home), memory_(memory), allocation_(allocation) {}
    ~VulkanBuffer() override { const std::shared_ptr<void> last = memory_.main.give(allocation_, bytes()); }

    /// Memory that needs flushing is not shown: upload() and download() do that.
    std::byte* host() const override {
        const PhysicalDevice& physical = memory_.core->physical();
        return physical.unified && physical.main_coherent ? allocation_.host() : nullptr;
    }
    const Allocation& allocation() const { return allocation_; }
    /// Whether `batch`, by its number, took this buffer most recently. A hint that saves a search: with several streams another may
    /// have taken it since.
    bool owned_last_by(u64 batch) const { return owner_.load(std::memory_order_relaxed) == batch; }
    void set_owner(u64 batch) { owner_.store(batch, std::memory_order_relaxed); }

private:
    Memory& memory_;
    Allocation allocation_;
    std::atomic<u64> owner_ = 0;
};

} // namespace heddle::runtime::vulkan
