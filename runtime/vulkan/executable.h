#pragma once
// A kernel as a compute pipeline.

#include "codegen/artifact.h"
#include "runtime/device.h"
#include "runtime/vulkan/core.h"

#include <memory>

namespace heddle::runtime::vulkan {

class VulkanExecutable final : public Executable {
public:
    /// Throws DeviceError, naming the kernel, when the device cannot run it or the driver refuses it.
    VulkanExecutable(std::shared_ptr<Core> core, const codegen::Artifact& artifact);
    ~VulkanExecutable() override;
    VulkanExecutable(const VulkanExecutable&) = delete;
    VulkanExecutable& operator=(const VulkanExecutable&) = delete;

    const Core& core() const { return *core_; }
    const std::string& name() const { return name_; }
    VkPipeline pipeline() const { return pipeline_; }
    VkPipelineLayout layout() const { return layout_; }
    /// Of the kernel's descriptors; none where it is given addresses.
    VkDescriptorSetLayout set_layout() const { return set_layout_; }
    u32 bindings() const { return bindings_; }
    u32 parameter_bytes() const { return parameter_bytes_; }

private:
    void make_layouts();
    void make_pipeline(const codegen::Artifact& artifact);
    void destroy();

    std::shared_ptr<Core> core_;
    std::string name_;
    VkPipeline pipeline_ = VK_NULL_HANDLE;
    VkDescriptorSetLayout set_layout_ = VK_NULL_HANDLE;
    VkPipelineLayout layout_ = VK_NULL_HANDLE; ///< its own where it has descriptors
    u32 bindings_ = 0;
    u32 parameter_bytes_;
};

} // namespace heddle::runtime::vulkan
