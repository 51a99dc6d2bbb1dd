// The short way of a call that is one launch of known sizes: the device has it prepared, and of the call come only numbers and buffers.

#include "frontend/context_state.h"
#include "frontend/frame_call.h"
#include "frontend/kernel_program.h"
#include "frontend/program_call.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace heddle::detail {

/// Once, by the first call whose inputs lie as the kernel wishes. Where there is no short way, calls go the long one.
void KernelProgram::make_ready_launch(const Call& call) {
    std::lock_guard lock(making_ready_);
    if (!may_make_ready_) return;
    const Step& step = steps_.front();
    const std::vector<ProgramInput> anywhere(call.inputs.size());
    Call aligned;
    aligned.inputs = anywhere;
    aligned.symbols = call.symbols;
    Variant& variant = choose(step, aligned);
    if (&variant != &choose(step, call)) return;
    may_make_ready_ = false;
    const PreparedVariant& prepared = ready(variant);
    const std::optional<runtime::Launch> launch = make_launch(step, prepared, call);
    if (!launch || std::max(step.pointers.size(), call.outputs.size()) > most_ready_pointers ||
        launch->arguments.size() > ReadyLaunch::most_bytes)
        return;
    auto made = std::make_unique<ReadyLaunch>();
    made->launch = device_->prepare_launch(*launch);
    if (made->launch == nullptr) return;
    made->pointer_count = static_cast<u32>(step.pointers.size());
    for (std::size_t k = 0; k < step.pointers.size(); ++k) made->pointers[k].slot = step.pointers[k];
    for (const auto& [pointer, bytes] : lowered(variant).aligned) {
        if (!std::has_single_bit(bytes)) return;
        u32& alignment = made->pointers[pointer].alignment;
        alignment = std::max(alignment, bytes);
    }
    for (std::size_t k = 0; k < call.outputs.size(); ++k) {
        const passes::Output& plan = plan_.outputs[k];
        const Extents& shape = call.outputs[k].shape;
        if (plan.from_input >= 0 || plan.same_as >= 0) return;
        made->outputs.push_back({plan.dtype, plan.donated_input,
                                 static_cast<std::size_t>(shape.elements()) * size_of(plan.dtype), shape});
    }
    made->bytes = static_cast<u32>(launch->arguments.size());
    std::ranges::copy(launch->arguments, made->arguments.begin());
    std::ranges::copy_if(prepared.patches, std::back_inserter(made->numbers),
                         [](const auto& patch) { return patch.by == KernelInterface::Fill::number; });
    owned_ready_ = std::move(made);
    ready_launch_.store(owned_ready_.get(), std::memory_order_release);
}

/// For a result, unless it takes over an input's.
runtime::BufferRef KernelProgram::ready_memory(const ReadyLaunch& ready, std::size_t output,
                                               std::span<const ProgramInput> inputs) const {
    const ReadyLaunch::Output& known = ready.outputs[output];
    if (const ProgramInput* donor = donor_of(known.donated_input, inputs, known.bytes)) return *donor->buffer;
    return allocate(known.bytes, passes::SlotKind::output, output);
}

/// False where the call has to go the long way; nothing has happened then.
bool KernelProgram::launch_ready(const ReadyLaunch& ready, std::span<const ProgramInput> inputs,
                                 std::span<const u64> numbers, const ReadyOutputs& outputs) const {
    std::array<runtime::Bound, most_ready_pointers> bound; // NOLINT(cppcoreguidelines-pro-type-member-init)
    for (u32 k = 0; k < ready.pointer_count; ++k) {
        const auto& [slot, alignment] = ready.pointers[k];
        if (slot.kind == passes::SlotKind::input) {
            const ProgramInput& input = inputs[slot.index];
            if ((((*input.buffer)->address() + input.offset) & (alignment - 1)) != 0) return false;
            bound[k] = {input.buffer, input.offset, input.keeper};
        } else {
            // There are no temporaries.
            const bool is_output = slot.kind == passes::SlotKind::output;
            bound[k] = {is_output ? outputs[slot.index] : &constants_[slot.index], 0, nullptr};
        }
    }
    alignas(8) std::array<std::byte, ReadyLaunch::most_bytes> arguments = ready.arguments;
    for (const PreparedVariant::Patch& number : ready.numbers)
        put_number(arguments, number.offset, numbers[number.source], number_dtypes_[number.source],
                   number.to);
    return device_->submit_prepared(*ready.launch, {bound.data(), ready.pointer_count},
                                    {arguments.data(), ready.bytes});
}

/// As launch_ready; where it gives false, the results have their memory.
bool KernelProgram::run_ready(const ReadyLaunch& ready, std::span<const ProgramInput> inputs,
                              std::span<const u64> numbers, std::span<ProgramOutput> outputs) const {
    ReadyOutputs placed;
    for (std::size_t k = 0; k < outputs.size(); ++k) {
        outputs[k] = {ready.outputs[k].dtype, ready.outputs[k].shape, ready_memory(ready, k, inputs), 0};
        placed[k] = &outputs[k].buffer;
    }
    return launch_ready(ready, inputs, numbers, placed);
}

/// Results are placed first, so that the launch binds them where they stay; the long way finds them so.
void KernelProgram::run_frame(const FrameCall& call) {
    const ReadyLaunch* const ready = ready_launch_.load(std::memory_order_acquire);
    if (ready == nullptr) return Program::run_frame(call);
    context_.counters.calls.add(1);
    const FrameArguments arguments(call);
    ReadyOutputs placed;
    for (std::size_t k = 0; k < call.results.size(); ++k) {
        Value& result = *call.results[k].value();
        result.place(ready->outputs[k].dtype, ready->outputs[k].shape,
                     ready_memory(*ready, k, arguments.inputs()), 0);
        placed[k] = &result.buffer;
    }
    if (!launch_ready(*ready, arguments.inputs(), arguments.numbers(), placed)) Program::run_frame(call);
}

} // namespace heddle::detail
