#pragma once
// One call of a KernelProgram while it is turned into launches.

#include "frontend/access_report.h"
#include "frontend/kernel_program.h"
#include "frontend/launch_room.h"
#include "support/small_array.h"

#include <array>

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

/// The launch of a program that has only one and whose sizes are all known, but for numbers and what is bound. All that a call reads of it
/// lies together.
struct KernelProgram::ReadyLaunch {
    static constexpr std::size_t most_bytes = 128;
    struct Pointer {
        passes::Slot slot;
        u32 alignment = 1; ///< a power of two: where an input has to lie; else the call takes another kernel
    };
    struct Output {
        Dtype dtype = Dtype::f32;
        i32 donated_input = -1; ///< as in the plan
        std::size_t bytes = 0;
        Extents shape;
    };
    std::unique_ptr<runtime::PreparedLaunch> launch;
    std::vector<Output> outputs;
    std::vector<PreparedVariant::Patch> numbers;
    u32 pointer_count = 0, bytes = 0;
    std::array<Pointer, most_ready_pointers> pointers;
    alignas(8) std::array<std::byte, most_bytes> arguments;
};

/// The input whose memory a result of so many bytes takes over: that at this position, if its caller gave it away and it is fit for that.
inline const ProgramInput* donor_of(i32 position, std::span<const ProgramInput> inputs, std::size_t bytes) {
    if (position < 0) return nullptr;
    const ProgramInput& donor = inputs[static_cast<std::size_t>(position)];
    const bool takes_over = donor.donated && donor.offset == 0 && !(*donor.buffer)->adopted() &&
                            (*donor.buffer)->bytes() >= bytes;
    return takes_over ? &donor : nullptr;
}

/// Launches in the making: of all steps, or of those that one thread encodes.
struct KernelProgram::Encoding {
    std::vector<runtime::Launch> launches;
    AccessReports reports;
    bool barrier_pending = false;  ///< a skipped launch's barrier goes to the next
    bool previous_skipped = false; ///< the step before has nothing to do for these sizes
};

/// Sizes of one call.
using SizeRoom = SmallArray<i64, 64>;

} // namespace heddle::detail
