#pragma once
// Kernels by what they compute, not by who asked: the key is the whole kernel's structure before it is legalised, the target and the options. In memory the
// number is bounded; concurrent first uses of one kernel compile it once and wait for that one alone. On disk lie artifacts,
// see disk_cache.h.

#include "frontend/code_generator.h"
#include "frontend/disk_cache.h"
#include "frontend/kernel_interface.h"
#include "passes/plan.h"
#include "runtime/device.h"

#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace heddle::detail {

struct Counters;

/// One kernel on one device.
struct ReadyKernel {
    KernelInterface interface;
    runtime::ExecutableRef executable;
    u32 scratch_bytes = 0; ///< of scratch memory, at least (CPU)
};

class KernelCache {
public:
    KernelCache(std::size_t most, const DiskCacheOptions& disk, std::unique_ptr<CodeGenerator> generator,
                Counters& counters);
    ~KernelCache();

    /// `kernel` stays as it is, so that whoever fails with what is given can ask again.
    std::shared_ptr<const ReadyKernel> get(runtime::Device& device, passes::Kernel& kernel);
    /// For a kernel that may never be wanted again: nothing is kept.
    std::shared_ptr<const ReadyKernel> trial(runtime::Device& device, passes::Kernel& kernel);
    /// Compiles once more, keeping nothing.
    KernelTexts texts(runtime::Device& device, passes::Kernel& kernel);
    void clear();
    DiskCache& disk() { return disk_; }
    /// All that decides the kernel's code, for keys on disk.
    static Digest digest_of(const runtime::Device& device, const passes::Kernel& kernel);

private:
    struct Entry;
    std::shared_ptr<Entry> entry_for(u64 hash, std::vector<u64>&& key, bool& is_mine);
    void drop(const Entry& entry);
    /// Without a key nothing is read from disk, nor written to it.
    std::shared_ptr<const ReadyKernel> build(runtime::Device& device, passes::Kernel& kernel,
                                             const std::vector<u64>* key);
    void compile(runtime::Device& device, passes::Kernel& kernel, const std::vector<u64>* key,
                 ReadyKernel& ready);
    runtime::ExecutableRef load(runtime::Device& device, const codegen::Artifact& artifact);
    /// False when there is no file, or one that the device does not take.
    bool load_from_disk(runtime::Device& device, const Digest& name, ReadyKernel& ready);

    std::size_t most_;
    DiskCache disk_;
    std::unique_ptr<CodeGenerator> generator_;
    Counters& counters_;
    std::mutex mutex_;
    std::condition_variable built_;
    std::unordered_multimap<u64, std::shared_ptr<Entry>> entries_;
    u64 clock_ = 0;
};

} // namespace heddle::detail
