// Which libraries a process has in memory. One test a program, since nothing is ever unloaded.

#include "codegen/llvm/load.h"
#include "codegen/llvm/plugin.h"

#include <heddle/heddle.h>

#include <algorithm>
#include <fstream>
#include <gtest/gtest.h>
#include <string>

using namespace heddle;

namespace {

/// Whether a file whose name begins so is mapped into this process.
bool is_mapped(const std::string& name) {
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);)
        if (line.find("/" + name) != std::string::npos) return true;
    return false;
}

/// "libLLVM.so.22": the one of Heddle's plug-in. A software Vulkan driver may bring an older one.
std::string llvm_library() {
    const std::string version{codegen::cpu::compiler_version()};
    const std::size_t begin = version.find_first_of("0123456789");
    return "libLLVM.so." + version.substr(begin, version.find('.', begin) - begin);
}

std::vector<float> run_on(const std::string& device) {
    Context context({.device = device, .cache_directory = ""});
    const Context::Scope scope(context);
    const auto function = compile("f", [](Array x) { return exp(x) * 0.0f + x; });
    return function(Array{1.f, 2.f}).to_vector<float>();
}

TEST(Loading, llvm_comes_with_the_first_kernel_of_the_cpu_and_not_with_vulkan) {
    const std::vector<float> expected{1, 2};
    const std::vector<DeviceSummary> known = devices();
    const bool has_vulkan = std::ranges::any_of(known, [](const DeviceSummary& device) {
        return device.name.starts_with("vulkan") && device.refused.empty();
    });
    if (has_vulkan) {
        EXPECT_EQ(run_on("vulkan"), expected);
    }
    EXPECT_FALSE(is_mapped(codegen::cpu::plugin_name));
    EXPECT_FALSE(is_mapped(llvm_library()));
    EXPECT_EQ(run_on("cpu"), expected);
    EXPECT_TRUE(is_mapped(codegen::cpu::plugin_name));
    EXPECT_TRUE(is_mapped(llvm_library()));
    if (!has_vulkan) GTEST_SKIP() << "this machine has no Vulkan device";
}

} // namespace
