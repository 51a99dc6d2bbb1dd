#pragma once
// Finding and loading Heddle's plug-ins. The idea: libheddle.so knows where it was loaded from, and its plug-ins sit in
// the folder heddle/ beside it, in the build tree as in an installation.

#include <filesystem>
#include <string_view>
#include <vector>

namespace heddle {

/// Where the plug-in file `<name>.so` is looked for, best first: $HEDDLE_PLUGIN_DIR, then heddle/ beside the library (or
/// program) that holds this function, then beside it, then ../lib/heddle (for programs that hold it).
std::vector<std::filesystem::path> plugin_candidates(std::string_view name);

/// Loads the first candidate that exists, keeps it loaded, and returns the address of `symbol` in it.
/// Throws DeviceError that names what was tried when there is none, or with the loader's own words when it fails.
void* load_plugin_symbol(std::string_view name, const char* symbol);

} // namespace heddle
