#include <heddle/context.h>

#include "frontend/context_state.h"
#include "frontend/encoders.h"
#include "frontend/kernel_cache.h"
#include "frontend/lazy_programs.h"
#include "frontend/location.h"
#include "frontend/tuner.h"
#include "runtime/devices.h"

#include <heddle/error.h>

#include <algorithm>
#include <fmt/format.h>
#include <thread>

namespace heddle {

using namespace detail;

namespace detail {

namespace {

DiskCacheOptions disk_options(const ContextOptions& options) {
    DiskCacheOptions disk;
    disk.bytes = options.cache_bytes;
    disk.folder =
        options.cache_directory ? std::filesystem::path(*options.cache_directory) : default_cache_folder();
    return disk;
}

TunerOptions tuner_options(const ContextOptions& options) {
    TunerOptions tuner;
    tuner.enabled = runtime::environment_flag("HEDDLE_TUNE", options.tune);
    tuner.limits.seconds = options.tune_seconds;
    tuner.bytes = options.tune_bytes;
    return tuner;
}

std::size_t encoder_count(const ContextOptions& options) {
    constexpr std::size_t most = 3;
    return options.encoders
               ? *options.encoders
               : std::min<std::size_t>(std::max(1u, std::thread::hardware_concurrency()) - 1, most);
}

} // namespace

ContextState::ContextState(const ContextOptions& options) : ContextState(options, nullptr, nullptr) {}

ContextState::ContextState(const ContextOptions& options, std::unique_ptr<CodeGenerator> generator)
    : ContextState(options, std::move(generator), nullptr) {}

ContextState::ContextState(const ContextOptions& options, std::unique_ptr<CodeGenerator> generator,
                           std::unique_ptr<Stopwatch> stopwatch)
    : options_(options), default_name_(options.device),
      kernels_(std::make_unique<KernelCache>(
          options.kernels, disk_options(options),
          generator != nullptr ? std::move(generator) : make_code_generator(), counters)),
      tuner_(std::make_unique<Tuner>(tuner_options(options), kernels_->disk(),
                                     stopwatch != nullptr ? std::move(stopwatch) : make_stopwatch(),
                                     counters)),
      lazy_programs_(std::make_unique<LazyPrograms>(options.programs)),
      encoders_(std::make_unique<Encoders>(encoder_count(options))) {}

ContextState::~ContextState() = default;

void ContextState::refuse_closed(std::string_view who) {
    throw UsageError(fmt::format("{}: its context was shut down", who));
}

runtime::DeviceRef ContextState::device(std::string_view name) {
    check_open("device");
    std::lock_guard lock(mutex_);
    const std::string wanted = name.empty() ? default_name_ : std::string(name);
    for (const Opened& known : opened_)
        if (known.name == wanted) return known.device;
    runtime::DeviceOptions device_options = runtime::DeviceOptions::from_environment();
    device_options.check_access |= options_.check_access;
    runtime::DeviceRef opened = runtime::open_device(wanted, device_options);
    // Another name of a device that is open already: "vulkan" and "vulkan:0", "" and "cpu".
    for (const Opened& known : opened_)
        if (known.device->info().name == opened->info().name) opened = known.device;
    opened_.push_back({wanted, opened});
    return opened;
}

runtime::DeviceRef ContextState::device(std::string_view name, std::string_view who,
                                        std::source_location where) {
    try {
        return device(name);
    } catch (const Error&) {
        rethrow_run_error(who, where);
    }
}

std::string ContextState::default_name() const {
    std::lock_guard lock(mutex_);
    if (!default_name_.empty()) return default_name_;
    const char* wanted = std::getenv("HEDDLE_DEVICE");
    return wanted != nullptr && *wanted != '\0' ? wanted : "cpu";
}

void ContextState::set_default(std::string_view name, std::source_location where) {
    device(name, "set_default_device", where);
    std::lock_guard lock(mutex_);
    default_name_ = name;
}

std::vector<runtime::DeviceRef> ContextState::opened() const {
    std::lock_guard lock(mutex_);
    std::vector<runtime::DeviceRef> result;
    for (const Opened& known : opened_)
        if (std::find(result.begin(), result.end(), known.device) == result.end())
            result.push_back(known.device);
    return result;
}

void ContextState::shutdown() {
    for (const runtime::DeviceRef& device : opened()) device->synchronize();
    open_.store(false, std::memory_order_release);
    lazy_programs_->clear();
    kernels_->clear();
    std::vector<Opened> gone;
    std::lock_guard lock(mutex_);
    std::swap(gone, opened_);
}

namespace {

thread_local constinit Context* scoped = nullptr;

} // namespace

const std::shared_ptr<ContextState>& current_state() { return Context::current().state(); }

} // namespace detail

Context::Context(const ContextOptions& options) : state_(std::make_shared<ContextState>(options)) {}
Context::Context(std::shared_ptr<ContextState> state) : state_(std::move(state)) {}
Context::~Context() = default;

Context& Context::standard() {
    // Never destroyed: threads may still use it when main returns.
    static Context* context = new Context();
    return *context;
}

Context& Context::current() { return scoped != nullptr ? *scoped : standard(); }

Context::Scope::Scope(Context& context) : before_(scoped) { scoped = &context; }
Context::Scope::~Scope() { scoped = before_; }

std::string Context::default_device() const { return state_->default_name(); }
void Context::set_default_device(std::string_view name, std::source_location where) {
    state_->set_default(name, where);
}

Statistics Context::statistics() const {
    const Counters& counters = state_->counters;
    Statistics result;
    result.traces = counters.traces.load();
    result.programs = counters.programs.load();
    result.kernels_compiled = counters.kernels_compiled.load();
    result.kernels_loaded = counters.kernels_loaded.load();
    result.kernel_hits = counters.kernel_hits.load();
    result.load_nanoseconds = counters.load_nanoseconds.load();
    result.calls = static_cast<std::uint64_t>(counters.calls.sum());
    result.recordings = counters.recordings.load();
    result.replays = counters.replays.load();
    result.shared_encodings = counters.shared_encodings.load();
    result.kernels_tuned = counters.kernels_tuned.load();
    result.schedules_timed = counters.schedules_timed.load();
    result.schedules_loaded = counters.schedules_loaded.load();
    result.schedules_differ = counters.schedules_differ.load();
    result.live_programs = counters.live_programs.load();
    result.live_specializations = counters.live_specializations.load();
    return result;
}

std::uint64_t Context::live_buffers() const {
    std::uint64_t total = 0;
    for (const runtime::DeviceRef& device : state_->opened()) total += device->live_buffers();
    return total;
}

std::uint64_t Context::live_bytes() const {
    std::uint64_t total = 0;
    for (const runtime::DeviceRef& device : state_->opened()) total += device->live_bytes();
    return total;
}

void Context::synchronize() {
    for (const runtime::DeviceRef& device : state_->opened()) device->synchronize();
}

void Context::trim() {
    for (const runtime::DeviceRef& device : state_->opened()) device->trim();
}

void Context::shutdown() { state_->shutdown(); }

std::vector<DeviceSummary> devices() {
    std::vector<DeviceSummary> result;
    for (const runtime::DeviceInfo& info : runtime::list_devices())
        result.push_back({info.name, info.description, info.notes, info.refused});
    return result;
}

} // namespace heddle
