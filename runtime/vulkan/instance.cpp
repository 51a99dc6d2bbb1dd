#include "runtime/vulkan/instance.h"

#include <heddle/error.h>

#include <cstdio>
#include <cstring>
#include <fmt/format.h>
#include <string_view>

namespace heddle::runtime::vulkan {

namespace {

constexpr const char* validation_layer = "VK_LAYER_KHRONOS_validation";

bool has_layer(const Functions& vk, const char* name) {
    u32 count = 0;
    check(vk.vkEnumerateInstanceLayerProperties(&count, nullptr), "vkEnumerateInstanceLayerProperties");
    std::vector<VkLayerProperties> layers(count);
    check(vk.vkEnumerateInstanceLayerProperties(&count, layers.data()), "vkEnumerateInstanceLayerProperties");
    for (const VkLayerProperties& layer : layers)
        if (std::strcmp(layer.layerName, name) == 0) return true;
    return false;
}

/// The layers give up following a queue or timeline that has not moved for ten seconds, and say so: a queue that a test holds back on a busy
/// machine stands still for longer.
constexpr std::string_view stands_still = "-state-timeout";

VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                          VkDebugUtilsMessageTypeFlagsEXT,
                                          const VkDebugUtilsMessengerCallbackDataEXT* data, void* user) {
    if (data->pMessageIdName != nullptr && std::string_view(data->pMessageIdName).ends_with(stands_still))
        return VK_FALSE;
    const char* kind = (severity & VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT) != 0 ? "error" : "warning";
    std::string message = fmt::format("{}: {}", kind, data->pMessage);
    std::fprintf(stderr, "heddle: Vulkan validation %s\n", message.c_str());
    static_cast<ValidationLog*>(user)->add(std::move(message));
    return VK_FALSE;
}

VkDebugUtilsMessengerCreateInfoEXT messenger_info(ValidationLog* log) {
    VkDebugUtilsMessengerCreateInfoEXT info{VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT};
    info.messageSeverity =
        VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT;
    info.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT;
    info.pfnUserCallback = on_message;
    info.pUserData = log;
    return info;
}

} // namespace

void ValidationLog::add(std::string message) {
    std::lock_guard lock(mutex_);
    messages_.push_back(std::move(message));
}

std::vector<std::string> ValidationLog::messages() const {
    std::lock_guard lock(mutex_);
    return messages_;
}

Instance::Instance(const DeviceOptions& options) : functions_(Functions::load()) {
    u32 version = 0;
    check(functions_.vkEnumerateInstanceVersion(&version), "vkEnumerateInstanceVersion");
    if (version < VK_API_VERSION_1_2)
        throw DeviceError(fmt::format("the Vulkan loader knows Vulkan {}.{}; Heddle needs 1.2",
                                      VK_API_VERSION_MAJOR(version), VK_API_VERSION_MINOR(version)));
    if (options.validation && !has_layer(functions_, validation_layer))
        throw DeviceError(
            "HEDDLE_VALIDATION is on, but VK_LAYER_KHRONOS_validation is not installed (Debian, Ubuntu: "
            "vulkan-validationlayers)");
    create(options.validation);
}

void Instance::create(bool validation) {
    VkApplicationInfo application{VK_STRUCTURE_TYPE_APPLICATION_INFO};
    application.pEngineName = "heddle";
    application.apiVersion = VK_API_VERSION_1_3;

    VkInstanceCreateInfo info{VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO};
    info.pApplicationInfo = &application;
    const char* extension = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
    VkDebugUtilsMessengerCreateInfoEXT messenger = messenger_info(&log_);
    VkValidationFeatureEnableEXT enabled[] = {VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT};
    VkValidationFeaturesEXT features{VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT};
    features.enabledValidationFeatureCount = 1;
    features.pEnabledValidationFeatures = enabled;
    if (validation) {
        info.enabledLayerCount = 1;
        info.ppEnabledLayerNames = &validation_layer;
        info.enabledExtensionCount = 1;
        info.ppEnabledExtensionNames = &extension;
        messenger.pNext = &features;
        info.pNext = &messenger;
    }
    VkResult result = functions_.vkCreateInstance(&info, nullptr, &instance_);
    if (result == VK_ERROR_INCOMPATIBLE_DRIVER)
        throw DeviceError(
            "no Vulkan driver. Install one (Debian, Ubuntu: mesa-vulkan-drivers, or the GPU vendor's)");
    check(result, "vkCreateInstance");
    functions_.load_instance(instance_);
    if (!validation) return;
    messenger.pNext = nullptr;
    result = functions_.vkCreateDebugUtilsMessengerEXT(instance_, &messenger, nullptr, &messenger_);
    if (result < 0) functions_.vkDestroyInstance(instance_, nullptr);
    check(result, "vkCreateDebugUtilsMessengerEXT");
}

Instance::~Instance() {
    if (messenger_ != VK_NULL_HANDLE)
        functions_.vkDestroyDebugUtilsMessengerEXT(instance_, messenger_, nullptr);
    functions_.vkDestroyInstance(instance_, nullptr);
}

std::vector<VkPhysicalDevice> Instance::physical_devices() const {
    u32 count = 0;
    check(functions_.vkEnumeratePhysicalDevices(instance_, &count, nullptr), "vkEnumeratePhysicalDevices");
    std::vector<VkPhysicalDevice> devices(count);
    check(functions_.vkEnumeratePhysicalDevices(instance_, &count, devices.data()),
          "vkEnumeratePhysicalDevices");
    devices.resize(count);
    return devices;
}

} // namespace heddle::runtime::vulkan
