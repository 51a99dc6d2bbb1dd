#pragma once
// A VkInstance and what the validation layers said about its use.

#include "runtime/device_options.h"
#include "runtime/vulkan/functions.h"

#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace heddle::runtime::vulkan {

/// Errors and warnings of the validation layers, in the order in which they came. Any thread may add.
class ValidationLog {
public:
    void add(std::string message);
    std::vector<std::string> messages() const;

private:
    mutable std::mutex mutex_;
    std::vector<std::string> messages_;
};

class Instance {
public:
    /// Throws DeviceError without a loader or driver, or when validation is wanted and its layer is not installed.
    explicit Instance(const DeviceOptions& options);
    ~Instance();
    Instance(const Instance&) = delete;
    Instance& operator=(const Instance&) = delete;

    const Functions& functions() const { return functions_; }
    std::vector<VkPhysicalDevice> physical_devices() const;
    const ValidationLog& validation() const { return log_; }

private:
    void create(bool validation);
    Functions functions_;
    VkInstance instance_ = VK_NULL_HANDLE;
    VkDebugUtilsMessengerEXT messenger_ = VK_NULL_HANDLE;
    ValidationLog log_;
};

} // namespace heddle::runtime::vulkan
