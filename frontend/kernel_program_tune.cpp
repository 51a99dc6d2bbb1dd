// Calls of a KernelProgram for whose sizes the tuner has not decided yet: before each such step its candidates are timed on the call's own
// inputs, with results that are thrown away.

#include "frontend/kernel_program_tune.h"

#include "frontend/context_state.h"
#include "frontend/parallel.h"
#include "frontend/program_call.h"
#include "frontend/tuner.h"
#include "support/numeric.h"

#include <heddle/error.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <thread>
#include <utility>

namespace heddle::detail {

namespace {

/// Schedules beside the standard one.
constexpr std::size_t most_candidates = 15;
/// Pointers of which a launch knows which are written.
constexpr std::size_t most_pointers = 32;

/// A part of a result that is looked at.
struct Stretch {
    std::size_t offset, bytes;
};

/// All of a result, or of a large one what is evenly spread over it, both ends among it.
std::vector<Stretch> stretches_of(std::size_t bytes) {
    constexpr std::size_t count = 64, each = 64 << 10;
    if (bytes <= count * each) return {{0, bytes}};
    std::vector<Stretch> stretches;
    const std::size_t elements = (bytes - each) / sizeof(u64);
    for (std::size_t k = 0; k + 1 < count; ++k)
        stretches.push_back({elements * k / (count - 1) * sizeof(u64), each});
    stretches.push_back({bytes - each, each});
    return stretches;
}

bool shares_rows(const passes::Schedule& schedule) {
    return schedule.kind == passes::ScheduleKind::row && schedule.parts != 0;
}

std::string element_text(Dtype dtype, std::span<const std::byte> bytes, std::size_t k) {
    const u64 bits = load_bits(dtype, bytes.data() + k * size_of(dtype));
    return is_float(dtype) ? fmt::format("{}", value_of(dtype, bits))
                           : fmt::format("{}", integer_of(dtype, bits));
}

} // namespace

/// The candidates of one step in one call, and memory for what they write.
struct KernelProgram::Trials {
    struct Trial {
        std::unique_ptr<PreparedVariant> prepared; ///< the standard one's is the program's
        runtime::Launch launch;
        std::size_t number; ///< among the record's trials
    };
    struct Result {
        std::size_t pointer;
        Dtype dtype;
        runtime::BufferRef buffer;
        std::vector<Stretch> stretches;
    };

    Trials(runtime::Device& device, const Step& step) : device(device), step(step) {}

    /// Binds the memory of the results where `launch` writes.
    void redirect(runtime::Launch& launch) const {
        for (const Result& result : results) {
            launch.buffers[result.pointer] = result.buffer;
            launch.offsets[result.pointer] = 0;
        }
    }

    /// What a launch leaves in memory that held nothing of use.
    std::vector<std::vector<std::byte>> run(const runtime::Launch& launch) const {
        std::vector<std::vector<std::byte>> contents;
        for (const Result& result : results) {
            std::size_t bytes = 0;
            for (const Stretch& stretch : result.stretches) bytes += stretch.bytes;
            std::vector<std::byte>& own = contents.emplace_back(bytes, std::byte{0xA5});
            each_stretch(result, own, [&](std::size_t offset, std::span<std::byte> part) {
                device.upload(result.buffer, offset, part);
            });
        }
        device.submit({launch}).wait();
        for (std::size_t k = 0; k < results.size(); ++k)
            each_stretch(results[k], contents[k], [&](std::size_t offset, std::span<std::byte> part) {
                device.download(results[k].buffer, offset, part);
            });
        return contents;
    }

    template <class Act>
    static void each_stretch(const Result& result, std::span<std::byte> contents, const Act& act) {
        std::size_t at = 0;
        for (const Stretch& stretch : result.stretches) {
            if (stretch.bytes != 0) act(stretch.offset, contents.subspan(at, stretch.bytes));
            at += stretch.bytes;
        }
    }

    /// Number of an element in its result.
    static std::size_t place_of(const Result& result, std::size_t element) {
        const std::size_t size = size_of(result.dtype);
        std::size_t at = element * size;
        for (const Stretch& stretch : result.stretches) {
            if (at < stretch.bytes) return (stretch.offset + at) / size;
            at -= stretch.bytes;
        }
        return element;
    }

    /// Empty if the launch gives what the first one gave.
    std::string difference(const runtime::Launch& launch, bool exact) const {
        const std::vector<std::vector<std::byte>> contents = run(launch);
        for (std::size_t k = 0; k < results.size(); ++k) {
            const Dtype dtype = results[k].dtype;
            if (const auto at = first_difference(dtype, wanted[k], contents[k], exact))
                return fmt::format("element {} of output {} is {}, not {}", place_of(results[k], *at), k,
                                   element_text(dtype, contents[k], *at),
                                   element_text(dtype, wanted[k], *at));
        }
        return {};
    }

    runtime::Device& device;
    const Step& step;
    std::vector<Result> results;
    std::vector<std::vector<std::byte>> wanted; ///< of the standard schedule
    std::vector<Trial> trials;
};

std::vector<i64> KernelProgram::extents_of(const Step& step, const Call& call) const {
    std::vector<i64> extents;
    for (ir::DimId extent : step.extents) extents.push_back(table_.dims().evaluate(extent, call.symbols));
    return extents;
}

KernelProgram::Variant* KernelProgram::tuned_variant(const Step& step, const Variant& standard,
                                                     const Call& call) const {
    const Tuning::Decision* decision = tuning_->decisions[number_of(step)].load(std::memory_order_acquire);
    if (decision == nullptr) return nullptr;
    const std::vector<u32> bucket = size_bucket(extents_of(step, call));
    for (; decision != nullptr; decision = decision->next)
        if (decision->standard == &standard && decision->bucket == bucket)
            return decision->chosen != nullptr && may_run(step, *decision->chosen, call)
                       ? decision->chosen.get()
                       : nullptr;
    return nullptr;
}

bool KernelProgram::is_settled(const Call& call) const {
    for (const Tuning::Sizes* sizes = tuning_->settled.load(std::memory_order_acquire); sizes != nullptr;
         sizes = sizes->next)
        if (std::ranges::equal(sizes->symbols, call.symbols)) return true;
    return false;
}

/// Whoever finds another thread at it goes on with what is there.
void KernelProgram::run_tuning(Call& call) {
    const std::unique_lock lock(tuning_->mutex, std::try_to_lock);
    make_temporaries(call);
    Encoding encoding;
    bool settled = lock.owns_lock();
    for (const Step& step : steps_) {
        if (lock.owns_lock() && !settle(step, call, encoding)) settled = false;
        launch(step, call, encoding);
    }
    if (!encoding.launches.empty()) device_->submit(std::move(encoding.launches));
    encoding.reports.check();
    if (!settled || is_settled(call)) return;
    tuning_->owned_sizes.push_back(
        {{call.symbols.begin(), call.symbols.end()}, tuning_->settled.load(std::memory_order_relaxed)});
    tuning_->settled.store(&tuning_->owned_sizes.back(), std::memory_order_release);
}

/// Sees to a decision for the step with these sizes. False if another thread is about to make it.
bool KernelProgram::settle(const Step& step, const Call& call, Encoding& encoding) {
    if (step.custom || step.pointers.size() > most_pointers) return true;
    Variant& standard = standard_variant(step, call);
    const Lowered& kernel = lowered(standard);
    // Blocks that share a row find cleared words only once.
    if (!kernel.schedule || kernel.forced || shares_rows(*kernel.schedule)) return true;
    const std::vector<i64> extents = extents_of(step, call);
    if (std::ranges::find(extents, 0) != extents.end()) return true;
    std::vector<u32> bucket = size_bucket(extents);
    for (const Tuning::Decision* known = tuning_->decisions[number_of(step)].load(std::memory_order_relaxed);
         known != nullptr; known = known->next)
        if (known->standard == &standard && known->bucket == bucket) return true;
    const auto valid = [&](const TuningRecord& record) {
        return record.standard == *kernel.schedule &&
               (!record.is_tuned() || plan_.lowering->lower(number_of(step), record.chosen).has_value());
    };
    Tuner::Answer answer =
        context_.tuner().look_up(tuning_key(device_->info(), kernel.digest, bucket), valid);
    if (answer.record == nullptr && answer.claim == nullptr) return false;
    if (answer.claim != nullptr) {
        // The step's inputs are what the steps before it make.
        if (!encoding.launches.empty()) device_->submit(std::exchange(encoding.launches, {}));
        bool lasting = true;
        TuningRecord record = measure(step, standard, call, lasting);
        answer.record = answer.claim->settle(std::move(record), lasting);
    }
    adopt(step, standard, std::move(bucket), answer.record->is_tuned() ? &answer.record->chosen : nullptr);
    return true;
}

void KernelProgram::adopt(const Step& step, const Variant& standard, std::vector<u32> bucket,
                          const passes::Schedule* schedule) {
    std::atomic<const Tuning::Decision*>& first = tuning_->decisions[number_of(step)];
    Tuning::Decision decision{&standard, std::move(bucket), nullptr, first.load(std::memory_order_relaxed)};
    if (schedule != nullptr) {
        std::optional<passes::Kernel> kernel = plan_.lowering->lower(number_of(step), *schedule);
        if (!kernel) throw InternalError(fmt::format("{} cannot have {}", step.name, text(*schedule)));
        decision.chosen = std::make_unique<Variant>();
        decision.chosen->owned_lowered = describe(std::move(*kernel));
        decision.chosen->lowered.store(decision.chosen->owned_lowered.get(), std::memory_order_release);
        ready(*decision.chosen);
    }
    tuning_->owned_decisions.push_back(std::move(decision));
    first.store(&tuning_->owned_decisions.back(), std::memory_order_release);
}

/// Memory for what the standard variant writes, and what it leaves there. Gives the reason where there is no use in that.
std::string KernelProgram::run_standard(Trials& trials, Variant& standard, const Call& call) {
    const Step& step = trials.step;
    const PreparedVariant& prepared = ready(standard);
    std::optional<runtime::Launch> launch = make_launch(step, prepared, call);
    if (!launch) return "there is nothing to do";
    // What only blocks that share a row publish stays as it is.
    const std::size_t pointers = step.pointers.size() - step.publishes;
    u64 bytes = 0;
    for (std::size_t k = 0; k < pointers; ++k)
        if ((step.write_mask >> k & 1) != 0) bytes += extent(step.pointers[k], call);
    if (bytes > context_.tuner().options().bytes)
        return fmt::format("results of {} bytes are more than may be taken", bytes);
    const std::vector<KernelInterface::Field>& fields = prepared.kernel->interface.fields;
    for (std::size_t k = 0; k < pointers; ++k) {
        if ((step.write_mask >> k & 1) == 0) continue;
        const u64 size = extent(step.pointers[k], call);
        trials.results.push_back({k, fields[k].dtype, device_->allocate(size), stretches_of(size)});
    }
    trials.redirect(*launch);
    trials.wanted = trials.run(*launch);
    trials.trials.push_back({nullptr, std::move(*launch), 0});
    return {};
}

/// Until `deadline`: compiles candidates, as many at a time as there are cores, runs each, and compares its results.
void KernelProgram::add_candidates(Trials& trials, Variant& standard, const Call& call, double deadline,
                                   TuningRecord& record) {
    Stopwatch& stopwatch = context_.tuner().stopwatch();
    const std::size_t cores = std::max(1u, std::thread::hardware_concurrency());
    std::vector<passes::Kernel> kernels =
        plan_.lowering->candidates(number_of(trials.step), record.standard, call.symbols, most_candidates);
    std::vector<std::unique_ptr<PreparedVariant>> compiled(kernels.size());
    for (const passes::Kernel& kernel : kernels) record.trials.push_back({*kernel.schedule});
    for (std::size_t k = 0; k < kernels.size(); ++k) {
        TuningTrial& trial = record.trials[k + 1];
        if (stopwatch.now() > deadline) {
            trial.note = "not tried: half of the time was up";
            continue;
        }
        if (k % cores == 0)
            run_parallel(std::min(cores, kernels.size() - k), [&](std::size_t next) {
                compiled[k + next] =
                    compile_candidate(trials.step, kernels[k + next], call, record.trials[k + next + 1].note);
            });
        if (compiled[k] == nullptr) continue;
        std::optional<runtime::Launch> launch = make_launch(trials.step, *compiled[k], call);
        if (!launch)
            throw InternalError(
                fmt::format("{}: {} has no blocks", lowered(standard).name, text(trial.schedule)));
        trials.redirect(*launch);
        trial.note = disagreement(trials, standard, *launch, trial.schedule);
        if (trial.note.empty()) trials.trials.push_back({std::move(compiled[k]), std::move(*launch), k + 1});
    }
}

/// Null, with the reason in `note`, if it cannot run with this call's buffers or the device does not take it.
std::unique_ptr<PreparedVariant> KernelProgram::compile_candidate(const Step& step, passes::Kernel& kernel,
                                                                  const Call& call, std::string& note) {
    const std::unique_ptr<Lowered> variant = describe(std::move(kernel));
    if (!may_run(step, *variant, call)) {
        note = "not for buffers that are aligned as these are";
        return nullptr;
    }
    try {
        return std::make_unique<PreparedVariant>(context_.kernels().trial(*device_, variant->kernel));
    } catch (const OutOfMemory&) {
        throw;
    } catch (const DeviceLost&) {
        throw;
    } catch (const DeviceError& error) {
        note = fmt::format("the device does not take it: {}", error.what());
        return nullptr;
    }
}

/// How a candidate's results differ from the standard ones; empty: not. Where no order differs, that is a defect.
std::string KernelProgram::disagreement(const Trials& trials, Variant& standard,
                                        const runtime::Launch& launch, const passes::Schedule& schedule) {
    const bool exact = same_order(*lowered(standard).schedule, schedule) && !options_.fast_math;
    const std::string difference = trials.difference(launch, exact);
    if (difference.empty()) return {};
    context_.counters.schedules_differ.fetch_add(1, std::memory_order_relaxed);
    if (exact)
        throw InternalError(fmt::format("{}: schedules {} and {} do not agree: {}", lowered(standard).name,
                                        text(*lowered(standard).schedule), text(schedule), difference));
    return fmt::format("differs: {}", difference);
}

/// Times the standard schedule and its neighbours. What was not decided for want of memory or time is not `lasting`.
TuningRecord KernelProgram::measure(const Step& step, Variant& standard, const Call& call, bool& lasting) {
    // What comes before has no part in it.
    device_->submitted().wait();
    Tuner& tuner = context_.tuner();
    Stopwatch& stopwatch = tuner.stopwatch();
    TuningLimits limits = tuner.options().limits;
    const double begin = stopwatch.now();
    const passes::Schedule schedule = *lowered(standard).schedule;
    TuningRecord record{.kernel = lowered(standard).name,
                        .device = fmt::format("{} {}", device_->info().description, device_->info().driver),
                        .sizes = fmt::format("{}", fmt::join(extents_of(step, call), " x ")),
                        .standard = schedule,
                        .chosen = schedule,
                        .reason = {},
                        .trials = {{schedule}}};
    Trials trials(*device_, step);
    try {
        record.reason = run_standard(trials, standard, call);
        if (record.reason.empty()) add_candidates(trials, standard, call, begin + limits.seconds / 2, record);
    } catch (const OutOfMemory&) {
        record.reason = "there was no memory for trials";
    }
    lasting = record.reason.empty();
    if (!lasting) return record;
    tuner.counters().kernels_tuned.fetch_add(1, std::memory_order_relaxed);
    limits.seconds -= stopwatch.now() - begin;
    const TuningChoice choice = choose_candidate(
        trials.trials.size(),
        [&](std::size_t k) {
            tuner.counters().schedules_timed.fetch_add(1, std::memory_order_relaxed);
            const Trials::Trial& trial = trials.trials[k];
            return stopwatch.seconds(*device_, record.trials[trial.number].schedule, trial.launch);
        },
        [&] { return stopwatch.now(); }, limits);
    for (std::size_t k = 0; k < trials.trials.size(); ++k)
        record.trials[trials.trials[k].number].seconds = choice.medians[k];
    record.chosen = record.trials[trials.trials[choice.index].number].schedule;
    record.reason = choice.reason;
    lasting = !choice.out_of_time && (trials.trials.size() > 1 || record.trials.size() == 1);
    if (trials.trials.size() == 1 && record.trials.size() > 1) record.reason = "no other could be tried";
    return record;
}

} // namespace heddle::detail
