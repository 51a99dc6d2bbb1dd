#include "runtime/vulkan/recording.h"

#include <heddle/error.h>

#include <algorithm>
#include <fmt/format.h>
#include <unordered_set>
#include <utility>

namespace heddle::runtime::vulkan {

// ---- command pools

CommandPools::~CommandPools() { trim(); }

std::optional<CommandPools::Pool> CommandPools::take_idle() {
    std::lock_guard lock(mutex_);
    if (idle_.empty()) return std::nullopt;
    const Pool pool = idle_.back();
    idle_.pop_back();
    return pool;
}

CommandPools::Pool CommandPools::take() {
    if (const std::optional<Pool> pool = take_idle()) return *pool;
    {
        std::lock_guard lock(mutex_);
        idle_.reserve(made_ + 1);
        ++made_;
    }
    Core& core = *memory_->core;
    VkCommandPoolCreateInfo info{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
    info.queueFamilyIndex = core.physical().queue_family;
    Pool made;
    VkCommandBufferAllocateInfo buffer{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO};
    buffer.level = VK_COMMAND_BUFFER_LEVEL_SECONDARY;
    buffer.commandBufferCount = 1;
    try {
        core.check(core.vk.vkCreateCommandPool(core.device, &info, nullptr, &made.pool),
                   "vkCreateCommandPool");
        buffer.commandPool = made.pool;
        core.check(core.vk.vkAllocateCommandBuffers(core.device, &buffer, &made.commands),
                   "vkAllocateCommandBuffers");
    } catch (...) {
        destroy(made);
        throw;
    }
    return made;
}

void CommandPools::give(Pool pool) noexcept {
    const Core& core = *memory_->core;
    if (core.released()) return;
    // Only a lost device or one without memory refuses, and then the pool is not worth keeping.
    if (core.vk.vkResetCommandPool(core.device, pool.pool, 0) < 0) return destroy(pool);
    std::lock_guard lock(mutex_);
    idle_.push_back(pool);
}

void CommandPools::trim() noexcept {
    while (const std::optional<Pool> pool = take_idle()) destroy(*pool);
}

void CommandPools::destroy(const Pool& pool) noexcept {
    {
        std::lock_guard lock(mutex_);
        --made_;
    }
    if (!memory_->core->released())
        memory_->core->vk.vkDestroyCommandPool(memory_->core->device, pool.pool, nullptr);
}

// ---- recording

namespace {

std::string name_of(const std::vector<Launch>& launches) {
    const auto& last = static_cast<const VulkanCommand&>(*launches.back().executable);
    return launches.size() == 1
               ? last.name()
               : fmt::format("{} (recorded with {} before it)", last.name(), launches.size() - 1);
}

} // namespace

VulkanRecording::VulkanRecording(std::shared_ptr<CommandPools> pools, std::vector<Launch> launches,
                                 const Launch& passed, Recorded use)
    : VulkanCommand(pools->memory()->core, name_of(launches), this), pools_(std::move(pools)),
      encoder_(pools_->memory()), pool_(pools_->take()), use_(use) {
    encoder_.set_commands(pool_.commands);
    try {
        encode(launches);
        own(launches, passed);
    } catch (...) {
        pools_->give(pool_);
        throw;
    }
}

VulkanRecording::~VulkanRecording() { pools_->give(pool_); }

void VulkanRecording::encode(std::vector<Launch>& launches) {
    VkCommandBufferInheritanceInfo inherited{VK_STRUCTURE_TYPE_COMMAND_BUFFER_INHERITANCE_INFO};
    VkCommandBufferBeginInfo info{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    info.flags = use_ == Recorded::once ? VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT
                                        : VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT;
    info.pInheritanceInfo = &inherited;
    encoder_.reserve(launches);
    const Core& vulkan = core();
    check(vulkan.vk.vkBeginCommandBuffer(pool_.commands, &info), "vkBeginCommandBuffer");
    for (Launch& launch : launches) {
        if (launch.barrier_before) encoder_.barrier();
        if (launch.grid[0] == 0 || launch.grid[1] == 0 || launch.grid[2] == 0) continue;
        encoder_.kernel(launch);
        ++work_;
    }
    check(vulkan.vk.vkEndCommandBuffer(pool_.commands), "vkEndCommandBuffer");
    check(encoder_.flush_parameters(), "vkFlushMappedMemoryRanges");
}

void VulkanRecording::own(std::vector<Launch>& launches, const Launch& passed) {
    std::unordered_set<const Buffer*> by_caller;
    for (std::size_t k = 0; k < passed.buffers.size(); ++k) {
        by_caller.insert(passed.buffers[k].get());
        passed_.push_back(passed.buffers[k]->address() + passed.offsets[k]);
    }
    for (Launch& launch : launches) {
        for (std::size_t k = 0; k < launch.buffers.size(); ++k) {
            const Buffer& buffer = *launch.buffers[k];
            if (by_caller.contains(&buffer)) continue;
            if (launch.writes(k))
                own_writes_.push_back(
                    {buffer.address() + launch.offsets[k], buffer.address() + buffer.bytes()});
            owned_.add(std::move(launch.buffers[k]));
        }
        owned_.add(std::move(launch.executable));
    }
    // Parts of one buffer, most of which end where it ends, become one range.
    std::ranges::sort(own_writes_, {}, &AddressRange::begin);
    std::size_t kept = 0;
    for (const AddressRange& range : own_writes_) {
        if (kept != 0 && range.begin <= own_writes_[kept - 1].end)
            own_writes_[kept - 1].end = std::max(own_writes_[kept - 1].end, range.end);
        else
            own_writes_[kept++] = range;
    }
    own_writes_.resize(kept);
}

std::string VulkanRecording::objection(const Launch& launch) const {
    if (launch.buffers.size() != passed_.size() || launch.offsets.size() != passed_.size())
        return fmt::format("it binds {} buffers, not {}", launch.buffers.size(), passed_.size());
    for (std::size_t k = 0; k < passed_.size(); ++k)
        if (launch.buffers[k] == nullptr || launch.buffers[k]->address() + launch.offsets[k] != passed_[k])
            return fmt::format("buffer {} is not where it was when it was recorded", k);
    return {};
}

} // namespace heddle::runtime::vulkan
