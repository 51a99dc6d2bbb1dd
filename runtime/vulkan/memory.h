#pragma once
// All memory of one device: the pool of buffers, and the pool that the host writes and reads on the way to them. Owned by everything
// that gives memory back.

#include "runtime/vulkan/memory_pool.h"

#include <atomic>
#include <memory>

namespace heddle::runtime::vulkan {

struct Memory {
    explicit Memory(std::shared_ptr<Core> core);
    std::shared_ptr<Core> core;
    MemoryPool main;    ///< buffers
    MemoryPool staging; ///< always mapped
    u64 limit;          ///< bytes of buffers that may live at once
};

/// Host memory that the device reads or writes; back to its pool with the last owner.
class StagingPiece {
public:
    StagingPiece(std::shared_ptr<Memory> memory, const Allocation& allocation, u64 bytes)
        : memory_(std::move(memory)), allocation_(allocation), bytes_(bytes) {}
    ~StagingPiece() { (void)memory_->staging.give(allocation_, bytes_); } // the pool has no owner
    StagingPiece(const StagingPiece&) = delete;
    StagingPiece& operator=(const StagingPiece&) = delete;
    const Allocation& allocation() const { return allocation_; }

private:
    std::shared_ptr<Memory> memory_;
    Allocation allocation_;
    u64 bytes_; ///< asked for
};
using StagingRef = std::shared_ptr<StagingPiece>;

/// From what there is or from the driver; null when neither has it.
StagingRef try_take_staging(const std::shared_ptr<Memory>& memory, u64 bytes);

} // namespace heddle::runtime::vulkan
