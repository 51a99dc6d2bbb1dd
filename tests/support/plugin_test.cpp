#include "support/plugin.h"

#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <heddle/error.h>
#include <string>

namespace heddle {
namespace {

/// $HEDDLE_PLUGIN_DIR for the life of the object.
struct PluginFolder {
    explicit PluginFolder(const std::filesystem::path& folder) {
        setenv("HEDDLE_PLUGIN_DIR", folder.c_str(), 1);
    }
    ~PluginFolder() { unsetenv("HEDDLE_PLUGIN_DIR"); }
};

TEST(Plugin, the_environment_is_looked_at_first) {
    PluginFolder folder("/somewhere");
    EXPECT_EQ(plugin_candidates("heddle_x").at(0), "/somewhere/heddle_x.so");
}

TEST(Plugin, the_folder_heddle_beside_the_library_is_looked_at) {
    std::filesystem::path here = std::filesystem::canonical("/proc/self/exe").parent_path();
    EXPECT_EQ(plugin_candidates("heddle_x").at(0), here / "heddle" / "heddle_x.so");
}

TEST(Plugin, a_missing_plug_in_is_an_error_that_says_what_was_tried) {
    PluginFolder folder("/somewhere");
    try {
        load_plugin_symbol("heddle_none", "x");
        FAIL() << "nothing was thrown";
    } catch (const DeviceError& error) {
        EXPECT_NE(std::string(error.what()).find("/somewhere/heddle_none.so"), std::string::npos)
            << error.what();
        EXPECT_NE(std::string(error.what()).find("HEDDLE_PLUGIN_DIR"), std::string::npos) << error.what();
    }
}

TEST(Plugin, a_file_that_is_no_plug_in_is_an_error_that_names_it) {
    std::filesystem::path place = std::filesystem::path(testing::TempDir()) / "heddle_plugin_test";
    std::filesystem::create_directories(place);
    std::ofstream(place / "heddle_bad.so") << "no shared library";
    PluginFolder folder(place);
    try {
        load_plugin_symbol("heddle_bad", "x");
        FAIL() << "nothing was thrown";
    } catch (const DeviceError& error) {
        EXPECT_NE(std::string(error.what()).find("heddle_bad.so"), std::string::npos) << error.what();
    }
    std::filesystem::remove_all(place);
}

} // namespace
} // namespace heddle
