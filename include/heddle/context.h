#pragma once
// What is process-wide hangs on a Context: devices, compiled programs, kernel caches. The default one is made on first use and is
// never destroyed at exit; tests make several. A handle that outlives its context gives errors, not crashes.

#include <cstdint>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace heddle {

namespace detail {
class ContextState;
}

struct ContextOptions {
    /// Device of calls that name none: "cpu", "interp", "vulkan", "vulkan:1". Empty: what HEDDLE_DEVICE names, else "cpu".
    std::string device;
    /// Folder of the kernel cache. Nothing: HEDDLE_CACHE_DIR, else heddle/ in XDG_CACHE_HOME or ~/.cache. Empty text, or
    /// HEDDLE_CACHE=off: kernels are not kept on disk.
    std::optional<std::string> cache_directory;
    std::uint64_t cache_bytes = std::uint64_t{256} << 20; ///< on disk; the least recently used kernels go
    /// For tests: kernels compare each access with its buffer's size; one outside is an InternalError of the call. Also HEDDLE_CHECK_ACCESS=1.
    bool check_access = false;
    std::uint32_t programs = 4096; ///< lazy programs kept
    std::uint32_t pending = 4096;  ///< lazy values before they run; 1: each op runs by itself
    std::uint32_t kernels = 8192;  ///< kernels kept in memory
    /// On Vulkan, calls with sizes that were called before launch what was recorded then; see docs/runtime.md. False: every call is
    /// encoded, for measuring.
    bool replay = true;
    /// Threads that help the calling one to encode programs of at least `encoder_kernels` kernels; nothing: as many as are of use here.
    std::optional<std::uint32_t> encoders;
    std::uint32_t encoder_kernels = 256;
    /// Signatures that each compiled function remembers. Calls with others still run: each of them traces, and keeps nothing.
    std::uint32_t specializations = 65536;
    /// Calls whose kernels were never timed with sizes like theirs time other schedules on the device first, and keep what is clearly faster;
    /// see docs/tuning.md. Also HEDDLE_TUNE=1.
    bool tune = false;
    double tune_seconds = 0.5; ///< for each kernel
    std::uint64_t tune_bytes = std::uint64_t{1}
                               << 30; ///< of results at a time; larger kernels keep the compiler's schedule
};

/// Counters since the context was made, for tests and reports.
struct Statistics {
    std::uint64_t traces = 0;           ///< callables run with tracers
    std::uint64_t programs = 0;         ///< graphs taken through passes
    std::uint64_t kernels_compiled = 0; ///< by a code generator
    std::uint64_t kernels_loaded = 0;   ///< from disk
    std::uint64_t kernel_hits = 0;      ///< known already
    /// What devices took to make compiled and loaded kernels ready: on Vulkan the driver's making of pipelines, on the CPU linking. Those made
    /// at the same time count each.
    std::uint64_t load_nanoseconds = 0;
    std::uint64_t calls = 0;            ///< of programs
    std::uint64_t recordings = 0;       ///< of calls, to be launched again
    std::uint64_t replays = 0;          ///< calls that launched one
    std::uint64_t shared_encodings = 0; ///< calls that several threads encoded
    std::uint64_t kernels_tuned = 0;    ///< for which schedules were timed
    std::uint64_t schedules_timed = 0;  ///< runs of them
    std::uint64_t schedules_loaded = 0; ///< decisions from disk
    std::uint64_t schedules_differ = 0; ///< whose results were not the same within bounds
    std::uint64_t live_programs = 0;
    std::uint64_t live_specializations = 0;
};

class Context {
public:
    explicit Context(const ContextOptions& options = {});
    ~Context();
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;

    /// The one that this thread works in: the innermost `Scope`'s, else the default.
    static Context& current();
    static Context& standard();

    /// This thread works in that context while the scope lives.
    class Scope {
    public:
        explicit Scope(Context& context);
        ~Scope();
        Scope(const Scope&) = delete;
        Scope& operator=(const Scope&) = delete;

    private:
        Context* before_;
    };

    std::string default_device() const;
    /// Opens it. UsageError that lists what there is for an unknown name, DeviceError where it cannot be opened.
    void set_default_device(std::string_view name,
                            std::source_location where = std::source_location::current());
    Statistics statistics() const;
    /// Live buffers and bytes of all opened devices.
    std::uint64_t live_buffers() const;
    std::uint64_t live_bytes() const;
    /// Waits for all that was submitted.
    void synchronize();
    /// Gives idle memory back to the system.
    void trim();
    /// Waits, then closes all: later use of its arrays and functions is a UsageError.
    void shutdown();

    /// For the library's own use: what is behind this context, and another face of the same.
    const std::shared_ptr<detail::ContextState>& state() const { return state_; }
    static Context sharing(std::shared_ptr<detail::ContextState> state) { return Context(std::move(state)); }

private:
    explicit Context(std::shared_ptr<detail::ContextState> state);

    std::shared_ptr<detail::ContextState> state_;
};

struct DeviceSummary {
    std::string name, description, notes;
    std::string refused; ///< why it cannot be used; empty if it can
};
/// Every device of this machine.
std::vector<DeviceSummary> devices();

/// Live values of any kind in this process, for leak tests.
std::uint64_t live_arrays();

} // namespace heddle
