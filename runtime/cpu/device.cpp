#include "runtime/cpu/device.h"

#include "codegen/llvm/load.h"
#include "runtime/cpu/held_work.h"
#include "runtime/cpu/host.h"
#include "runtime/cpu/thread_pool.h"
#include "runtime/host_memory.h"
#include "support/per_thread.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <cstdlib>
#include <cstring>
#include <limits>
#include <mutex>

namespace heddle::runtime::cpu {
namespace {

using codegen::cpu::KernelEntry;

/// Scratch memory of one thread, kept for its next kernel.
class Scratch {
public:
    Scratch() = default;
    ~Scratch() { std::free(memory_); }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    bool reserve(u64 bytes) {
        if (bytes <= bytes_) return true;
        const u64 rounded = (bytes + 4095) / 4096 * 4096;
        void* memory = std::aligned_alloc(64, rounded);
        if (memory == nullptr) return false;
        std::free(memory_);
        memory_ = memory;
        bytes_ = rounded;
        return true;
    }
    void* memory() const { return memory_; }

private:
    void* memory_ = nullptr;
    u64 bytes_ = 0;
};

class CpuExecutable final : public Executable {
public:
    CpuExecutable(const codegen::Artifact& artifact, codegen::cpu::Linker& linker)
        : code(linker.link(artifact.code, artifact.name)),
          entry(reinterpret_cast<KernelEntry>(const_cast<void*>(code->entry()))),
          pointer_count(artifact.pointer_count), parameter_bytes(artifact.parameter_bytes),
          name(artifact.name) {}

    std::unique_ptr<codegen::cpu::LinkedCode> code;
    KernelEntry entry;
    u32 pointer_count;
    u32 parameter_bytes;
    std::string name;
};

/// One launch as the threads see it.
struct Run {
    KernelEntry entry;
    const void* arguments;
    u64 scratch_bytes;
};

bool prepare(void* context) {
    return per_thread<Scratch>().reserve(static_cast<Run*>(context)->scratch_bytes);
}

void run_range(void* context, i64 first, i64 last) {
    const Run& run = *static_cast<Run*>(context);
    run.entry(run.arguments, first, last, per_thread<Scratch>().memory());
}

class CpuDevice final : public HostMemoryDevice {
public:
    explicit CpuDevice(const DeviceOptions& options)
        : HostMemoryDevice(options), info_(device_info()), pool_(info_.target.cores),
          held_(
              std::make_shared<HeldWork>(options.retain_bound_buffers, [this](std::vector<Launch>& launches) {
                  for (Launch& launch : launches) run(launch);
              })) {
        info_.target.check_access = options.check_access;
    }

    const DeviceInfo& info() const override { return info_; }
    ExecutableRef load(const codegen::Artifact& artifact) override {
        check_usable();
        if (faults().allocation_fails())
            throw OutOfMemory(
                fmt::format("kernel {}: a test said that there is no memory for it", artifact.name));
        return std::make_shared<CpuExecutable>(artifact, linker());
    }
    Event submit(std::vector<Launch>&& launches) override {
        if (launches.empty()) return {};
        check_usable();
        fail_if_asked(launches);
        for (Launch& launch : launches) bind(launch);
        if (Event event; held_->closed() && held_->add(launches, event)) return event;
        if (!options().retain_bound_buffers)
            for (Launch& launch : launches) launch.buffers.clear();
        for (Launch& launch : launches) run(launch);
        for (Launch& launch : launches) launch.release();
        return {};
    }
    Event submitted() override { return held_->closed() ? held_->added() : Event(); }
    void synchronize() override { submitted().wait(); }
    bool hold_queue(bool held) override {
        held_->hold(held);
        return true;
    }

private:
    static const CpuExecutable& kernel_of(const Launch& launch) {
        return static_cast<const CpuExecutable&>(*launch.executable);
    }

    void fail_if_asked(const std::vector<Launch>& launches) {
        const std::string& kernel = kernel_of(launches.front()).name;
        switch (faults().next_submission()) {
        case Fault::none: return;
        case Fault::refused:
            throw DeviceError(fmt::format("submitting kernel {} failed: a test said so", kernel));
        case Fault::lost:
            lose();
            throw DeviceLost(fmt::format("submitting kernel {}: device {} was lost", kernel, info_.name));
        }
    }

    [[noreturn]] static void refuse(const CpuExecutable& kernel, const std::string& why) {
        throw UsageError(fmt::format("kernel {}: {}", kernel.name, why));
    }

    void bind(Launch& launch) const {
        const CpuExecutable& kernel = kernel_of(launch);
        if (launch.buffers.size() != kernel.pointer_count ||
            launch.pointer_fields.size() != kernel.pointer_count ||
            launch.offsets.size() != kernel.pointer_count)
            refuse(kernel,
                   fmt::format("takes {} buffers, given {}", kernel.pointer_count, launch.buffers.size()));
        if (launch.arguments.size() < kernel.parameter_bytes)
            refuse(kernel, fmt::format("takes {} bytes of arguments, given {}", kernel.parameter_bytes,
                                       launch.arguments.size()));
        for (std::size_t k = 0; k < launch.buffers.size(); ++k) {
            const Buffer& buffer = *launch.buffers[k];
            if (&buffer.device() != this) refuse(kernel, fmt::format("buffer {} is on another device", k));
            if (launch.offsets[k] > buffer.bytes() || launch.pointer_fields[k] + 8 > launch.arguments.size())
                refuse(kernel, fmt::format("buffer {} is bound outside its memory or its field", k));
            const u64 address = buffer.address() + launch.offsets[k];
            std::memcpy(launch.arguments.data() + launch.pointer_fields[k], &address, 8);
        }
    }

    static i64 grid_size(const CpuExecutable& kernel, const Launch& launch) {
        u64 total = 1;
        for (u64 extent : launch.grid)
            if (__builtin_mul_overflow(total, extent, &total)) refuse(kernel, "its grid overflows");
        if (total > static_cast<u64>(std::numeric_limits<i64>::max())) refuse(kernel, "its grid overflows");
        return static_cast<i64>(total);
    }

    void run(Launch& launch) {
        const CpuExecutable& kernel = kernel_of(launch);
        const i64 total = grid_size(kernel, launch);
        if (total == 0) return;
        Run run{kernel.entry, launch.arguments.data(), launch.scratch_bytes};
        if (run.scratch_bytes != 0 && !prepare(&run))
            throw OutOfMemory(
                fmt::format("kernel {}: no {} bytes of scratch memory", kernel.name, run.scratch_bytes));
        if (total == 1 || launch.traffic_bytes < alone_below_bytes) {
            run_range(&run, 0, total);
            return;
        }
        pool_.parallel_for(total, launch.grain, {prepare, run_range, &run});
    }

    codegen::cpu::Linker& linker() {
        std::call_once(linker_once_, [&] { linker_ = codegen::cpu::load_linker(); });
        return *linker_;
    }

    DeviceInfo info_;
    ThreadPool pool_;
    std::shared_ptr<HeldWork> held_;
    std::once_flag linker_once_;
    std::unique_ptr<codegen::cpu::Linker> linker_;
};

} // namespace

DeviceInfo device_info() {
    DeviceInfo info;
    info.name = "cpu";
    info.target = host_target();
    info.description = cpu_model();
    info.notes = fmt::format("{} threads, vectors of {} bytes{}", info.target.cores, info.target.vector_bytes,
                             info.target.fused_fma ? "" : ", fma in software");
    info.memory_bytes = host_memory_bytes();
    return info;
}

DeviceRef open_device(const DeviceOptions& options) { return std::make_shared<CpuDevice>(options); }

} // namespace heddle::runtime::cpu
