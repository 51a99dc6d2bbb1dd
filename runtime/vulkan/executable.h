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
    u32 parameter_bytes() const { return parameter_bytes_; }

private:
    std::shared_ptr<Core> core_;
    std::string name_;
    VkPipeline pipeline_ = VK_NULL_HANDLE;
    u32 parameter_bytes_;
};

} // namespace heddle::runtime::vulkan
