#pragma once
// A program of kernels. Everything that does not depend on the call is worked out once: argument blocks with the constants filled in, and
// a list of what to patch from the call's sizes, numbers and addresses.

#include "frontend/access_report.h"
#include "frontend/kernel_cache.h"
#include "frontend/prepared_variant.h"
#include "frontend/program.h"
#include "frontend/recordings.h"
#include "frontend/size_table.h"
#include "frontend/tuning.h"
#include "support/hot_path.h"

#include <heddle/error.h>

#include <array>
#include <atomic>
#include <mutex>

namespace heddle::detail {

class KernelProgram final : public Program {
public:
    KernelProgram(ContextState& context, runtime::DeviceRef device, std::shared_ptr<void> owner,
                  passes::Plan plan, const DriverOptions& options);
    ~KernelProgram() override;

    void run(std::span<const ProgramInput> inputs, std::span<const u64> numbers, std::span<const i64> symbols,
             std::span<ProgramOutput> outputs) override;
    void run_frame(const FrameCall& call) override;
    void prepare(std::span<const i64> symbols) override;
    /// True for the sizes that the plan is for.
    bool is_for(std::span<const i64> symbols) const;

private:
    /// What a kernel says before it is compiled.
    struct Lowered {
        std::optional<SizeTable> sizes;           ///< of the facts; none without facts
        std::vector<ir::Fact> facts;              ///< over the function's symbols
        std::vector<std::pair<u32, u32>> aligned; ///< pointer, bytes
        std::unique_ptr<CheckedKernel> checked;   ///< where the device checks accesses
        Digest digest;                            ///< of the kernel, where schedules are tuned
        std::string name;
        std::optional<passes::Schedule> schedule;
        bool forced = false;
        passes::Kernel kernel; ///< until it has code, for whoever holds `making`
    };
    /// A kernel is lowered when a call with sizes for which it may be first comes to it, and compiled when one launches it.
    struct Variant {
        const passes::Variant* from = nullptr; ///< null: lowered from the beginning
        std::vector<ir::Fact> needs;           ///< hold wherever it may run, in the program's sizes
        std::atomic<Lowered*> lowered{nullptr};
        std::atomic<const PreparedVariant*> ready{nullptr};
        std::mutex making;
        std::unique_ptr<Lowered> owned_lowered;
        std::unique_ptr<PreparedVariant> owned_ready;
    };
    struct Step {
        std::vector<std::unique_ptr<Variant>> variants;
        std::vector<passes::Slot> pointers;
        u32 write_mask = 0;
        bool barrier_before = false, barrier_for_previous = false;
        std::vector<ir::DimId> extents; ///< what its kernel walks over
        std::string name;               ///< of its first variant's kernel, for messages
        bool custom = false;            ///< a kernel of the user's
        bool publishes = false;         ///< the last pointer is to words that the step before has cleared
    };
    struct Call;
    struct Encoding;
    struct Tuning;
    struct ReadyLaunch;
    static constexpr std::size_t most_ready_pointers = 8;
    using ReadyOutputs = std::array<const runtime::BufferRef*, most_ready_pointers>; ///< of each result

    Step make_step(passes::Step& step);
    std::unique_ptr<Lowered> describe(passes::Kernel&& kernel) const;
    const Lowered& lowered(Variant& variant) const;
    bool may_run(const Step& step, const Lowered& variant, const Call& call) const;
    bool may_run(const Step& step, Variant& variant, const Call& call) const;
    /// The compiler's choice, and what the tuner has put in its place.
    Variant& standard_variant(const Step& step, const Call& call) const;
    Variant& choose(const Step& step, const Call& call) const;
    /// Says which sizes the step's last kernel is for; throws.
    [[noreturn]] void refuse(const Step& step, const Call& call) const;
    const PreparedVariant& ready(Variant& variant);
    void run_encoded(Call& call);
    void launch(const Step& step, const Call& call, Encoding& encoding);
    /// Nothing where the grid is empty.
    std::optional<runtime::Launch> make_launch(const Step& step, const PreparedVariant& variant,
                                               const Call& call) const;
    void show_extents(const Step& step, const Call& call, runtime::Launch& launch) const;
    void bind_report(const Step& step, const CheckedKernel& kernel, runtime::Launch& launch, const Call& call,
                     AccessReports& reports);

    // kernel_program_memory.cpp
    void make_constants();
    /// For that slot.
    runtime::BufferRef allocate(u64 bytes, passes::SlotKind kind, std::size_t index) const {
        try {
            return device_->allocate(bytes);
        } catch (const OutOfMemory& error) {
            refuse_memory(error, {kind, static_cast<u32>(index)});
        }
    }
    /// Names the kernel that was to write to the slot; throws.
    [[noreturn]] void refuse_memory(const OutOfMemory& error, const passes::Slot& slot) const;
    void make_outputs(Call& call);
    u64 temporary_bytes(const Call& call) const;
    void place_temporaries(Call& call) const;
    void make_temporaries(Call& call);
    std::pair<const runtime::BufferRef*, u64> place_of(const passes::Slot& slot, const Call& call) const;
    const std::shared_ptr<const void>* keeper_of(const passes::Slot& slot, const Call& call) const;
    u64 extent(const passes::Slot& slot, const Call& call) const;

    // kernel_program_ready.cpp
    void make_ready_launch(const Call& call);
    HEDDLE_ALWAYS_INLINE runtime::BufferRef ready_memory(const ReadyLaunch& ready, std::size_t output,
                                                         std::span<const ProgramInput> inputs) const;
    HEDDLE_ALWAYS_INLINE bool launch_ready(const ReadyLaunch& ready, std::span<const ProgramInput> inputs,
                                           std::span<const u64> numbers, const ReadyOutputs& outputs) const;
    bool run_ready(const ReadyLaunch& ready, std::span<const ProgramInput> inputs,
                   std::span<const u64> numbers, std::span<ProgramOutput> outputs) const;

    // kernel_program_tune.cpp
    struct Trials;
    std::size_t number_of(const Step& step) const { return static_cast<std::size_t>(&step - steps_.data()); }
    std::vector<i64> extents_of(const Step& step, const Call& call) const;
    Variant* tuned_variant(const Step& step, const Variant& standard, const Call& call) const;
    bool is_settled(const Call& call) const;
    void run_tuning(Call& call);
    bool settle(const Step& step, const Call& call, Encoding& encoding);
    void adopt(const Step& step, const Variant& standard, std::vector<u32> bucket,
               const passes::Schedule* schedule);
    std::string run_standard(Trials& trials, Variant& standard, const Call& call);
    void add_candidates(Trials& trials, Variant& standard, const Call& call, double deadline,
                        TuningRecord& record);
    std::unique_ptr<PreparedVariant> compile_candidate(const Step& step, passes::Kernel& kernel,
                                                       const Call& call, std::string& note);
    std::string disagreement(const Trials& trials, Variant& standard, const runtime::Launch& launch,
                             const passes::Schedule& schedule);
    TuningRecord measure(const Step& step, Variant& standard, const Call& call, bool& lasting);

    // kernel_program_record.cpp
    bool may_record() const;
    std::vector<u64> values_of(const Call& call) const;
    void add_dependences(const Step& step, const Call& call, std::vector<u32>& depends);
    void bind_slots(RecordedPart& part, runtime::Recorded use) const;
    runtime::Launch launch_of(const RecordedPart& part, const Call& call) const;
    void record_part(RecordedPart& part, const Call& call, runtime::Recorded use);
    void record_parts(std::span<RecordedPart> parts, const Call& call, runtime::Recorded use);
    void split(u32 begin, u32 end, std::vector<RecordedPart>& parts) const;
    void launch_part(const RecordedPart& part, const Call& call, Encoding& encoding);
    std::shared_ptr<const Recording> make_recording(Call& call, std::vector<u64> values,
                                                    const std::vector<bool>& changing);
    std::shared_ptr<const Recording> record(Call& call, std::span<const u64> values,
                                            const Recordings::Answer& answer);
    bool replay(Call& call, Encoding& encoding);
    bool encode_shared(const Call& call, Encoding& encoding);

    ContextState& context_;
    runtime::DeviceRef device_;
    std::atomic<const ReadyLaunch*> ready_launch_{nullptr}; ///< once it is made
    std::atomic<bool> may_make_ready_{false};
    std::shared_ptr<void> owner_;
    passes::Plan plan_;
    DriverOptions options_;
    std::vector<Step> steps_;
    SizeTable table_;
    std::vector<ir::Fact> when_; ///< sizes that the plan is for
    SizeList sizes_;
    std::vector<std::vector<u32>> output_shapes_; ///< positions in sizes_
    std::vector<u32> temporaries_;                ///< bytes, likewise
    std::vector<runtime::BufferRef> constants_;
    std::vector<Dtype> number_dtypes_;
    std::shared_ptr<Recordings> recordings_; ///< null where nothing is recorded
    std::unique_ptr<Tuning> tuning_;         ///< null where nothing is tuned
    std::mutex making_ready_;
    std::unique_ptr<const ReadyLaunch> owned_ready_;
};

} // namespace heddle::detail
