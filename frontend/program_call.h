#pragma once
// One call of a KernelProgram while it is turned into launches.

#include "frontend/access_report.h"
#include "frontend/kernel_program.h"

#include <array>
#include <utility>

namespace heddle::detail {

/// What the call brings, and where its results and temporaries lie. Several threads may encode parts of it.
struct KernelProgram::Call {
    std::span<const ProgramInput> inputs;
    std::span<const u64> numbers;
    std::span<const i64> symbols;
    std::span<ProgramOutput> outputs;
    std::span<const i64> sizes;
    runtime::BufferRef temporaries;
    std::vector<u64> temporary_offsets;
};

/// Launches that are over, with the room of their lists: calls of few kernels fill them anew and need no memory for them. One for each
/// thread.
class LaunchRoom {
public:
    static LaunchRoom& of_thread();
    /// Empty, as a new one is.
    runtime::Launch take();
    std::vector<runtime::Launch> take_list() { return std::exchange(list_, {}); }
    /// What has been submitted; of many only some are kept.
    void give(std::vector<runtime::Launch>&& launches) noexcept;

private:
    static constexpr std::size_t most = 16;
    std::array<runtime::Launch, most> spare_;
    std::size_t count_ = 0;
    std::vector<runtime::Launch> list_;
};

/// Launches in the making: of all steps, or of those that one thread encodes.
struct KernelProgram::Encoding {
    std::vector<runtime::Launch> launches;
    AccessReports reports;
    bool barrier_pending = false;  ///< a skipped launch's barrier goes to the next
    bool previous_skipped = false; ///< the step before has nothing to do for these sizes
};

/// Numbers of one call: on the stack unless there are many.
struct SizeRoom {
    explicit SizeRoom(std::size_t count) {
        if (count > few.size()) {
            more.resize(count);
            span = more;
        } else {
            span = std::span(few).first(count);
        }
    }
    SizeRoom(const SizeRoom&) = delete;
    SizeRoom& operator=(const SizeRoom&) = delete;
    std::array<i64, 64> few;
    std::vector<i64> more;
    std::span<i64> span;
};

} // namespace heddle::detail
