#include "runtime/vulkan/encoder.h"

#include "runtime/vulkan/buffer.h"

#include <heddle/error.h>

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <utility>

namespace heddle::runtime::vulkan {

namespace {

constexpr u64 parameter_piece = 64 << 10;

bool empty(const Launch& launch) { return launch.grid[0] == 0 || launch.grid[1] == 0 || launch.grid[2] == 0; }

u64 round_up(u64 value, u64 step) { return (value + step - 1) / step * step; }

} // namespace

void patch_addresses(Launch& launch) {
    for (std::size_t k = 0; k < launch.buffers.size(); ++k) {
        u64 address = launch.buffers[k]->address() + launch.offsets[k];
        std::memcpy(launch.arguments.data() + launch.pointer_fields[k], &address, sizeof address);
    }
}

Encoder::Encoder(std::shared_ptr<Memory> memory) : memory_(std::move(memory)), core_(*memory_->core) {
    if (!core_.physical().info.target.buffer_addresses)
        descriptors_ = std::make_unique<DescriptorSets>(*memory_->core);
}

void Encoder::reserve(std::span<const Launch> launches) {
    u64 needed = 0;
    sets_.clear();
    next_set_ = 0;
    for (const Launch& launch : launches) {
        const auto& command = static_cast<const VulkanCommand&>(*launch.executable);
        if (command.recording() != nullptr || empty(launch)) continue;
        if (launch.arguments.size() > core_.physical().info.target.max_parameter_bytes)
            needed += round_up(launch.arguments.size(), parameter_step());
        if (descriptors_ == nullptr) continue;
        const auto& kernel = static_cast<const VulkanExecutable&>(command);
        sets_.push_back(descriptors_->take(kernel));
        described_.reserve(kernel.bindings());
        writes_.reserve(kernel.bindings());
    }
    if (needed != 0) reserve_parameters(needed);
}

void Encoder::reserve_parameters(u64 needed) {
    if (parameters_ != nullptr && parameters_->allocation().bytes - parameters_used_ >= needed) return;
    StagingRef piece = try_take_staging(memory_, std::max(needed, parameter_piece));
    if (piece == nullptr) throw OutOfMemory(fmt::format("no memory for argument blocks of {} bytes", needed));
    if (parameters_ != nullptr) {
        memory_->core->check(flush_parameters(), "vkFlushMappedMemoryRanges");
        full_.push_back(std::move(parameters_));
    }
    parameters_ = std::move(piece);
    parameters_used_ = parameters_shown_ = 0;
}

void Encoder::kernel(Launch& launch) noexcept {
    auto executable = static_cast<const VulkanExecutable*>(launch.executable.get());
    if (bound_ != executable) {
        core_.vk.vkCmdBindPipeline(commands_, VK_PIPELINE_BIND_POINT_COMPUTE, executable->pipeline());
        bound_ = executable;
    }
    if (descriptors_ != nullptr)
        bind(launch);
    else
        push(launch);
    core_.vk.vkCmdDispatch(commands_, static_cast<u32>(launch.grid[0]), static_cast<u32>(launch.grid[1]),
                           static_cast<u32>(launch.grid[2]));
}

void Encoder::execute(VkCommandBuffer recorded) {
    core_.vk.vkCmdExecuteCommands(commands_, 1, &recorded);
    bound_ = nullptr; // nothing bound before it counts after it
}

void Encoder::barrier() {
    constexpr VkPipelineStageFlags stages =
        VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
    VkMemoryBarrier memory{VK_STRUCTURE_TYPE_MEMORY_BARRIER};
    memory.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
    memory.dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT |
                           VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
    core_.vk.vkCmdPipelineBarrier(commands_, stages, stages, 0, 1, &memory, 0, nullptr, 0, nullptr);
}

void Encoder::clear() {
    parameters_ = nullptr;
    parameters_used_ = parameters_shown_ = 0;
    full_.clear();
    if (descriptors_ != nullptr) descriptors_->clear();
    bound_ = nullptr;
}

/// Blocks of arguments lie at multiples of this.
u64 Encoder::parameter_step() const {
    const PhysicalDevice& physical = core_.physical();
    return physical.info.target.buffer_addresses ? 16 : std::max<u64>(16, physical.descriptor_alignment);
}

VkResult Encoder::flush_parameters() noexcept {
    if (parameters_shown_ == parameters_used_) return VK_SUCCESS;
    const VkResult result = memory_->staging.try_flush(parameters_->allocation(), parameters_shown_,
                                                       parameters_used_ - parameters_shown_);
    if (result >= 0) parameters_shown_ = parameters_used_;
    return result;
}

/// Copies an argument block into memory that the device sees. Gives its offset there.
u64 Encoder::put_parameters(const Launch& launch) {
    const Allocation& piece = parameters_->allocation();
    const u64 at = parameters_used_, bytes = launch.arguments.size();
    std::memcpy(piece.host() + at, launch.arguments.data(), bytes);
    parameters_used_ += round_up(bytes, parameter_step());
    return at;
}

void Encoder::push(Launch& launch) {
    patch_addresses(launch);
    const std::byte* block = launch.arguments.data();
    u32 bytes = static_cast<u32>(launch.arguments.size());
    u64 address = 0;
    if (bytes > core_.physical().info.target.max_parameter_bytes) {
        const u64 at = put_parameters(launch);
        address = parameters_->allocation().address() + at;
        block = reinterpret_cast<const std::byte*>(&address);
        bytes = sizeof address;
    }
    if (bytes != 0)
        core_.vk.vkCmdPushConstants(commands_, core_.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, bytes, block);
}

/// The same with descriptors: a pointer's field holds how far behind the start of its descriptor the array lies.
void Encoder::bind(Launch& launch) {
    const VkDescriptorSet set = sets_[next_set_++];
    const auto& executable = static_cast<const VulkanExecutable&>(*launch.executable);
    described_.clear();
    for (std::size_t k = 0; k < launch.buffers.size(); ++k) {
        const auto& buffer = static_cast<const VulkanBuffer&>(*launch.buffers[k]);
        const u64 bytes = launch.extents.empty() ? buffer.bytes() - launch.offsets[k] : launch.extents[k];
        const DescribedRange range(core_, buffer.allocation(), launch.offsets[k], bytes);
        std::memcpy(launch.arguments.data() + launch.pointer_fields[k], &range.before, sizeof range.before);
        described_.push_back(range.info);
    }
    const u32 bytes = static_cast<u32>(launch.arguments.size());
    if (bytes > core_.physical().info.target.max_parameter_bytes) {
        const u64 at = put_parameters(launch);
        described_.push_back(DescribedRange(core_, parameters_->allocation(), at, bytes).info);
    } else if (bytes != 0) {
        core_.vk.vkCmdPushConstants(commands_, executable.layout(), VK_SHADER_STAGE_COMPUTE_BIT, 0, bytes,
                                    launch.arguments.data());
    }
    if (described_.empty()) return;
    writes_.assign(described_.size(), {VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET});
    for (u32 k = 0; k < writes_.size(); ++k) {
        writes_[k].dstSet = set;
        writes_[k].dstBinding = k;
        writes_[k].descriptorCount = 1;
        writes_[k].descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
        writes_[k].pBufferInfo = &described_[k];
    }
    core_.vk.vkUpdateDescriptorSets(core_.device, static_cast<u32>(writes_.size()), writes_.data(), 0,
                                    nullptr);
    core_.vk.vkCmdBindDescriptorSets(commands_, VK_PIPELINE_BIND_POINT_COMPUTE, executable.layout(), 0, 1,
                                     &set, 0, nullptr);
}

} // namespace heddle::runtime::vulkan
