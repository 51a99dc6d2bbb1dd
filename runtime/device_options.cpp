#include "runtime/device_options.h"

#include <heddle/error.h>

#include <cstdlib>
#include <fmt/format.h>
#include <string_view>

namespace heddle::runtime {

bool environment_flag(const char* name, bool otherwise) {
    const char* text = std::getenv(name);
    if (text == nullptr || *text == '\0') return otherwise;
    std::string_view value = text;
    if (value == "1") return true;
    if (value == "0") return false;
    throw UsageError(fmt::format("{}={}: expected 0 or 1", name, value));
}

namespace {

u64 environment_number(const char* name, const char* what) {
    const char* text = std::getenv(name);
    if (text == nullptr || *text == '\0') return 0;
    char* end = nullptr;
    u64 value = std::strtoull(text, &end, 10);
    if (*end != '\0' || *text == '-')
        throw UsageError(fmt::format("{}={}: expected a number of {}", name, text, what));
    return value;
}

bool environment_has(const char* name) {
    const char* text = std::getenv(name);
    return text != nullptr && *text != '\0';
}

} // namespace

DeviceOptions DeviceOptions::from_environment() {
    DeviceOptions options;
    options.retain_bound_buffers = environment_flag("HEDDLE_RETAIN_BOUND_BUFFERS", true);
    options.poison_released = environment_flag("HEDDLE_POISON", false);
    options.validation = environment_flag("HEDDLE_VALIDATION", false);
    options.force_staging = environment_flag("HEDDLE_FORCE_STAGING", false);
    options.descriptors = environment_flag("HEDDLE_DESCRIPTORS", false);
    options.check_access = environment_flag("HEDDLE_CHECK_ACCESS", false);
    options.bf16_rounding = environment_flag("HEDDLE_BF16_ROUNDING", true);
    options.memory_limit = environment_number("HEDDLE_MEMORY_LIMIT", "bytes");
    options.pool_limit = environment_number("HEDDLE_POOL_LIMIT", "bytes");
    options.index_limit = environment_number("HEDDLE_INDEX_LIMIT", "elements");
    if (environment_has("HEDDLE_RESIDENT_BLOCKS"))
        options.resident_blocks = environment_number("HEDDLE_RESIDENT_BLOCKS", "blocks");
    return options;
}

} // namespace heddle::runtime
