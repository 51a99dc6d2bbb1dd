#pragma once
// Which parts of a program's calls are recorded, and when they may be launched again. A kernel's addresses and numbers are part of its
// recording, so that only kernels whose values stay the same from call to call are worth one: those on the program's own memory, and on
// arrays that the caller passes again. What stays is seen, not guessed: the first call with some sizes is looked at, the second records.

#include "passes/plan.h"
#include "runtime/device.h"

#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace heddle::detail {

/// Steps [begin, end) of a program, for one choice of sizes.
struct RecordedPart {
    u32 begin = 0, end = 0;
    runtime::ExecutableRef recorded; ///< null: they are encoded at each call
    bool barrier_before = false;
    bool barrier_after = false;      ///< one that waits for the next launch
    std::vector<passes::Slot> bound; ///< what a launch binds, what it writes first
    u32 writes = 0;                  ///< of these
    std::vector<u32> depends;        ///< positions in the call's values
};

/// A whole call.
struct Recording {
    runtime::BufferRef temporaries;    ///< null if there are none
    std::shared_ptr<const void> share; ///< of what may be kept
    std::vector<u64> values;           ///< of the call that was recorded
    std::vector<RecordedPart> parts;   ///< all steps, in order
    bool matches(const RecordedPart& part, std::span<const u64> values) const;
};

/// Of one program: for the few sizes that were called last. Any thread, several at once.
class Recordings final : public runtime::Keeper {
    struct Entry;

public:
    /// What to do with a call: launch `recording`; or record it and `keep` or `give_up`; or, with neither, encode it.
    struct Answer {
        std::shared_ptr<const Recording> recording;
        std::shared_ptr<Entry> entry;
        bool record = false;
        std::vector<bool> changing; ///< values that have not stayed the same
    };
    /// `values` are the addresses and numbers that a call brings; as many in every call.
    Answer look_up(std::span<const i64> symbols, std::span<const u64> values);
    void keep(const Answer& answer, std::shared_ptr<const Recording> recording);
    /// These sizes are encoded from now on.
    void give_up(const Answer& answer);
    /// A part did not match: what changed is left out the next time.
    void missed(const Answer& answer, std::span<const u64> values);
    bool release_kept() override;

private:
    struct Entry {
        std::vector<i64> symbols;
        std::vector<u64> seen;
        std::vector<bool> changing;
        std::shared_ptr<const Recording> recording;
        bool busy = false; ///< somebody records it
        bool given_up = false;
        u32 misses = 0, releases = 0;
        u64 last_use = 0;
    };

    std::mutex mutex_;
    std::vector<std::shared_ptr<Entry>> entries_;
    u64 uses_ = 0;
};

} // namespace heddle::detail
