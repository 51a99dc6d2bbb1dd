#pragma once
// A buffer in Vulkan memory: part of a block of the device's pool, to which it returns with the last owner.

#include "runtime/vulkan/memory.h"

#include <memory>

namespace heddle::runtime::vulkan {

class VulkanBuffer final : public Buffer {
public:
    /// Takes `allocation` over. The device owns the memory.
    VulkanBuffer(std::shared_ptr<Device> device, Memory& memory, std::size_t bytes,
                 const Allocation& allocation)
        : Buffer(bytes), device_(std::move(device)), memory_(memory), allocation_(allocation) {
        memory_.live_buffers.fetch_add(1, std::memory_order_relaxed);
        memory_.live_bytes.fetch_add(bytes, std::memory_order_relaxed);
    }
    ~VulkanBuffer() override {
        memory_.main.give(allocation_);
        memory_.live_buffers.fetch_sub(1, std::memory_order_relaxed);
        memory_.live_bytes.fetch_sub(bytes(), std::memory_order_relaxed);
    }

    Device& device() const override { return *device_; }
    /// Memory that needs flushing is not shown: upload() and download() do that.
    std::byte* host() const override {
        const PhysicalDevice& physical = memory_.core->physical();
        return physical.unified && physical.main_coherent ? allocation_.host() : nullptr;
    }
    u64 address() const override { return allocation_.address(); }
    const Allocation& allocation() const { return allocation_; }
    /// Whether `batch`, by its number, took this buffer most recently. A hint that saves a search: with several streams another may
    /// have taken it since.
    bool owned_last_by(u64 batch) const { return owner_.load(std::memory_order_relaxed) == batch; }
    void set_owner(u64 batch) { owner_.store(batch, std::memory_order_relaxed); }

private:
    std::shared_ptr<Device> device_;
    Memory& memory_;
    Allocation allocation_;
    std::atomic<u64> owner_ = 0;
};

} // namespace heddle::runtime::vulkan
