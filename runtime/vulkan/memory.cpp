#include "runtime/vulkan/memory.h"

#include <utility>

namespace heddle::runtime::vulkan {

namespace {

/// Staging is small and short-lived: this much of it waits for reuse.
constexpr u64 staging_idle_limit = u64{64} << 20;

MemoryPool::Options main_options(const Core& core) {
    const PhysicalDevice& physical = core.physical();
    MemoryPool::Options options;
    options.memory_type = physical.main_type;
    options.mapped = physical.main_mapped;
    options.coherent = physical.main_coherent;
    options.heap_bytes = physical.info.memory_bytes;
    options.idle_limit =
        core.options().pool_limit != 0 ? core.options().pool_limit : physical.info.memory_bytes / 8;
    options.poison = core.options().poison_released;
    return options;
}

MemoryPool::Options staging_options(const Core& core) {
    MemoryPool::Options options;
    options.memory_type = core.physical().staging_type;
    options.mapped = true;
    options.coherent = core.physical().staging_coherent;
    options.heap_bytes = u64{2} << 30;
    options.idle_limit = staging_idle_limit;
    options.poison = core.options().poison_released;
    return options;
}

} // namespace

Memory::Memory(std::shared_ptr<Core> shared)
    : core(std::move(shared)), main(*core, main_options(*core)), staging(*core, staging_options(*core)),
      limit(core->options().memory_limit != 0 ? core->options().memory_limit
                                              : core->physical().info.memory_bytes) {}

StagingRef try_take_staging(const std::shared_ptr<Memory>& memory, u64 bytes) {
    if (memory->core->faults().allocation_fails()) return nullptr;
    std::optional<Allocation> piece = memory->staging.take_idle(bytes);
    if (!piece) piece = memory->staging.take_existing(bytes);
    if (!piece) piece = memory->staging.take_new(bytes);
    if (!piece) return nullptr;
    try {
        return std::make_shared<StagingPiece>(memory, *piece, bytes);
    } catch (const std::bad_alloc&) {
        (void)memory->staging.give(*piece, bytes);
        throw;
    }
}

} // namespace heddle::runtime::vulkan
