#include "frontend/disk_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace heddle::detail {

namespace fs = std::filesystem;

namespace {

/// Changes when the file's layout does.
constexpr u64 format_version = 3;
constexpr char magic[8] = {'h', 'e', 'd', 'd', 'l', 'e', 'k', '\n'};

constexpr std::string_view of_kernel = ".kernel", of_record = ".tuned";

/// What every file of a kernel begins with; then interface, name, code.
struct Header {
    char magic[8];
    u64 version;
    u64 key_high, key_low;
    u64 checksum; ///< of the whole file, with 0 in this place
    u64 interface_bytes, name_bytes, code_bytes;
    u32 pointer_count, parameter_bytes, scratch_bytes, block, subgroup, shared_bytes;
};

std::vector<std::byte> read_all(const fs::path& path) {
    std::vector<std::byte> bytes;
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0) return bytes;
    struct stat status = {};
    if (::fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == ::geteuid()) {
        bytes.resize(static_cast<std::size_t>(status.st_size));
        std::size_t at = 0;
        while (at < bytes.size()) {
            const ssize_t got = ::read(file, bytes.data() + at, bytes.size() - at);
            if (got <= 0) break;
            at += static_cast<std::size_t>(got);
        }
        bytes.resize(at);
    }
    ::close(file);
    return bytes;
}

bool write_all(int file, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const ssize_t put = ::write(file, bytes.data(), bytes.size());
        if (put <= 0) return false;
        bytes = bytes.subspan(static_cast<std::size_t>(put));
    }
    return true;
}

void set_checksum(std::span<std::byte> bytes, u64 checksum) {
    std::memcpy(bytes.data() + offsetof(Header, checksum), &checksum, sizeof checksum);
}

std::optional<KeptKernel> parse(std::span<std::byte> bytes, const Digest& key) {
    Header header;
    if (bytes.size() < sizeof header) return std::nullopt;
    std::memcpy(&header, bytes.data(), sizeof header);
    set_checksum(bytes, 0);
    std::span<const std::byte> rest = bytes.subspan(sizeof header);
    if (std::memcmp(header.magic, magic, sizeof magic) != 0 || header.version != format_version ||
        header.key_high != key.high || header.key_low != key.low || header.checksum != digest64(bytes))
        return std::nullopt;
    const auto take = [&](u64 count) {
        const std::span<const std::byte> part = rest.first(count);
        rest = rest.subspan(count);
        return part;
    };
    if (header.interface_bytes > rest.size() || header.interface_bytes % sizeof(u64) != 0)
        return std::nullopt;
    KeptKernel kernel;
    kernel.interface.resize(header.interface_bytes / sizeof(u64));
    std::ranges::copy(take(header.interface_bytes),
                      std::as_writable_bytes(std::span(kernel.interface)).begin());
    if (header.name_bytes > rest.size()) return std::nullopt;
    const std::span<const std::byte> name = take(header.name_bytes);
    if (header.code_bytes != rest.size()) return std::nullopt;
    codegen::Artifact& artifact = kernel.artifact;
    artifact.name.assign(reinterpret_cast<const char*>(name.data()), name.size());
    artifact.code.assign(rest.begin(), rest.end());
    artifact.pointer_count = header.pointer_count;
    artifact.parameter_bytes = header.parameter_bytes;
    artifact.scratch_bytes = header.scratch_bytes;
    artifact.block = header.block;
    artifact.subgroup = header.subgroup;
    artifact.shared_bytes = header.shared_bytes;
    return kernel;
}

std::vector<std::byte> serialise(const Digest& key, const KeptKernel& kernel) {
    const codegen::Artifact& artifact = kernel.artifact;
    const std::span<const std::byte> interface = std::as_bytes(std::span(kernel.interface));
    Header header = {};
    std::memcpy(header.magic, magic, sizeof magic);
    header.version = format_version;
    header.key_high = key.high;
    header.key_low = key.low;
    header.interface_bytes = interface.size();
    header.name_bytes = artifact.name.size();
    header.code_bytes = artifact.code.size();
    header.pointer_count = artifact.pointer_count;
    header.parameter_bytes = artifact.parameter_bytes;
    header.scratch_bytes = artifact.scratch_bytes;
    header.block = artifact.block;
    header.subgroup = artifact.subgroup;
    header.shared_bytes = artifact.shared_bytes;
    std::vector<std::byte> bytes(sizeof header);
    bytes.insert(bytes.end(), interface.begin(), interface.end());
    const auto* name = reinterpret_cast<const std::byte*>(artifact.name.data());
    bytes.insert(bytes.end(), name, name + artifact.name.size());
    bytes.insert(bytes.end(), artifact.code.begin(), artifact.code.end());
    std::memcpy(bytes.data(), &header, sizeof header);
    set_checksum(bytes, digest64(bytes));
    return bytes;
}

std::string_view text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// What `parse` makes of the file's bytes; a file of which it makes nothing is removed.
template <class Parse> auto read_or_remove(const fs::path& path, const Parse& parse) {
    std::vector<std::byte> bytes = read_all(path);
    decltype(parse(bytes)) result;
    if (bytes.empty()) return result;
    result = parse(bytes);
    if (!result)
        ::unlink(path.c_str());
    else // the time of use, which decides what goes first
        ::utimensat(AT_FDCWD, path.c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
    return result;
}

/// A record's file: a line with version, key and checksum of the text, then the text.
std::string record_file(const Digest& key, std::string_view text) {
    return fmt::format("heddle-tuned {} {} {:016x}\n{}", format_version, key.text(),
                       digest64(std::as_bytes(std::span(text))), text);
}

std::optional<std::string> parse_record_file(std::string_view file, const Digest& key) {
    const std::size_t line = file.find('\n');
    if (line == file.npos) return std::nullopt;
    std::string text(file.substr(line + 1));
    return file == record_file(key, text) ? std::optional(std::move(text)) : std::nullopt;
}

/// The key that a file is named by.
Digest key_of(const fs::path& path) {
    const std::string name = path.stem().string();
    return {std::strtoull(name.substr(0, 16).c_str(), nullptr, 16),
            std::strtoull(name.substr(16).c_str(), nullptr, 16)};
}

/// Ours, a folder, and closed to everyone else.
bool is_private(const fs::path& folder) {
    struct stat status = {};
    return ::lstat(folder.c_str(), &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == ::geteuid() &&
           (status.st_mode & 077) == 0;
}

/// Named as `path_of` names kernels, or as `store` names them while it writes: no other file of the folder is touched.
bool is_ours(const fs::path& path) {
    constexpr std::size_t digits = 32;
    std::string name = path.filename().string();
    const bool is_partial = name.starts_with('.');
    if (is_partial) name.erase(0, 1);
    if (name.size() <= digits || name[digits] != '.') return false;
    const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
    return std::all_of(name.begin(), name.begin() + digits, is_digit) &&
           (is_partial || name.substr(digits) == of_kernel || name.substr(digits) == of_record);
}

} // namespace

fs::path default_cache_folder() {
    auto variable = [](const char* name) {
        const char* text = std::getenv(name);
        return fs::path(text == nullptr ? "" : text);
    };
    if (variable("HEDDLE_CACHE") == "off") return {};
    if (const fs::path own = variable("HEDDLE_CACHE_DIR"); !own.empty()) return own;
    if (const fs::path xdg = variable("XDG_CACHE_HOME"); !xdg.empty() && xdg.is_absolute())
        return xdg / "heddle";
    if (const fs::path home = variable("HOME"); !home.empty()) return home / ".cache" / "heddle";
    return {};
}

DiskCache::DiskCache(const DiskCacheOptions& options) : folder_(options.folder), bytes_(options.bytes) {
    if (folder_.empty()) return;
    std::error_code error;
    fs::create_directories(folder_.parent_path(), error);
    ::mkdir(folder_.c_str(), 0700);
    // A folder that others can write to could hold anybody's machine code.
    if (!is_private(folder_)) folder_.clear();
}

fs::path DiskCache::path_of(const Digest& key, std::string_view kind) const {
    return folder_ / fmt::format("{}{}", key.text(), kind);
}

std::optional<KeptKernel> DiskCache::load(const Digest& key) {
    if (!enabled()) return std::nullopt;
    return read_or_remove(path_of(key, of_kernel),
                          [&](std::span<std::byte> bytes) { return parse(bytes, key); });
}

std::optional<std::string> DiskCache::load_record(const Digest& key) {
    if (!enabled()) return std::nullopt;
    return read_or_remove(path_of(key, of_record), [&](std::span<const std::byte> bytes) {
        return parse_record_file(text_of(bytes), key);
    });
}

void DiskCache::store(const Digest& key, const KeptKernel& kernel) {
    if (enabled()) write(key, of_kernel, serialise(key, kernel));
}

void DiskCache::store_record(const Digest& key, std::string_view text) {
    if (!enabled()) return;
    const std::string file = record_file(key, text);
    write(key, of_record, std::as_bytes(std::span(file)));
}

void DiskCache::write(const Digest& key, std::string_view kind, std::span<const std::byte> bytes) {
    const fs::path path = path_of(key, kind);
    const fs::path beside = folder_ / fmt::format(".{}.{}.{}", key.text(), ::getpid(), serial_.fetch_add(1));
    const int file = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0) return; // a full or read-only disk is no error: the kernel is compiled again
    const bool written = write_all(file, bytes);
    if (::close(file) != 0 || !written || ::rename(beside.c_str(), path.c_str()) != 0)
        ::unlink(beside.c_str());
    if (written_.fetch_add(bytes.size()) + bytes.size() > bytes_ / 8) trim();
}

struct DiskCache::File {
    fs::file_time_type used;
    u64 bytes;
    fs::path path;
};

std::vector<DiskCache::File> DiskCache::files() const {
    std::vector<File> files;
    std::error_code error;
    for (fs::directory_iterator entry(folder_, error), end; !error && entry != end; entry.increment(error)) {
        if (!is_ours(entry->path())) continue;
        std::error_code gone;
        const u64 bytes = entry->file_size(gone);
        const fs::file_time_type used = entry->last_write_time(gone);
        if (!gone) files.push_back({used, bytes, entry->path()});
    }
    return files;
}

void DiskCache::trim() {
    if (!enabled()) return;
    std::unique_lock lock(trimming_, std::try_to_lock);
    if (!lock) return;
    written_.store(0);
    std::vector<File> files = this->files();
    u64 total = 0;
    for (const File& file : files) total += file.bytes;
    std::ranges::sort(files, {}, &File::used);
    for (const File& file : files) {
        if (total <= bytes_) break;
        ::unlink(file.path.c_str());
        total -= file.bytes;
    }
}

std::vector<CachedKernel> DiskCache::list() const {
    constexpr u32 spirv_magic = 0x07230203;
    if (!enabled()) return {};
    std::vector<CachedKernel> kernels;
    for (const File& file : files()) {
        const bool is_record = file.path.extension() == of_record;
        if (!is_record && file.path.extension() != of_kernel) continue;
        CachedKernel& kernel = kernels.emplace_back(CachedKernel{{}, {}, file.bytes, file.used});
        std::vector<std::byte> bytes = read_all(file.path);
        if (is_record) {
            const auto text = parse_record_file(text_of(bytes), key_of(file.path));
            constexpr std::string_view word = "kernel ";
            if (!text || !text->starts_with(word)) continue;
            kernel.name = text->substr(word.size(), text->find('\n') - word.size());
            kernel.code = "tuned";
            continue;
        }
        Header header;
        if (bytes.size() < sizeof header) continue;
        std::memcpy(&header, bytes.data(), sizeof header);
        const std::optional<KeptKernel> kept = parse(bytes, {header.key_high, header.key_low});
        if (!kept) continue;
        const codegen::Artifact& artifact = kept->artifact;
        kernel.name = artifact.name;
        u32 first = 0;
        if (artifact.code.size() >= sizeof first) std::memcpy(&first, artifact.code.data(), sizeof first);
        kernel.code = first == spirv_magic ? "SPIR-V" : "object";
    }
    std::ranges::sort(kernels, std::greater{}, &CachedKernel::used);
    return kernels;
}

u64 DiskCache::clear() {
    u64 bytes = 0;
    if (!enabled()) return bytes;
    for (const File& file : files())
        if (::unlink(file.path.c_str()) == 0) bytes += file.bytes;
    return bytes;
}

} // namespace heddle::detail
