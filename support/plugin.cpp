#include "support/plugin.h"

#include <heddle/error.h>

#include <cstdlib>
#include <dlfcn.h>
#include <fmt/format.h>
#include <string>

namespace heddle {

namespace fs = std::filesystem;

namespace {

/// Only its address matters: it lies in the library whose folder is asked for.
const char anchor = 0;

fs::path folder_of_this_library() {
    Dl_info info{};
    if (dladdr(&anchor, &info) == 0 || info.dli_fname == nullptr) return {};
    std::error_code failed;
    fs::path file = fs::canonical(info.dli_fname, failed);
    return failed ? fs::path{} : file.parent_path();
}

} // namespace

std::vector<fs::path> plugin_candidates(std::string_view name) {
    std::string file = std::string(name) + ".so";
    std::vector<fs::path> candidates;
    if (const char* folder = std::getenv("HEDDLE_PLUGIN_DIR"); folder != nullptr && *folder != '\0')
        candidates.push_back(fs::path(folder) / file);
    if (fs::path here = folder_of_this_library(); !here.empty()) {
        candidates.push_back(here / "heddle" / file);
        candidates.push_back(here / file);
        candidates.push_back(here.parent_path() / "lib" / "heddle" / file);
    }
    return candidates;
}

void* load_plugin_symbol(std::string_view name, const char* symbol) {
    std::string tried;
    for (const fs::path& candidate : plugin_candidates(name)) {
        std::error_code failed;
        if (!fs::exists(candidate, failed)) {
            tried += (tried.empty() ? "" : ", ") + candidate.string();
            continue;
        }
        // Never closed: code of the plug-in may run until the process ends.
        void* handle = dlopen(candidate.c_str(), RTLD_NOW | RTLD_LOCAL);
        if (handle == nullptr)
            throw DeviceError(fmt::format("plug-in {}: {}", candidate.string(), dlerror()));
        void* address = dlsym(handle, symbol);
        if (address == nullptr)
            throw DeviceError(fmt::format("plug-in {} has no {}; it belongs to another version of Heddle",
                                          candidate.string(), symbol));
        return address;
    }
    throw DeviceError(
        fmt::format("plug-in {} not found (tried {}); set HEDDLE_PLUGIN_DIR to its folder", name, tried));
}

} // namespace heddle
