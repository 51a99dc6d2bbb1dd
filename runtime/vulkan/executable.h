#pragma once
// What a launch may name on this device: a kernel as a compute pipeline, or a recording of several (recording.h).

#include "codegen/artifact.h"
#include "runtime/device.h"
#include "runtime/vulkan/core.h"

#include <memory>
#include <string>

namespace heddle::runtime::vulkan {

class VulkanRecording;

class VulkanCommand : public Executable {
public:
    /// `recording`: what it is, if not a kernel.
    VulkanCommand(std::shared_ptr<Core> core, std::string name, const VulkanRecording* recording = nullptr)
        : Executable(core.get()), number_(core->new_number()), recording_(recording), core_(std::move(core)),
          name_(std::make_shared<const std::string>(std::move(name))) {}
    const Core& core() const { return *core_; }
    const std::string& name() const { return *name_; }
    /// For whoever may name it when it is gone.
    const std::shared_ptr<const std::string>& shared_name() const { return name_; }
    /// Of no other of the device, also after this one is gone. Never 0.
    u64 number() const { return number_; }
    /// Null for a kernel.
    const VulkanRecording* recording() const { return recording_; }

protected:
    void check(VkResult result, const char* what) const { core_->check(result, what); }

private:
    u64 number_;
    const VulkanRecording* recording_;
    std::shared_ptr<Core> core_;
    std::shared_ptr<const std::string> name_;
};

class VulkanExecutable final : public VulkanCommand {
public:
    /// Throws DeviceError, naming the kernel, when the device cannot run it or the driver refuses it.
    VulkanExecutable(std::shared_ptr<Core> core, const codegen::Artifact& artifact);
    ~VulkanExecutable() override;
    VulkanExecutable(const VulkanExecutable&) = delete;
    VulkanExecutable& operator=(const VulkanExecutable&) = delete;

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

    VkPipeline pipeline_ = VK_NULL_HANDLE;
    VkDescriptorSetLayout set_layout_ = VK_NULL_HANDLE;
    VkPipelineLayout layout_ = VK_NULL_HANDLE; ///< its own where it has descriptors
    u32 bindings_ = 0;
    u32 parameter_bytes_;
};

} // namespace heddle::runtime::vulkan
