#include "frontend/kernel_cache.h"

#include "codegen/llvm/load.h"
#include "codegen/spirv/validate.h"
#include "frontend/context_state.h"
#include "frontend/structure.h"
#include "ir/kernel_builder.h"
#include "ir/printer.h"
#include "passes/legalise/cpu_pipeline.h"
#include "passes/legalise/spirv_pipeline.h"
#include "passes/rewrite.h"
#include "support/hash.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace heddle::detail {

namespace {

/// A hash over the sources of everything between a kernel and its code: other code, other files.
constexpr std::string_view code_version = HEDDLE_CODE_VERSION;

void append_text(std::vector<u64>& words, std::string_view text) {
    words.push_back(text.size());
    for (std::size_t at = 0; at < text.size(); at += 8) {
        u64 word = 0;
        for (std::size_t k = at; k < std::min(at + 8, text.size()); ++k)
            word = word << 8 | static_cast<unsigned char>(text[k]);
        words.push_back(word);
    }
}

/// All that decides the code, except the process: the device instance is put in front for the memory's key.
std::vector<u64> key_of(const runtime::Device& device, const passes::Kernel& kernel) {
    std::vector<u64> words{reinterpret_cast<u64>(&device)};
    append_text(words, code_version);
    append_text(words, device.info().target.key());
    if (device.info().target.kind == ir::TargetKind::cpu)
        append_text(words, codegen::cpu::compiler_version());
    append_structure(*kernel.function, words);
    if (kernel.spirv != nullptr) {
        const Digest code = digest(std::as_bytes(std::span(kernel.spirv->words)));
        words.insert(words.end(), {code.high, code.low});
        append_text(words, kernel.spirv->entry);
    }
    return words;
}

Digest disk_key(const std::vector<u64>& key) { return digest(std::as_bytes(std::span(key).subspan(1))); }

} // namespace

struct KernelCache::Entry {
    u64 hash = 0;
    std::vector<u64> key;
    bool done = false;
    std::shared_ptr<const ReadyKernel> kernel;
    std::exception_ptr failure;
    u64 used = 0;
};

KernelCache::KernelCache(std::size_t most, const DiskCacheOptions& disk,
                         std::unique_ptr<CodeGenerator> generator, Counters& counters)
    : most_(std::max<std::size_t>(most, 16)), disk_(disk), generator_(std::move(generator)),
      counters_(counters) {}

KernelCache::~KernelCache() = default;

std::shared_ptr<KernelCache::Entry> KernelCache::entry_for(u64 hash, std::vector<u64>&& key, bool& is_mine) {
    is_mine = false;
    auto [first, last] = entries_.equal_range(hash);
    for (; first != last; ++first) {
        if (first->second->key != key) continue;
        first->second->used = ++clock_;
        return first->second;
    }
    if (entries_.size() >= most_) {
        // The older half goes; programs keep what they use.
        std::vector<u64> ages;
        for (const auto& [other, entry] : entries_) ages.push_back(entry->used);
        std::ranges::nth_element(ages, ages.begin() + static_cast<std::ptrdiff_t>(ages.size() / 2));
        const u64 median = ages[ages.size() / 2];
        std::erase_if(entries_,
                      [&](const auto& item) { return item.second->done && item.second->used < median; });
    }
    auto entry = std::make_shared<Entry>();
    entry->hash = hash;
    entry->key = std::move(key);
    entry->used = ++clock_;
    entries_.emplace(hash, entry);
    is_mine = true;
    return entry;
}

void KernelCache::drop(const Entry& entry) {
    auto [first, last] = entries_.equal_range(entry.hash);
    for (; first != last; ++first) {
        if (first->second.get() != &entry) continue;
        entries_.erase(first);
        return;
    }
}

namespace {

ir::Function& legalise(ir::Function& kernel, const ir::Target& target) {
    return target.kind == ir::TargetKind::gpu ? passes::legalise_for_spirv(kernel, target)
                                              : passes::legalise_for_cpu(kernel, target);
}

/// The user's code as it is.
codegen::Artifact user_artifact(const ir::Function& kernel, const ir::CustomSpirv& code,
                                u32 parameter_bytes) {
    codegen::Artifact artifact;
    artifact.name = kernel.name();
    artifact.entry = code.entry;
    const std::span<const std::byte> bytes = std::as_bytes(std::span(code.words));
    artifact.code.assign(bytes.begin(), bytes.end());
    artifact.pointer_count =
        static_cast<u32>(std::ranges::count_if(kernel.parameters(), [&](ir::NodeId parameter) {
            return kernel.type(parameter).kind == ir::TypeKind::pointer;
        }));
    artifact.parameter_bytes = parameter_bytes;
    artifact.block = ir::kernel_info(kernel).block;
    artifact.shared_bytes = code.shared_bytes;
    artifact.local = code.local;
    artifact.capabilities = code.capabilities;
    return artifact;
}

} // namespace

Digest KernelCache::digest_of(const runtime::Device& device, const passes::Kernel& kernel) {
    return disk_key(key_of(device, kernel));
}

std::shared_ptr<const ReadyKernel> KernelCache::trial(runtime::Device& device, passes::Kernel& kernel) {
    return build(device, kernel, nullptr);
}

std::shared_ptr<const ReadyKernel> KernelCache::build(runtime::Device& device, passes::Kernel& kernel,
                                                      const std::vector<u64>* key) {
    auto ready = std::make_shared<ReadyKernel>();
    if (kernel.spirv != nullptr) {
        ready->interface = interface_of(*kernel.function, device.info().target);
        ready->executable =
            load(device, user_artifact(*kernel.function, *kernel.spirv, ready->interface.bytes));
    } else if (key != nullptr && load_from_disk(device, disk_key(*key), *ready)) {
        counters_.kernels_loaded.fetch_add(1, std::memory_order_relaxed);
    } else {
        // What follows may fail, and then asks for the same kernel again: it stays as it was.
        std::unique_ptr<ir::Function> original = passes::set_aside(kernel.function);
        try {
            compile(device, kernel, key, *ready);
        } catch (...) {
            kernel.function = passes::put_back(std::move(original));
            throw;
        }
        kernel.function = passes::put_back(std::move(original));
    }
    return ready;
}

void KernelCache::compile(runtime::Device& device, passes::Kernel& kernel, const std::vector<u64>* key,
                          ReadyKernel& ready) {
    const ir::Target& target = device.info().target;
    const ir::Function& legalised = legalise(*kernel.function, target);
    ready.interface = interface_of(legalised, target);
    const codegen::Artifact artifact = generator_->generate(legalised, target);
    counters_.kernels_compiled.fetch_add(1, std::memory_order_relaxed);
    if (key != nullptr) disk_.store(disk_key(*key), {artifact, words_of(ready.interface)});
    ready.scratch_bytes = artifact.scratch_bytes;
    ready.executable = load(device, artifact);
}

runtime::ExecutableRef KernelCache::load(runtime::Device& device, const codegen::Artifact& artifact) {
    const auto start = std::chrono::steady_clock::now();
    runtime::ExecutableRef loaded = device.load(artifact);
    const std::chrono::nanoseconds time = std::chrono::steady_clock::now() - start;
    counters_.load_nanoseconds.fetch_add(static_cast<u64>(time.count()), std::memory_order_relaxed);
    return loaded;
}

bool KernelCache::load_from_disk(runtime::Device& device, const Digest& name, ReadyKernel& ready) {
    const std::optional<KeptKernel> kept = disk_.load(name);
    if (!kept) return false;
    std::optional<KernelInterface> interface = interface_from(kept->interface);
    if (!interface || interface->bytes != kept->artifact.parameter_bytes) return false;
    try {
        ready.executable = load(device, kept->artifact);
    } catch (const OutOfMemory&) {
        throw;
    } catch (const DeviceLost&) {
        throw;
    } catch (const DeviceError&) {
        return false; // whole, but no good: the new code takes its place
    }
    ready.interface = std::move(*interface);
    ready.scratch_bytes = kept->artifact.scratch_bytes;
    return true;
}

std::shared_ptr<const ReadyKernel> KernelCache::get(runtime::Device& device, passes::Kernel& kernel) {
    std::vector<u64> key = key_of(device, kernel);
    const u64 hash = hash_span<u64>(0, key);
    bool is_mine = false;
    std::unique_lock lock(mutex_);
    const std::shared_ptr<Entry> entry = entry_for(hash, std::move(key), is_mine);
    if (!is_mine) {
        built_.wait(lock, [&] { return entry->done; });
        counters_.kernel_hits.fetch_add(1, std::memory_order_relaxed);
        if (entry->failure) std::rethrow_exception(entry->failure);
        return entry->kernel;
    }
    lock.unlock();
    std::shared_ptr<const ReadyKernel> built;
    std::exception_ptr failure;
    try {
        built = build(device, kernel, &entry->key);
    } catch (...) {
        failure = std::current_exception();
    }
    lock.lock();
    entry->kernel = built;
    entry->failure = failure;
    entry->done = true;
    // The next call tries again.
    if (failure) drop(*entry);
    lock.unlock();
    built_.notify_all();
    if (failure) std::rethrow_exception(failure);
    return built;
}

KernelTexts KernelCache::texts(runtime::Device& device, passes::Kernel& kernel) {
    const ir::Target& target = device.info().target;
    KernelTexts texts;
    texts.kernel = ir::print(*kernel.function);
    if (kernel.spirv != nullptr)
        texts.spirv = codegen::spirv::disassemble(std::as_bytes(std::span(kernel.spirv->words)));
    else
        generator_->generate(legalise(*kernel.function, target), target, &texts);
    return texts;
}

void KernelCache::clear() {
    std::unordered_multimap<u64, std::shared_ptr<Entry>> gone;
    std::lock_guard lock(mutex_);
    std::swap(gone, entries_);
}

} // namespace heddle::detail
