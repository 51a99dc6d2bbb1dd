// Buffers and arrays. Without addresses see emit_descriptors.cpp. A buffer pointer points to struct { T[] }; an access is a chain to its first element, and, for vectors,
// that pointer cast to one to struct { V[] }, which asks no more of the index than the access' own alignment.

#include "codegen/spirv/kernel_emitter.h"

#include <heddle/error.h>

#include <fmt/format.h>

namespace heddle::codegen::spirv {

using ir::Key;
using ir::Op;

/// In buffers a bool is a byte; nothing else differs from the value's type.
u32 KernelEmitter::memory_element(Dtype dtype) {
    const u32 width = bits(dtype);
    if (width == 8 && !target_.has_8bit_storage) refuse(dtype, "8-bit storage");
    if (width == 16 && !target_.has_16bit_storage) refuse(dtype, "16-bit storage");
    // Without arithmetic a validator lets no pointer to narrow data be cast, and takes a push constant that points
    // to it for a narrow push constant; so storage alone is not enough.
    check_arithmetic(dtype == Dtype::boolean ? Dtype::u8 : dtype);
    if (width == 8) writer_.need(spv::CapabilityStorageBuffer8BitAccess);
    if (width == 16) writer_.need(spv::CapabilityStorageBuffer16BitAccess);
    return dtype == Dtype::boolean ? writer_.type_int(8) : scalar_type(dtype);
}

u32 KernelEmitter::buffer_pointer_type(Dtype dtype, bool read_only) {
    const u32 block = writer_.type_buffer(memory_element(dtype), bits(dtype) / 8, read_only);
    return writer_.type_pointer(spv::StorageClassPhysicalStorageBuffer, block);
}

KernelEmitter::Memory KernelEmitter::buffer(u32 pointer, Dtype dtype, bool read_only) {
    return {.base = pointer,
            .element = memory_element(dtype),
            .storage = spv::StorageClassPhysicalStorageBuffer,
            .read_only = read_only,
            .dtype = dtype};
}

u32 KernelEmitter::element_pointer(NodeId node, const Memory& memory, NodeId index, u32 lanes) {
    const bool is_buffer = memory.is_buffer();
    if (kernel_.type(index).lanes != 1)
        cannot(node, "has a vector of indices; the pass lower-predicates takes it apart");
    if (memory.storage == spv::StorageClassStorageBuffer) return described_element(memory, index, 0);
    const u32 pointer = writer_.type_pointer(memory.storage, memory.element), at = id(index);
    const u32 element = is_buffer
                            ? add(spv::OpAccessChain, pointer, {memory.base, writer_.constant_u32(0), at})
                            : add(spv::OpAccessChain, pointer, {memory.base, at});
    if (lanes == memory.lanes) return element;
    if (!is_buffer)
        cannot(node, "takes several elements of an array at once; the pass split-vectors takes it apart");
    // Through a block again, since it is the block that says that nobody writes there: what a driver may keep near depends on it.
    const u32 vector = writer_.type_vector(memory.element, lanes);
    const u32 block = writer_.type_buffer(vector, lanes * bits(memory.dtype) / 8, memory.read_only);
    const u32 first = writer_.constant_u32(0);
    const u32 there = add(spv::OpBitcast, writer_.type_pointer(memory.storage, block), {element});
    return add(spv::OpAccessChain, writer_.type_pointer(memory.storage, vector), {there, first, first});
}

/// The memory operands of a load or store: the mask, then what its bits ask for.
std::vector<u32> KernelEmitter::access_operands(NodeId node, const Memory& memory, u32, bool store) {
    u32 mask = spv::MemoryAccessMaskNone;
    std::vector<u32> operands;
    const bool is_buffer = memory.is_buffer();
    const bool visible = kernel_.has(node, Key::visible);
    if (memory.storage == spv::StorageClassPhysicalStorageBuffer) {
        mask |= spv::MemoryAccessAlignedMask;
        operands.push_back(static_cast<u32>(kernel_.integer(node, Key::align, bits(memory.dtype) / 8)));
    }
    if (kernel_.has(node, Key::stream)) mask |= spv::MemoryAccessNontemporalMask;
    if (memory.storage == spv::StorageClassWorkgroup || (is_buffer && (visible || orders_global_)))
        mask |= spv::MemoryAccessNonPrivatePointerMask;
    if (visible && is_buffer) {
        writer_.need(spv::CapabilityVulkanMemoryModelDeviceScope);
        mask |= store ? spv::MemoryAccessMakePointerAvailableMask : spv::MemoryAccessMakePointerVisibleMask;
        operands.push_back(writer_.constant_u32(spv::ScopeDevice));
    }
    if (mask != 0) operands.insert(operands.begin(), mask);
    return operands;
}

u32 KernelEmitter::emit_load(NodeId node) {
    const Memory& memory = memory_.at(kernel_.operand(node, 0).value);
    if (kernel_.operands(node).size() > 2)
        cannot(node, "has a mask; the pass lower-predicates makes a branch of it");
    const u32 lanes = kernel_.type(node).lanes;
    std::vector<u32> operands = access_operands(node, memory, lanes, false);
    if (lanes > 1 && memory.storage == spv::StorageClassStorageBuffer)
        return load_lanes(node, memory, operands);
    operands.insert(operands.begin(), element_pointer(node, memory, kernel_.operand(node, 1), lanes));
    return add(spv::OpLoad, type_of(node), operands);
}

void KernelEmitter::emit_store(NodeId node) {
    const Memory& memory = memory_.at(kernel_.operand(node, 1).value);
    if (kernel_.operands(node).size() > 3)
        cannot(node, "has a mask; the pass lower-predicates makes a branch of it");
    const NodeId value = kernel_.operand(node, 0);
    const u32 lanes = kernel_.type(value).lanes;
    std::vector<u32> operands = access_operands(node, memory, lanes, true);
    if (lanes > 1 && memory.storage == spv::StorageClassStorageBuffer)
        return store_lanes(node, memory, operands);
    const u32 pointer = element_pointer(node, memory, kernel_.operand(node, 2), lanes);
    operands.insert(operands.begin(), {pointer, id(value)});
    out_->add(spv::OpStore, operands);
}

/// A pointer to the same bytes as elements of another dtype.
void KernelEmitter::emit_pointer_cast(NodeId node) {
    const Memory from = memory_.at(kernel_.operand(node, 0).value);
    const Dtype dtype = kernel_.dtype(node);
    if (from.storage == spv::StorageClassStorageBuffer) {
        memory_[node.value] = described_as(from, dtype);
        return;
    }
    const u32 type = buffer_pointer_type(dtype, from.read_only);
    const bool same = type == buffer_pointer_type(from.dtype, from.read_only);
    const u32 pointer = same ? from.base : add(spv::OpBitcast, type, {from.base});
    memory_[node.value] = buffer(pointer, dtype, from.read_only);
}

void KernelEmitter::emit_memory(NodeId node) {
    const Op op = kernel_.op(node);
    const ir::Type& type = kernel_.type(node);
    if (op == Op::rebase) {
        const Memory from = memory_.at(kernel_.operand(node, 0).value);
        if (from.storage == spv::StorageClassStorageBuffer) {
            memory_[node.value] = moved(from, kernel_.operand(node, 1));
            return;
        }
        const u32 element = element_pointer(node, from, kernel_.operand(node, 1), 1);
        const u32 pointer = add(spv::OpBitcast, buffer_pointer_type(from.dtype, from.read_only), {element});
        memory_[node.value] = buffer(pointer, from.dtype, from.read_only);
        return;
    }
    const auto count = kernel_.module().dims.as_constant(type.count);
    if (!count) cannot(node, "has no constant size");
    if (type.lanes > 4) cannot(node, "has wide elements; the pass split-vectors takes them apart");
    const u32 element = writer_.type_vector(scalar_type(type.dtype), type.lanes);
    const u32 array = writer_.type_array(element, static_cast<u32>(*count));
    Memory memory{.element = element, .dtype = type.dtype, .lanes = type.lanes};
    if (op == Op::shared) {
        memory.storage = spv::StorageClassWorkgroup;
        memory.base = writer_.variable(memory.storage, array);
        shared_bytes_ += static_cast<u32>(*count) * type.lanes * bits(type.dtype) / 8;
    } else {
        memory.base = writer_.fresh();
        const u32 pointer = writer_.type_pointer(memory.storage, array);
        variables_.add(spv::OpVariable, {pointer, memory.base, spv::StorageClassFunction});
    }
    memory_[node.value] = memory;
}

} // namespace heddle::codegen::spirv
