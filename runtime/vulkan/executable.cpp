#include "runtime/vulkan/executable.h"

#include <heddle/error.h>

#include <cstring>
#include <fmt/format.h>
#include <vector>

namespace heddle::runtime::vulkan {

namespace {

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
    if (artifact.subgroup == 0) return;
    if (artifact.subgroup < device.min_subgroup || artifact.subgroup > device.max_subgroup)
        refuse(fmt::format("it needs subgroups of {}, the device has {} to {}", artifact.subgroup,
                           device.min_subgroup, device.max_subgroup));
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

VulkanExecutable::VulkanExecutable(std::shared_ptr<Core> core, const codegen::Artifact& artifact)
    : core_(std::move(core)), name_(artifact.name), parameter_bytes_(artifact.parameter_bytes) {
    check_limits(core_->physical(), artifact);
    std::vector<u32> words = words_of(artifact);
    VkShaderModuleCreateInfo code{VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO};
    code.codeSize = artifact.code.size();
    code.pCode = words.data();
    VkShaderModule module = VK_NULL_HANDLE;
    std::string what = fmt::format("making the shader module of kernel {}", name_);
    core_->check(core_->vk.vkCreateShaderModule(core_->device, &code, nullptr, &module), what.c_str());

    VkPipelineShaderStageRequiredSubgroupSizeCreateInfo size{
        VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO};
    size.requiredSubgroupSize = artifact.subgroup;
    VkComputePipelineCreateInfo info{VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO};
    info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
    info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
    info.stage.module = module;
    info.stage.pName = name_.c_str();
    if (artifact.subgroup != 0 && core_->physical().size_control) {
        info.stage.flags = VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT;
        info.stage.pNext = &size;
    }
    info.layout = core_->layout;
    VkResult result =
        core_->vk.vkCreateComputePipelines(core_->device, core_->pipelines, 1, &info, nullptr, &pipeline_);
    core_->vk.vkDestroyShaderModule(core_->device, module, nullptr);
    what = fmt::format("making the pipeline of kernel {}", name_);
    core_->check(result, what.c_str());
}

VulkanExecutable::~VulkanExecutable() { core_->vk.vkDestroyPipeline(core_->device, pipeline_, nullptr); }

} // namespace heddle::runtime::vulkan
