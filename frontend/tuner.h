#pragma once
// Who tunes what: one thread a kernel, device and bucket of sizes, while others go on with the compiler's choice. Decisions are kept in
// memory, and on disk beside the kernels. The measuring itself is a `Stopwatch`, in whose place a test may put its own.

#include "frontend/disk_cache.h"
#include "frontend/tuning.h"
#include "runtime/device.h"

#include <atomic>
#include <map>
#include <memory>
#include <mutex>

namespace heddle::detail {

struct Counters;

class Stopwatch {
public:
    virtual ~Stopwatch() = default;
    /// Seconds that one run of `launch` takes. Nothing else of the tuner's is under way.
    virtual double seconds(runtime::Device& device, const passes::Schedule& schedule,
                           const runtime::Launch& launch) = 0;
    /// Seconds on a clock of its own. Any thread.
    virtual double now() = 0;
};
/// The host's clock: runs as many as take some milliseconds, and waits for the last.
std::unique_ptr<Stopwatch> make_stopwatch();

/// A kernel (KernelCache::digest_of) on a device, with sizes of a bucket.
Digest tuning_key(const runtime::DeviceInfo& device, const Digest& kernel, std::span<const u32> bucket);

struct TunerOptions {
    bool enabled = false; ///< where a function does not say
    TuningLimits limits;
    u64 bytes = u64{1} << 30; ///< for the results of trials
};

class Tuner {
public:
    Tuner(const TunerOptions& options, DiskCache& disk, std::unique_ptr<Stopwatch> stopwatch,
          Counters& counters);
    ~Tuner();

    const TunerOptions& options() const { return options_; }
    Stopwatch& stopwatch() { return *stopwatch_; }
    Counters& counters() { return counters_; }

    /// The right to decide about one key. Whoever lets it go without `settle` leaves the decision to the next.
    class Claim {
    public:
        explicit Claim(const Digest& key) : key_(key) {}
        ~Claim();
        Claim(const Claim&) = delete;
        Claim& operator=(const Claim&) = delete;
        /// A decision that is not `lasting` is not written to disk.
        std::shared_ptr<const TuningRecord> settle(TuningRecord record, bool lasting);

    private:
        friend class Tuner;
        Tuner* tuner_ = nullptr; ///< while there is something to let go
        Digest key_;
    };
    struct Answer {
        std::shared_ptr<const TuningRecord> record; ///< what was decided
        std::unique_ptr<Claim> claim;               ///< or who decides: the caller
    };
    /// Neither, if another thread is about to decide. What lies on disk counts if `valid` agrees.
    Answer look_up(const Digest& key, const std::function<bool(const TuningRecord&)>& valid);
    /// All decisions that are in memory, by kernel and sizes.
    std::vector<std::shared_ptr<const TuningRecord>> decisions();
    /// What lies on disk no longer counts, but is replaced.
    void decide_again() { reads_disk_ = false; }
    /// What is known of the key, in memory or on disk.
    std::shared_ptr<const TuningRecord> known(const Digest& key,
                                              const std::function<bool(const TuningRecord&)>& valid);

private:
    std::shared_ptr<const TuningRecord> load(const Digest& key,
                                             const std::function<bool(const TuningRecord&)>& valid);

    TunerOptions options_;
    DiskCache& disk_;
    std::unique_ptr<Stopwatch> stopwatch_;
    Counters& counters_;
    std::atomic<bool> reads_disk_{true};
    std::mutex mutex_; ///< never held while something is measured or read from disk
    std::map<Digest, std::shared_ptr<const TuningRecord>> decided_; ///< null: about to be
};

} // namespace heddle::detail
