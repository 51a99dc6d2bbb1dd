// heddle cache: what the cache of compiled kernels and tuned schedules on disk holds, and how to empty it.

#include "frontend/disk_cache.h"
#include "tools/commands.h"

#include <heddle/error.h>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>

namespace heddle::tools {
namespace {

struct Options {
    std::string what = "size";
    std::string folder;
};

/// The cache that programs use, or the one in a given folder, which has to be there.
std::filesystem::path folder_of(const Options& options) {
    if (options.folder.empty()) return detail::default_cache_folder();
    if (!std::filesystem::is_directory(options.folder))
        throw UsageError(fmt::format("cache: {} is no folder", options.folder));
    return options.folder;
}

void print_kernel(const detail::CachedKernel& kernel) {
    const auto used = std::chrono::system_clock::to_time_t(
        std::chrono::time_point_cast<std::chrono::system_clock::duration>(
            std::chrono::file_clock::to_sys(kernel.used)));
    fmt::print("{:%Y-%m-%d %H:%M} {:>9} {:<7} {}\n", fmt::gmtime(used), kernel.bytes,
               kernel.code.empty() ? "-" : kernel.code,
               kernel.name.empty() ? "damaged, or of another version" : "@" + kernel.name);
}

int run(const Options& options) {
    const std::filesystem::path folder = folder_of(options);
    if (folder.empty()) {
        fmt::print("kernels are not kept on disk: HEDDLE_CACHE is off, or there is no home folder\n");
        return 0;
    }
    if (!std::filesystem::exists(folder)) {
        fmt::print("{}: 0 kernels, 0 bytes\n", folder.string());
        return 0;
    }
    detail::DiskCache cache({folder});
    if (!cache.enabled())
        throw UsageError(
            fmt::format("cache: {} cannot be used: it is not yours alone (mode 0700)", folder.string()));
    const std::vector<detail::CachedKernel> kernels = cache.list();
    const auto tuned = std::ranges::count(kernels, "tuned", &detail::CachedKernel::code);
    const std::string files =
        fmt::format("{}: {} kernels{}", folder.string(), kernels.size() - static_cast<std::size_t>(tuned),
                    tuned == 0 ? "" : fmt::format(", {} decisions about schedules", tuned));
    if (options.what == "clear") {
        fmt::print("{}, {} bytes removed\n", files, cache.clear());
        return 0;
    }
    u64 bytes = 0;
    for (const detail::CachedKernel& kernel : kernels) {
        if (options.what == "list") print_kernel(kernel);
        bytes += kernel.bytes;
    }
    fmt::print("{}, {} bytes\n", files, bytes);
    return 0;
}

} // namespace

void add_cache(CLI::App& app, int& exit_code) {
    CLI::App* command = app.add_subcommand("cache", "Shows or empties the cache of compiled kernels on disk");
    auto options = std::make_shared<Options>();
    command->add_option("WHAT", options->what, "size (the default), list or clear")
        ->check(CLI::IsMember({"size", "list", "clear"}));
    command->add_option("--dir", options->folder, "its folder; default: the one that programs use");
    command->callback([options, &exit_code] { exit_code = run(*options); });
}

} // namespace heddle::tools
