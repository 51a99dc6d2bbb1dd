// Calls of a KernelProgram that are not encoded launch by launch on the calling thread: those that launch what was recorded before, and long
// ones, which several threads encode.

#include "frontend/context_state.h"
#include "frontend/encoders.h"
#include "frontend/program_call.h"

#include <heddle/error.h>

#include <algorithm>
#include <utility>

namespace heddle::detail {

namespace {

/// Fewer kernels in a row cost no more to encode than to launch as a recording.
constexpr u32 least_recorded = 8;

/// A share of the memory that recordings may keep, as long as somebody holds it. Null if that is too much.
std::shared_ptr<const void> take_share(const std::shared_ptr<std::atomic<u64>>& kept, u64 bytes, u64 most) {
    auto give = [bytes](std::atomic<u64>* counter) { counter->fetch_sub(bytes, std::memory_order_relaxed); };
    const u64 before = kept->fetch_add(bytes, std::memory_order_relaxed);
    std::unique_ptr<std::atomic<u64>, decltype(give)> share(kept.get(), give);
    if (before + bytes > most) return nullptr;
    return std::shared_ptr<const void>(share.release(), [give, kept](std::atomic<u64>* c) { give(c); });
}

} // namespace

bool KernelProgram::may_record() const {
    return device_->records() && !device_->info().target.check_access && steps_.size() >= least_recorded;
}

/// All that a call brings beside sizes, as numbers that are compared: where inputs and outputs lie, and the numbers.
std::vector<u64> KernelProgram::values_of(const Call& call) const {
    std::vector<u64> values;
    values.reserve(call.inputs.size() + call.outputs.size() + call.numbers.size());
    for (const ProgramInput& input : call.inputs)
        values.push_back(input.buffer != nullptr ? (*input.buffer)->address() + input.offset : 0);
    for (const ProgramOutput& output : call.outputs)
        values.push_back(output.buffer->address() + output.offset);
    values.insert(values.end(), call.numbers.begin(), call.numbers.end());
    return values;
}

/// Which of those values a step's launch has in it.
void KernelProgram::add_dependences(const Step& step, const Call& call, std::vector<u32>& depends) {
    for (const passes::Slot& slot : step.pointers) {
        if (slot.kind == passes::SlotKind::input) depends.push_back(slot.index);
        if (slot.kind == passes::SlotKind::output)
            depends.push_back(static_cast<u32>(call.inputs.size()) + slot.index);
    }
    for (const PreparedVariant::Patch& patch : ready(choose(step, call)).patches)
        if (patch.by == KernelInterface::Fill::number)
            depends.push_back(static_cast<u32>(call.inputs.size() + call.outputs.size()) + patch.source);
}

/// What launches of the part bind: each input, output and constant once, the temporaries once; what is written comes first.
void KernelProgram::bind_slots(RecordedPart& part, runtime::Recorded use) const {
    const std::size_t kinds[] = {plan_.function->parameters().size(), plan_.outputs.size(), 1,
                                 constants_.size()};
    std::vector<bool> used[4], written[4];
    for (std::size_t kind = 0; kind < 4; ++kind) {
        used[kind].resize(kinds[kind]);
        written[kind].resize(kinds[kind]);
    }
    for (u32 s = part.begin; s < part.end; ++s) {
        const Step& step = steps_[s];
        for (std::size_t k = 0; k < step.pointers.size(); ++k) {
            const auto kind = static_cast<std::size_t>(step.pointers[k].kind);
            const u32 index =
                step.pointers[k].kind == passes::SlotKind::temporary ? 0 : step.pointers[k].index;
            used[kind][index] = true;
            if (k >= 32 || (step.write_mask >> k & 1) != 0) written[kind][index] = true;
        }
    }
    const bool all = use == runtime::Recorded::once; // else the recording owns constants and temporaries
    for (const bool first : {true, false})
        for (std::size_t kind = 0; kind < (all ? 4u : 2u); ++kind)
            for (u32 index = 0; index < kinds[kind]; ++index)
                if (used[kind][index] && written[kind][index] == first) {
                    part.bound.push_back({static_cast<passes::SlotKind>(kind), index});
                    if (first) ++part.writes;
                }
}

runtime::Launch KernelProgram::launch_of(const RecordedPart& part, const Call& call) const {
    runtime::Launch launch;
    launch.executable = part.recorded;
    launch.buffers.reserve(part.bound.size());
    launch.offsets.reserve(part.bound.size());
    for (const passes::Slot& slot : part.bound) {
        // All temporaries are bound as one.
        const bool temporaries = slot.kind == passes::SlotKind::temporary;
        const auto [buffer, offset] =
            temporaries ? std::pair(&call.temporaries, u64{0}) : place_of(slot, call);
        launch.buffers.push_back(runtime::Bound{buffer, offset, keeper_of(slot, call)}.share());
        launch.offsets.push_back(offset);
    }
    launch.write_mask = part.writes >= 32 ? ~u32{0} : (u32{1} << part.writes) - 1;
    launch.rest_is_read = part.writes <= 32;
    launch.barrier_before = part.barrier_before;
    return launch;
}

void KernelProgram::record_part(RecordedPart& part, const Call& call, runtime::Recorded use) {
    Encoding encoding;
    encoding.launches.reserve(part.end - part.begin);
    for (u32 s = part.begin; s < part.end; ++s) launch(steps_[s], call, encoding);
    part.barrier_after = encoding.barrier_pending;
    if (encoding.launches.empty()) return;
    part.barrier_before = std::exchange(encoding.launches.front().barrier_before, false);
    bind_slots(part, use);
    part.recorded = device_->record(std::move(encoding.launches), launch_of(part, call), use);
}

void KernelProgram::record_parts(std::span<RecordedPart> parts, const Call& call, runtime::Recorded use) {
    Encoders& encoders = context_.encoders();
    if (steps_.size() < context_.options().encoder_kernels || encoders.threads() == 1) {
        for (RecordedPart& part : parts) record_part(part, call, use);
        return;
    }
    context_.counters.shared_encodings.fetch_add(1, std::memory_order_relaxed);
    encoders.run(parts.size(), [&](std::size_t k) { record_part(parts[k], call, use); });
}

/// Appends steps [begin, end) in pieces that several threads record, if they are many.
void KernelProgram::split(u32 begin, u32 end, std::vector<RecordedPart>& parts) const {
    const u32 all = static_cast<u32>(steps_.size());
    u32 pieces = 1;
    if (all >= context_.options().encoder_kernels)
        pieces = std::max<u32>(1, static_cast<u32>(context_.encoders().threads() * (end - begin) / all));
    for (u32 k = 0; k < pieces; ++k) {
        RecordedPart& part = parts.emplace_back();
        part.begin = begin + (end - begin) * k / pieces;
        part.end = begin + (end - begin) * (k + 1) / pieces;
    }
}

void KernelProgram::launch_part(const RecordedPart& part, const Call& call, Encoding& encoding) {
    if (part.recorded == nullptr) {
        for (u32 s = part.begin; s < part.end; ++s) launch(steps_[s], call, encoding);
        return;
    }
    runtime::Launch& made = encoding.launches.emplace_back(launch_of(part, call));
    made.barrier_before |= std::exchange(encoding.barrier_pending, part.barrier_after);
}

/// A recording of the whole call, of which parts that are not worth it have nothing recorded. Null if none is, or if memory is short.
std::shared_ptr<const Recording> KernelProgram::make_recording(Call& call, std::vector<u64> values,
                                                               const std::vector<bool>& changing) {
    auto recording = std::make_shared<Recording>();
    recording->values = std::move(values);
    const u32 all = static_cast<u32>(steps_.size());
    std::vector<u32> depends;
    auto stays = [&](u32 s) {
        depends.clear();
        add_dependences(steps_[s], call, depends);
        return std::ranges::none_of(depends, [&](u32 k) { return changing[k]; });
    };
    bool any = false;
    std::vector<RecordedPart> fixed;
    for (u32 begin = 0, end = 0; begin < all; begin = end) {
        const bool same = stays(begin);
        for (end = begin + 1; end < all && stays(end) == same;) ++end;
        if (same && end - begin >= least_recorded) {
            split(begin, end, fixed);
            any = true;
        } else {
            RecordedPart& part = recording->parts.emplace_back();
            part.begin = begin;
            part.end = end;
        }
    }
    const u64 most = device_->info().memory_bytes / 8;
    recording->share = take_share(context_.counters.recorded_bytes, temporary_bytes(call), most);
    if (!any || recording->share == nullptr) return nullptr;
    make_temporaries(call);
    recording->temporaries = call.temporaries;
    record_parts(fixed, call, runtime::Recorded::often);
    for (RecordedPart& part : fixed) {
        for (u32 s = part.begin; s < part.end; ++s) add_dependences(steps_[s], call, part.depends);
        std::ranges::sort(part.depends);
        const auto twice = std::ranges::unique(part.depends);
        part.depends.erase(twice.begin(), twice.end());
        recording->parts.push_back(std::move(part));
    }
    std::ranges::sort(recording->parts, {}, &RecordedPart::begin);
    context_.counters.recordings.fetch_add(1, std::memory_order_relaxed);
    return recording;
}

/// As make_recording, and tells the others.
std::shared_ptr<const Recording> KernelProgram::record(Call& call, std::span<const u64> values,
                                                       const Recordings::Answer& answer) {
    std::shared_ptr<const Recording> made;
    try {
        made = make_recording(call, {values.begin(), values.end()}, answer.changing);
    } catch (const OutOfMemory&) {
        // The call may still fit without what a recording keeps.
        call.temporaries = nullptr;
    } catch (...) {
        recordings_->give_up(answer);
        throw;
    }
    if (made != nullptr)
        recordings_->keep(answer, made);
    else
        recordings_->give_up(answer);
    return made;
}

/// Launches of the parts that were recorded, and of the steps between them. False if this call has to be encoded.
bool KernelProgram::replay(Call& call, Encoding& encoding) {
    if (recordings_ == nullptr || !context_.options().replay) return false;
    const std::vector<u64> values = values_of(call);
    Recordings::Answer answer = recordings_->look_up(call.symbols, values);
    const bool known = answer.recording != nullptr;
    if (answer.record) answer.recording = record(call, values, answer);
    if (answer.recording == nullptr) return false;
    place_temporaries(call);
    call.temporaries = answer.recording->temporaries;
    bool matched = true;
    for (const RecordedPart& part : answer.recording->parts) {
        if (part.recorded == nullptr || answer.recording->matches(part, values)) {
            launch_part(part, call, encoding);
            continue;
        }
        matched = false;
        for (u32 s = part.begin; s < part.end; ++s) launch(steps_[s], call, encoding);
    }
    if (!matched) recordings_->missed(answer, values);
    if (known && matched) context_.counters.replays.fetch_add(1, std::memory_order_relaxed);
    return true;
}

/// A long program's launches, recorded by several threads for this call alone. False if it is not long.
bool KernelProgram::encode_shared(const Call& call, Encoding& encoding) {
    if (recordings_ == nullptr || steps_.size() < context_.options().encoder_kernels) return false;
    if (context_.encoders().threads() == 1) return false;
    std::vector<RecordedPart> parts;
    split(0, static_cast<u32>(steps_.size()), parts);
    record_parts(parts, call, runtime::Recorded::once);
    for (const RecordedPart& part : parts)
        if (part.recorded != nullptr)
            launch_part(part, call, encoding);
        else
            encoding.barrier_pending |= part.barrier_after;
    return true;
}

} // namespace heddle::detail
