#include "runtime/vulkan/functions.h"

#include <heddle/error.h>

#include <cstdlib>
#include <dlfcn.h>
#include <fmt/format.h>

namespace heddle::runtime::vulkan {

namespace {

template <class Function> void require(Function found, const char* name) {
    if (found == nullptr)
        throw DeviceError(fmt::format("the Vulkan driver has no {}; Heddle needs Vulkan 1.2", name));
}

} // namespace

Functions Functions::load() {
    const char* chosen = std::getenv("HEDDLE_VULKAN_LIBRARY");
    const char* file = chosen != nullptr && *chosen != '\0' ? chosen : "libvulkan.so.1";
    // Never closed: drivers leave threads and thread-local data behind that still refer to it.
    void* library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr)
        throw DeviceError(
            fmt::format("no Vulkan: {}. Install the Vulkan loader (Debian, Ubuntu: libvulkan1; Fedora: "
                        "vulkan-loader) and a driver (mesa-vulkan-drivers, or the GPU vendor's)",
                        dlerror()));
    Functions functions;
    functions.vkGetInstanceProcAddr =
        reinterpret_cast<PFN_vkGetInstanceProcAddr>(dlsym(library, "vkGetInstanceProcAddr"));
    if (functions.vkGetInstanceProcAddr == nullptr)
        throw DeviceError(fmt::format("{} is no Vulkan loader: it has no vkGetInstanceProcAddr", file));
#define HEDDLE_LOAD(name)                                                                                    \
    functions.name = reinterpret_cast<PFN_##name>(functions.vkGetInstanceProcAddr(nullptr, #name));          \
    require(functions.name, #name);
    HEDDLE_VULKAN_GLOBAL_FUNCTIONS(HEDDLE_LOAD)
#undef HEDDLE_LOAD
    return functions;
}

void Functions::load_instance(VkInstance instance) {
#define HEDDLE_LOAD(name)                                                                                    \
    name = reinterpret_cast<PFN_##name>(vkGetInstanceProcAddr(instance, #name));                             \
    require(name, #name);
    HEDDLE_VULKAN_INSTANCE_FUNCTIONS(HEDDLE_LOAD)
#undef HEDDLE_LOAD
#define HEDDLE_LOAD(name) name = reinterpret_cast<PFN_##name>(vkGetInstanceProcAddr(instance, #name));
    HEDDLE_VULKAN_DEBUG_FUNCTIONS(HEDDLE_LOAD)
#undef HEDDLE_LOAD
}

void Functions::load_device(VkDevice device) {
#define HEDDLE_LOAD(name)                                                                                    \
    name = reinterpret_cast<PFN_##name>(vkGetDeviceProcAddr(device, #name));                                 \
    require(name, #name);
    HEDDLE_VULKAN_DEVICE_FUNCTIONS(HEDDLE_LOAD)
#undef HEDDLE_LOAD
}

std::string name_of(VkResult result) {
    switch (static_cast<int>(result)) {
    case VK_SUCCESS: return "VK_SUCCESS";
    case VK_NOT_READY: return "VK_NOT_READY";
    case VK_TIMEOUT: return "VK_TIMEOUT";
    case VK_ERROR_OUT_OF_HOST_MEMORY: return "VK_ERROR_OUT_OF_HOST_MEMORY";
    case VK_ERROR_OUT_OF_DEVICE_MEMORY: return "VK_ERROR_OUT_OF_DEVICE_MEMORY";
    case VK_ERROR_INITIALIZATION_FAILED: return "VK_ERROR_INITIALIZATION_FAILED";
    case VK_ERROR_DEVICE_LOST: return "VK_ERROR_DEVICE_LOST";
    case VK_ERROR_MEMORY_MAP_FAILED: return "VK_ERROR_MEMORY_MAP_FAILED";
    case VK_ERROR_LAYER_NOT_PRESENT: return "VK_ERROR_LAYER_NOT_PRESENT";
    case VK_ERROR_EXTENSION_NOT_PRESENT: return "VK_ERROR_EXTENSION_NOT_PRESENT";
    case VK_ERROR_FEATURE_NOT_PRESENT: return "VK_ERROR_FEATURE_NOT_PRESENT";
    case VK_ERROR_INCOMPATIBLE_DRIVER: return "VK_ERROR_INCOMPATIBLE_DRIVER";
    case VK_ERROR_TOO_MANY_OBJECTS: return "VK_ERROR_TOO_MANY_OBJECTS";
    case VK_ERROR_FRAGMENTED_POOL: return "VK_ERROR_FRAGMENTED_POOL";
    case VK_ERROR_UNKNOWN: return "VK_ERROR_UNKNOWN";
    case VK_ERROR_OUT_OF_POOL_MEMORY: return "VK_ERROR_OUT_OF_POOL_MEMORY";
    case VK_ERROR_INVALID_SHADER_NV: return "VK_ERROR_INVALID_SHADER_NV";
    }
    return fmt::format("VkResult {}", static_cast<int>(result));
}

void check(VkResult result, const char* what) {
    if (result >= 0) return;
    std::string message = fmt::format("Vulkan: {} failed: {}", what, name_of(result));
    if (result == VK_ERROR_OUT_OF_HOST_MEMORY || result == VK_ERROR_OUT_OF_DEVICE_MEMORY)
        throw OutOfMemory(message);
    if (result == VK_ERROR_DEVICE_LOST) throw DeviceLost(message);
    throw DeviceError(message);
}

} // namespace heddle::runtime::vulkan
