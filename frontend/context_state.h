#pragma once
// What a Context is behind its public face: the opened devices, the kernel cache, the programs of lazy graphs, counters. Traces,
// compiled functions and lazy graphs share it, so that it outlives them; after shutdown() it only gives errors.

#include "runtime/devices.h"
#include "support/thread_count.h"

#include <heddle/context.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <source_location>
#include <vector>

namespace heddle::detail {

class CodeGenerator;
class Encoders;
class KernelCache;
class LazyPrograms;
class Stopwatch;
class Tuner;

struct Counters {
    std::atomic<u64> traces{0}, programs{0}, kernels_compiled{0}, kernels_loaded{0}, kernel_hits{0};
    ThreadCount calls;
    std::atomic<u64> load_nanoseconds{0};
    std::atomic<u64> recordings{0}, replays{0}, shared_encodings{0};
    /// Of temporaries that recordings keep. Shared: who gives some back may be the last to know the program.
    std::shared_ptr<std::atomic<u64>> recorded_bytes = std::make_shared<std::atomic<u64>>(0);
    std::atomic<u64> kernels_tuned{0}, schedules_timed{0}, schedules_loaded{0}, schedules_differ{0};
    std::atomic<u64> live_programs{0}, live_specializations{0};
};

class ContextState : public std::enable_shared_from_this<ContextState> {
public:
    explicit ContextState(const ContextOptions& options);
    /// With another way from kernels to code, or to time them; null: the usual one.
    ContextState(const ContextOptions& options, std::unique_ptr<CodeGenerator> generator);
    ContextState(const ContextOptions& options, std::unique_ptr<CodeGenerator> generator,
                 std::unique_ptr<Stopwatch> stopwatch);
    ~ContextState();

    const ContextOptions& options() const { return options_; }
    /// The device of that name, opened on first use; empty: the default one. UsageError after shutdown.
    runtime::DeviceRef device(std::string_view name = {});
    /// Likewise; errors name who asked for it, and where.
    runtime::DeviceRef device(std::string_view name, std::string_view who, std::source_location where);
    std::string default_name() const;
    void set_default(std::string_view name, std::source_location where);
    std::vector<runtime::DeviceRef> opened() const;
    KernelCache& kernels() { return *kernels_; }
    Tuner& tuner() { return *tuner_; }
    Encoders& encoders() { return *encoders_; }
    LazyPrograms& lazy_programs() { return *lazy_programs_; }
    bool is_open() const { return open_.load(std::memory_order_acquire); }
    /// Throws UsageError after shutdown.
    void check_open(std::string_view who) const {
        if (!is_open()) refuse_closed(who);
    }
    void shutdown();

    Counters counters;

private:
    [[noreturn]] static void refuse_closed(std::string_view who);

    ContextOptions options_;
    mutable std::mutex mutex_;
    struct Opened {
        std::string name; ///< asked for
        runtime::DeviceRef device;
    };
    std::vector<Opened> opened_;
    std::string default_name_;
    std::atomic<bool> open_{true};
    std::unique_ptr<KernelCache> kernels_;
    std::unique_ptr<Tuner> tuner_;
    std::unique_ptr<LazyPrograms> lazy_programs_;
    std::unique_ptr<Encoders> encoders_;
};

/// The state of Context::current().
const std::shared_ptr<ContextState>& current_state();

} // namespace heddle::detail
