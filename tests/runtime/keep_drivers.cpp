// Keeps Vulkan's drivers loaded until the process ends, in every test program that lists this file: the leak sanitizer finds
// what the software driver keeps in its globals only while those are mapped.

#include "runtime/vulkan/instance.h"

#include <heddle/error.h>

namespace heddle::runtime::testing {
namespace {

vulkan::Instance* load_drivers() {
    try {
        return new vulkan::Instance(DeviceOptions{});
    } catch (const DeviceError&) {
        return nullptr; // no Vulkan: nothing to keep, and tests that need one say so
    }
}

// Volatile, or the compiler drops the only pointer to it, which would be a leak again.
vulkan::Instance* volatile kept = load_drivers();

} // namespace
} // namespace heddle::runtime::testing
