// Descriptor mode, for devices without buffer addresses: pointer parameter k is the storage buffer at binding k of set 0, one variable
// for each type that it is accessed as. A pointer that moves adds to the index of every access through it. The pointer's field
// in the argument block holds how many bytes the array lies behind the start of its descriptor, in the low word.

#include "codegen/spirv/kernel_emitter.h"

#include <array>
#include <bit>

namespace heddle::codegen::spirv {

u32 KernelEmitter::descriptor_variable(u32 binding, u32 block) {
    u32& variable = descriptors_[{binding, block}];
    if (variable != 0) return variable;
    variable = writer_.variable(spv::StorageClassStorageBuffer, block);
    writer_.decorate(variable, spv::DecorationDescriptorSet, {0});
    writer_.decorate(variable, spv::DecorationBinding, {binding});
    writer_.decorate(variable, spv::DecorationAliased);
    return variable;
}

KernelEmitter::Memory KernelEmitter::described_buffer(u32 binding, Dtype dtype, bool read_only) {
    const u32 element = memory_element(dtype);
    const u32 block = writer_.type_buffer(element, bits(dtype) / 8, read_only);
    return {.base = descriptor_variable(binding, block),
            .element = element,
            .storage = spv::StorageClassStorageBuffer,
            .read_only = read_only,
            .dtype = dtype,
            .binding = binding};
}

/// `field`: the pointer's word of the argument block.
KernelEmitter::Memory KernelEmitter::described_parameter(u32 binding, Dtype dtype, bool read_only,
                                                         u32 field) {
    Memory memory = described_buffer(binding, dtype, read_only);
    const u32 shift = static_cast<u32>(std::countr_zero(bits(dtype) / 8));
    memory.offset = {field, 32};
    if (shift != 0)
        memory.offset.id =
            add(spv::OpShiftRightLogical, writer_.type_int(32), {field, writer_.constant_u32(shift)});
    return memory;
}

/// Sums of different widths are made in 64 bits.
KernelEmitter::Offset KernelEmitter::sum(Offset a, Offset b) {
    if (a.id == 0) return b;
    if (b.id == 0) return a;
    const u32 width = std::max(a.bits, b.bits), type = writer_.type_int(width);
    for (Offset* part : {&a, &b})
        if (part->bits != width) part->id = add(spv::OpSConvert, type, {part->id});
    return {add(spv::OpIAdd, type, {a.id, b.id}), width};
}

KernelEmitter::Offset KernelEmitter::offset_of(NodeId index) {
    return {id(index), bits(kernel_.dtype(index))};
}

KernelEmitter::Memory KernelEmitter::moved(const Memory& from, NodeId elements) {
    Memory memory = from;
    memory.offset = sum(from.offset, offset_of(elements));
    return memory;
}

/// The same bytes as elements of another size. What lies before them is whole in both sizes.
KernelEmitter::Memory KernelEmitter::described_as(const Memory& from, Dtype dtype) {
    Memory memory = described_buffer(from.binding, dtype, from.read_only);
    memory.offset = from.offset;
    const u32 before = bits(from.dtype), after = bits(dtype), type = writer_.type_int(from.offset.bits);
    if (from.offset.id == 0 || before == after) return memory;
    const u32 factor = std::max(before, after) / std::min(before, after);
    memory.offset.id = add(before > after ? spv::OpIMul : spv::OpUDiv, type,
                           {from.offset.id, writer_.constant(type, factor, from.offset.bits)});
    return memory;
}

u32 KernelEmitter::described_element(const Memory& memory, NodeId index, u32 lane) {
    Offset at = sum(memory.offset, offset_of(index));
    if (lane != 0) at = sum(at, {writer_.constant(writer_.type_int(at.bits), lane, at.bits), at.bits});
    return add(spv::OpAccessChain, writer_.type_pointer(memory.storage, memory.element),
               {memory.base, writer_.constant_u32(0), at.id});
}

// Several elements have no type of their own at any place: a vector of a descriptor starts at a multiple of its size.

u32 KernelEmitter::load_lanes(NodeId node, const Memory& memory, std::span<const u32> operands) {
    std::array<u32, 4> lanes{};
    const u32 count = kernel_.type(node).lanes;
    for (u32 k = 0; k < count; ++k) {
        std::vector<u32> words{described_element(memory, kernel_.operand(node, 1), k)};
        words.insert(words.end(), operands.begin(), operands.end());
        lanes[k] = add(spv::OpLoad, memory.element, words);
    }
    return add(spv::OpCompositeConstruct, type_of(node), std::span(lanes).first(count));
}

void KernelEmitter::store_lanes(NodeId node, const Memory& memory, std::span<const u32> operands) {
    const NodeId value = kernel_.operand(node, 0);
    for (u32 k = 0; k < kernel_.type(value).lanes; ++k) {
        const u32 lane = add(spv::OpCompositeExtract, memory.element, {id(value), k});
        std::vector<u32> words{described_element(memory, kernel_.operand(node, 2), k), lane};
        words.insert(words.end(), operands.begin(), operands.end());
        out_->add(spv::OpStore, words);
    }
}

} // namespace heddle::codegen::spirv
