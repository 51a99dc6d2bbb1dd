#pragma once
// One kernel with all that a command buffer says of it: by that a later call finds commands that do what it asks for.

#include "runtime/vulkan/executable.h"
#include "runtime/vulkan/owned_set.h"

#include <array>
#include <cstring>
#include <span>

namespace heddle::runtime::vulkan {

/// A kernel and its grid. The kernel is known by its number, so that none is taken for one that is gone.
class KernelIdentity {
public:
    KernelIdentity() = default;
    explicit KernelIdentity(const Launch& launch);
    /// With an argument block. Never 0.
    u64 hash(std::span<const std::byte> arguments) const;
    bool operator==(const KernelIdentity&) const = default;

private:
    u64 executable_ = 0;
    u64 grid_[3] = {};
};

/// One kernel with its arguments pushed, as a command buffer holds it: of a kernel that is gone the commands are no good any more.
class RecordedKernel {
public:
    /// Whether this launch can be one.
    static bool fits(const Launch& launch, const Core& core);
    /// The addresses are among the arguments.
    void set(const KernelIdentity& kernel, std::span<const std::byte> arguments);
    void clear() { hash_ = 0; }
    /// 0: no kernel.
    u64 hash() const { return hash_; }
    bool is(const KernelIdentity& kernel, std::span<const std::byte> arguments) const {
        return hash_ != 0 && kernel_ == kernel && arguments.size() == bytes_ &&
               std::memcmp(arguments.data(), arguments_.data(), bytes_) == 0;
    }

    static constexpr std::size_t most_bytes = 128;

private:
    u64 hash_ = 0;
    KernelIdentity kernel_;
    std::size_t bytes_ = 0;
    std::array<std::byte, most_bytes> arguments_;
};

/// A launch of a kernel with pushed arguments, of which all is known but what it binds.
class PreparedKernel final : public PreparedLaunch {
public:
    static constexpr std::size_t most_pointers = OwnedSet::few - 1; // beside the kernel
    /// `launch` fits, and has no more pointers.
    explicit PreparedKernel(const Launch& launch);

    KernelIdentity kernel;
    ExecutableRef executable;
    u32 bytes;      ///< of its arguments
    u32 pointers;   ///< how many
    u32 write_mask; ///< as the launch's
    std::array<u32, most_pointers> fields{};
    bool writes(std::size_t k) const { return (write_mask >> k & 1) != 0; }
};

} // namespace heddle::runtime::vulkan
