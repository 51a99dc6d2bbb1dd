#include "runtime/vulkan/recorded_kernel.h"

#include <algorithm>
#include <cstring>

namespace heddle::runtime::vulkan {

KernelIdentity::KernelIdentity(const Launch& launch)
    : executable_(static_cast<const VulkanCommand&>(*launch.executable).number()),
      grid_{launch.grid[0], launch.grid[1], launch.grid[2]} {}

u64 KernelIdentity::hash(std::span<const std::byte> arguments) const {
    u64 hash = executable_ + grid_[0] + (grid_[1] << 20) + (grid_[2] << 40);
    auto mix = [&](u64 word) {
        hash = (hash ^ word) * 0x9E3779B97F4A7C15ull;
        hash ^= hash >> 32;
    };
    std::size_t at = 0;
    for (; at + sizeof(u64) <= arguments.size(); at += sizeof(u64)) {
        u64 word = 0;
        std::memcpy(&word, arguments.data() + at, sizeof word);
        mix(word);
    }
    // Blocks are multiples of four bytes.
    if (at + sizeof(u32) <= arguments.size()) {
        u32 word = 0;
        std::memcpy(&word, arguments.data() + at, sizeof word);
        mix(word);
    }
    return hash | 1;
}

bool RecordedKernel::fits(const Launch& launch, const Core& core) {
    const ir::Target& target = core.physical().info.target;
    // Descriptors, and arguments in memory, are made for each launch.
    return target.buffer_addresses && launch.arguments.size() <= target.max_parameter_bytes &&
           launch.arguments.size() <= most_bytes && launch.grid[0] * launch.grid[1] * launch.grid[2] != 0 &&
           static_cast<const VulkanCommand&>(*launch.executable).recording() == nullptr;
}

void RecordedKernel::set(const KernelIdentity& kernel, std::span<const std::byte> arguments) {
    hash_ = kernel.hash(arguments);
    kernel_ = kernel;
    bytes_ = arguments.size();
    std::ranges::copy(arguments, arguments_.begin());
}

PreparedKernel::PreparedKernel(const Launch& launch)
    : kernel(launch), executable(launch.executable), bytes(static_cast<u32>(launch.arguments.size())),
      pointers(static_cast<u32>(launch.pointer_fields.size())), write_mask(launch.write_mask) {
    std::ranges::copy(launch.pointer_fields, fields.begin());
}

} // namespace heddle::runtime::vulkan
