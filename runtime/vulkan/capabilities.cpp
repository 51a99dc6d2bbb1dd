#include "runtime/vulkan/capabilities.h"

#include <algorithm>
#include <string_view>
#include <vector>

namespace heddle::runtime::vulkan {

namespace {

struct Row {
    std::string_view name;
    bool available;
};

std::vector<Row> rows_of(const PhysicalDevice& device) {
    const ir::Target& target = device.info.target;
    auto subgroup = [&](VkSubgroupFeatureFlagBits operation) {
        return (device.subgroup_operations & operation) != 0;
    };
    return {
        {"Matrix", true},
        {"Shader", true},
        {"VulkanMemoryModel", true},
        {"VulkanMemoryModelDeviceScope", target.device_scope},
        {"PhysicalStorageBufferAddresses", target.buffer_addresses},
        {"Float64", target.has_f64},
        {"Int64", target.has_i64},
        {"Int64Atomics", target.has_i64_atomics},
        {"Float16", target.has_f16_arithmetic},
        {"Int16", target.has_i16_arithmetic},
        {"Int8", target.has_i8_arithmetic},
        {"StorageBuffer16BitAccess", target.has_16bit_storage},
        {"StorageBuffer8BitAccess", target.has_8bit_storage},
        {"DenormPreserve", target.preserves_subnormals != 0},
        {"SignedZeroInfNanPreserve", target.preserves_special != 0},
        {"RoundingModeRTE", target.rounds_to_even != 0},
        {"GroupNonUniform", subgroup(VK_SUBGROUP_FEATURE_BASIC_BIT)},
        {"GroupNonUniformVote", subgroup(VK_SUBGROUP_FEATURE_VOTE_BIT)},
        {"GroupNonUniformArithmetic", subgroup(VK_SUBGROUP_FEATURE_ARITHMETIC_BIT)},
        {"GroupNonUniformBallot", subgroup(VK_SUBGROUP_FEATURE_BALLOT_BIT)},
        {"GroupNonUniformShuffle", subgroup(VK_SUBGROUP_FEATURE_SHUFFLE_BIT)},
        {"GroupNonUniformShuffleRelative", subgroup(VK_SUBGROUP_FEATURE_SHUFFLE_RELATIVE_BIT)},
        {"GroupNonUniformClustered", subgroup(VK_SUBGROUP_FEATURE_CLUSTERED_BIT)},
        {"GroupNonUniformQuad", subgroup(VK_SUBGROUP_FEATURE_QUAD_BIT)},
    };
}

} // namespace

std::string missing_capability(const PhysicalDevice& device, std::span<const std::string> capabilities) {
    if (capabilities.empty()) return "";
    const std::vector<Row> rows = rows_of(device);
    for (const std::string& capability : capabilities) {
        const auto row = std::ranges::find(rows, capability, &Row::name);
        if (row == rows.end() || !row->available) return capability;
    }
    return "";
}

} // namespace heddle::runtime::vulkan
