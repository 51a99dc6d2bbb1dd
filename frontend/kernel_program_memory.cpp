// Where the arrays of a KernelProgram lie: its constants, and the results and temporaries of a call.

#include "frontend/program_call.h"
#include "support/numeric.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <algorithm>

namespace heddle::detail {

namespace {

/// Temporaries of one call share an allocation, each at a multiple of this.
constexpr u64 temporary_step = 256;
u64 round_up(u64 bytes) { return (bytes + temporary_step - 1) / temporary_step * temporary_step; }

} // namespace

void KernelProgram::make_constants() {
    for (const passes::Constant& constant : plan_.constants) {
        const std::size_t size = size_of(constant.dtype);
        std::vector<std::byte> bytes(constant.elements.size() * size);
        for (std::size_t k = 0; k < constant.elements.size(); ++k)
            store_bits(constant.dtype, bytes.data() + k * size, constant.elements[k]);
        runtime::BufferRef buffer = device_->allocate(bytes.size());
        if (!bytes.empty()) device_->upload(buffer, 0, bytes);
        constants_.push_back(std::move(buffer));
    }
}

void KernelProgram::refuse_memory(const OutOfMemory& error, const passes::Slot& slot) const {
    for (const Step& step : steps_)
        if (std::ranges::find(step.pointers, slot) != step.pointers.end())
            throw OutOfMemory(fmt::format("kernel {}: {}", step.name, error.what()));
    throw;
}

void KernelProgram::make_outputs(Call& call) {
    for (std::size_t k = 0; k < call.outputs.size(); ++k) {
        const passes::Output& plan = plan_.outputs[k];
        ProgramOutput& output = call.outputs[k];
        output.dtype = plan.dtype;
        output.shape.rank = static_cast<u32>(plan.shape.size());
        for (u32 axis = 0; axis < output.shape.rank; ++axis) {
            const i64 size = call.sizes[output_shapes_[k][axis]];
            if (size < 0)
                throw ShapeError(fmt::format("@{}: axis {} of result {} has the negative size {}",
                                             plan_.function->name(), axis, k, size));
            output.shape.sizes[axis] = size;
        }
        if (plan.from_input >= 0 || plan.same_as >= 0) continue;
        const std::size_t bytes = static_cast<std::size_t>(output.shape.elements()) * size_of(output.dtype);
        if (const ProgramInput* donor = donor_of(plan.donated_input, call.inputs, bytes))
            output.buffer = *donor->buffer;
        else
            output.buffer = allocate(bytes, passes::SlotKind::output, k);
        output.offset = 0;
    }
    for (std::size_t k = 0; k < call.outputs.size(); ++k) {
        const passes::Output& plan = plan_.outputs[k];
        if (plan.from_input >= 0) {
            const ProgramInput& input = call.inputs[static_cast<std::size_t>(plan.from_input)];
            call.outputs[k].buffer = *input.buffer;
            call.outputs[k].offset = input.offset;
        } else if (plan.same_as >= 0) {
            call.outputs[k].buffer = call.outputs[static_cast<std::size_t>(plan.same_as)].buffer;
            call.outputs[k].offset = call.outputs[static_cast<std::size_t>(plan.same_as)].offset;
        }
    }
}

/// Where each lies in the memory that they share.
void KernelProgram::place_temporaries(Call& call) const {
    call.temporary_offsets.clear();
    u64 at = 0;
    for (u32 bytes : temporaries_) {
        call.temporary_offsets.push_back(at);
        at += round_up(static_cast<u64>(call.sizes[bytes]));
    }
}

u64 KernelProgram::temporary_bytes(const Call& call) const {
    u64 total = 0;
    for (u32 bytes : temporaries_) total += round_up(static_cast<u64>(call.sizes[bytes]));
    return total;
}

void KernelProgram::make_temporaries(Call& call) {
    if (temporaries_.empty()) return;
    place_temporaries(call);
    call.temporaries = allocate(temporary_bytes(call), passes::SlotKind::temporary, 0);
    call.temporaries->set_scratch();
}

std::pair<const runtime::BufferRef*, u64> KernelProgram::place_of(const passes::Slot& slot,
                                                                  const Call& call) const {
    switch (slot.kind) {
    case passes::SlotKind::input: return {call.inputs[slot.index].buffer, call.inputs[slot.index].offset};
    case passes::SlotKind::output: return {&call.outputs[slot.index].buffer, 0};
    case passes::SlotKind::temporary: return {&call.temporaries, call.temporary_offsets[slot.index]};
    case passes::SlotKind::constant: return {&constants_[slot.index], 0};
    }
    return {};
}

const std::shared_ptr<const void>* KernelProgram::keeper_of(const passes::Slot& slot,
                                                            const Call& call) const {
    return slot.kind == passes::SlotKind::input ? call.inputs[slot.index].keeper : nullptr;
}

u64 KernelProgram::extent(const passes::Slot& slot, const Call& call) const {
    // Temporaries lie side by side in one buffer.
    if (slot.kind == passes::SlotKind::temporary)
        return static_cast<u64>(call.sizes[temporaries_[slot.index]]);
    const auto [buffer, offset] = place_of(slot, call);
    return (*buffer)->bytes() - offset;
}

} // namespace heddle::detail
