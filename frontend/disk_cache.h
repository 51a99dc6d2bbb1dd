#pragma once
// Kernels on disk, so that a new process need not compile what an old one did, and the tuner's records, so that it need not measure. One
// file a kernel (.kernel) or record (.tuned), named by a hash of its key, in a folder that only the user may enter (0700). Files are written
// beside and renamed into place; they begin with a version, that hash again and a checksum, so a file that is cut off, altered, renamed or
// of another build is a miss and is removed. Beyond a bound the files that were not used for longest go.

#include "codegen/artifact.h"
#include "support/digest.h"
#include "support/integers.h"

#include <atomic>
#include <filesystem>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace heddle::detail {

struct DiskCacheOptions {
    std::filesystem::path folder; ///< empty: nothing is kept
    u64 bytes = u64{256} << 20;
};

/// HEDDLE_CACHE=off, HEDDLE_CACHE_DIR, XDG_CACHE_HOME, HOME, in this order.
std::filesystem::path default_cache_folder();

/// Code, and what launches have to know of it (kernel_interface.h), which here is only words.
struct KeptKernel {
    codegen::Artifact artifact;
    std::vector<u64> interface;
};

/// One file of the cache, for reports.
struct CachedKernel {
    std::string name; ///< the kernel's; empty if the file is damaged or of another version
    std::string code; ///< "SPIR-V", "object" or "tuned"; empty as the name
    u64 bytes = 0;
    std::filesystem::file_time_type used;
};

class DiskCache {
public:
    explicit DiskCache(const DiskCacheOptions& options);

    bool enabled() const { return !folder_.empty(); }
    std::optional<KeptKernel> load(const Digest& key);
    void store(const Digest& key, const KeptKernel& kernel);
    /// A record of the tuner's: lines of text, the first of which is `kernel NAME`.
    std::optional<std::string> load_record(const Digest& key);
    void store_record(const Digest& key, std::string_view text);
    /// Removes the least recently used files beyond the bound.
    void trim();
    /// All kernels and records, the most recently used first.
    std::vector<CachedKernel> list() const;
    /// Removes every file, and gives the bytes that they had.
    u64 clear();

private:
    struct File;

    std::filesystem::path path_of(const Digest& key, std::string_view kind) const;
    void write(const Digest& key, std::string_view kind, std::span<const std::byte> bytes);
    std::vector<File> files() const;

    std::filesystem::path folder_;
    u64 bytes_;
    std::atomic<u64> written_{0};
    std::atomic<u64> serial_{0};
    std::mutex trimming_;
};

} // namespace heddle::detail
