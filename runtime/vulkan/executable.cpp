#include "runtime/vulkan/executable.h"

#include "runtime/vulkan/capabilities.h"

#include <heddle/error.h>

#include <cstring>
#include <fmt/format.h>
#include <vector>

namespace heddle::runtime::vulkan {

namespace {

/// Pointer k is binding k; arguments that are too long to be pushed come behind.
u32 count_bindings(const PhysicalDevice& device, const codegen::Artifact& artifact) {
    const ir::Target& target = device.info.target;
    if (target.buffer_addresses) return 0;
    return artifact.pointer_count + (artifact.parameter_bytes > target.max_parameter_bytes ? 1 : 0);
}

void check_limits(const PhysicalDevice& device, const codegen::Artifact& artifact) {
    auto refuse = [&](const std::string& why) {
        throw DeviceError(
            fmt::format("kernel {} cannot run on {}: {}", artifact.name, device.info.description, why));
    };
    const ir::Target& target = device.info.target;
    if (artifact.block > target.max_block)
        refuse(fmt::format("it has {} invocations a block, the device {} at most", artifact.block,
                           target.max_block));
    if (artifact.shared_bytes > target.shared_bytes)
        refuse(fmt::format("it needs {} bytes of shared memory, the device has {}", artifact.shared_bytes,
                           target.shared_bytes));
    if (const u32 bindings = count_bindings(device, artifact); bindings > device.max_bindings)
        refuse(fmt::format("it binds {} buffers, the device takes {}", bindings, device.max_bindings));
    for (int axis = 0; axis < 3; ++axis)
        if (artifact.local[axis] > device.max_local[axis])
            refuse(fmt::format("it has {} invocations a block along axis {}, the device {} at most",
                               artifact.local[axis], axis, device.max_local[axis]));
    if (const std::string missing = missing_capability(device, artifact.capabilities); !missing.empty())
        refuse(fmt::format("it needs the SPIR-V capability {}, which the device does not give", missing));
    if (artifact.subgroup == 0) return;
    if (artifact.subgroup < device.min_subgroup || artifact.subgroup > device.max_subgroup)
        refuse(fmt::format("it needs subgroups of {}, the device has {} to {}", artifact.subgroup,
                           device.min_subgroup, device.max_subgroup));
    if (device.size_control && artifact.block / artifact.subgroup > device.max_block_subgroups)
        refuse(fmt::format("a block of {} has more than {} subgroups of {}", artifact.block,
                           device.max_block_subgroups, artifact.subgroup));
    if (artifact.block % artifact.subgroup != 0)
        refuse(fmt::format("a block of {} is no multiple of its subgroups of {}", artifact.block,
                           artifact.subgroup));
}

std::vector<u32> words_of(const codegen::Artifact& artifact) {
    if (artifact.code.empty() || artifact.code.size() % 4 != 0)
        throw DeviceError(
            fmt::format("kernel {} is no SPIR-V: {} bytes", artifact.name, artifact.code.size()));
    std::vector<u32> words(artifact.code.size() / 4);
    std::memcpy(words.data(), artifact.code.data(), artifact.code.size());
    return words;
}

} // namespace

VulkanExecutable::VulkanExecutable(std::shared_ptr<Core> shared, const codegen::Artifact& artifact)
    : VulkanCommand(std::move(shared), artifact.name), layout_(core().layout),
      bindings_(count_bindings(core().physical(), artifact)), parameter_bytes_(artifact.parameter_bytes) {
    check_limits(core().physical(), artifact);
    try {
        if (!core().physical().info.target.buffer_addresses) make_layouts();
        make_pipeline(artifact);
    } catch (...) {
        destroy();
        throw;
    }
}

VulkanExecutable::~VulkanExecutable() { destroy(); }

void VulkanExecutable::destroy() {
    if (core().released()) return;
    core().vk.vkDestroyPipeline(core().device, pipeline_, nullptr);
    if (layout_ != core().layout) core().vk.vkDestroyPipelineLayout(core().device, layout_, nullptr);
    core().vk.vkDestroyDescriptorSetLayout(core().device, set_layout_, nullptr);
}

void VulkanExecutable::make_layouts() {
    std::vector<VkDescriptorSetLayoutBinding> bindings(bindings_);
    for (u32 k = 0; k < bindings_; ++k)
        bindings[k] = {k, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1, VK_SHADER_STAGE_COMPUTE_BIT, nullptr};
    VkDescriptorSetLayoutCreateInfo set{VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO};
    set.bindingCount = bindings_;
    set.pBindings = bindings.data();
    const std::string what = fmt::format("making the layout of kernel {}", name());
    check(core().vk.vkCreateDescriptorSetLayout(core().device, &set, nullptr, &set_layout_), what.c_str());
    VkPushConstantRange range{VK_SHADER_STAGE_COMPUTE_BIT, 0,
                              core().physical().info.target.max_parameter_bytes};
    VkPipelineLayoutCreateInfo info{VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO};
    info.setLayoutCount = 1;
    info.pSetLayouts = &set_layout_;
    info.pushConstantRangeCount = 1;
    info.pPushConstantRanges = &range;
    VkPipelineLayout made = VK_NULL_HANDLE;
    check(core().vk.vkCreatePipelineLayout(core().device, &info, nullptr, &made), what.c_str());
    layout_ = made;
}

void VulkanExecutable::make_pipeline(const codegen::Artifact& artifact) {
    std::vector<u32> words = words_of(artifact);
    VkShaderModuleCreateInfo code{VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO};
    code.codeSize = artifact.code.size();
    code.pCode = words.data();
    VkShaderModule module = VK_NULL_HANDLE;
    std::string what = fmt::format("making the shader module of kernel {}", name());
    check(core().vk.vkCreateShaderModule(core().device, &code, nullptr, &module), what.c_str());

    VkPipelineShaderStageRequiredSubgroupSizeCreateInfo size{
        VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO};
    size.requiredSubgroupSize = artifact.subgroup;
    VkComputePipelineCreateInfo info{VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO};
    info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
    info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
    info.stage.module = module;
    info.stage.pName = artifact.entry.empty() ? name().c_str() : artifact.entry.c_str();
    if (artifact.subgroup != 0 && core().physical().size_control) {
        info.stage.flags = VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT;
        info.stage.pNext = &size;
    }
    info.layout = layout_;
    VkResult result =
        core().vk.vkCreateComputePipelines(core().device, core().pipelines, 1, &info, nullptr, &pipeline_);
    core().vk.vkDestroyShaderModule(core().device, module, nullptr);
    what = fmt::format("making the pipeline of kernel {}", name());
    check(result, what.c_str());
}

} // namespace heddle::runtime::vulkan
