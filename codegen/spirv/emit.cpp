#include "codegen/spirv/emit.h"

#include "codegen/spirv/kernel_emitter.h"

#include <heddle/error.h>

#include <algorithm>
#include <fmt/format.h>

namespace heddle::codegen::spirv {
namespace {

WriterOptions options_of(const ir::Target& target) {
    return {.int8 = target.has_i8_arithmetic,
            .int16 = target.has_i16_arithmetic,
            .float16 = target.has_f16_arithmetic,
            .special = target.preserves_special,
            .subnormals = target.preserves_subnormals,
            .round_to_even = target.rounds_to_even};
}

/// The parameter that a pointer comes from, through rebase and bitcast.
ir::NodeId root_of(const ir::Function& kernel, ir::NodeId pointer) {
    while (kernel.op(pointer) == ir::Op::rebase || kernel.op(pointer) == ir::Op::bitcast)
        pointer = kernel.operand(pointer, 0);
    return pointer;
}

} // namespace

KernelEmitter::KernelEmitter(const ir::Function& kernel, const ir::Target& target)
    : kernel_(kernel), target_(target), info_(ir::kernel_info(kernel)), writer_(options_of(target)),
      ids_(kernel.size()), written_(kernel.size()), used_(kernel.size()) {}

void KernelEmitter::cannot(NodeId node, std::string_view why) const {
    throw InternalError(
        fmt::format("SPIR-V: kernel @{}: op '{}' {}", kernel_.name(), ir::info(kernel_.op(node)).text, why));
}

/// Which parameters are read at all, through which pointers the kernel stores, whether blocks order their global accesses.
void KernelEmitter::scan() {
    for (u32 k = 0; k < kernel_.size(); ++k) {
        const NodeId node{k};
        for (NodeId operand : kernel_.operands(node))
            if (kernel_.op(operand) == ir::Op::parameter) used_[operand.value] = true;
        for (u32 r = 0; r < kernel_[node].region_count; ++r)
            for (NodeId yield : kernel_.region(node, r).yields) used_[yield.value] = true;
        if (kernel_.op(node) == ir::Op::store || kernel_.op(node) == ir::Op::publish)
            written_[root_of(kernel_, kernel_.operand(node, 1)).value] = true;
        if (kernel_.op(node) == ir::Op::barrier)
            for (i64 word : kernel_.payload(node, ir::Key::memory))
                orders_global_ |= kernel_.module().words[ir::WordId{static_cast<u32>(word)}] == "global";
    }
}

// ---- arguments ------------------------------------------------------------------------------------------------------

/// A pointer to the argument block: the push constants themselves, what their only member points to, or, without addresses, the
/// binding behind those of the pointers.
u32 KernelEmitter::argument_pointer(std::span<const u32> members, std::span<const u32> offsets) {
    const u32 block = writer_.type_block(members, offsets);
    if (arguments_in_ == spv::StorageClassPushConstant) return writer_.variable(arguments_in_, block);
    if (arguments_in_ == spv::StorageClassStorageBuffer) return descriptor_variable(pointer_count(), block);
    const u32 pointer = writer_.type_pointer(spv::StorageClassPhysicalStorageBuffer, block);
    const u32 zero_offset = 0;
    const u32 outer = writer_.type_block(std::span(&pointer, 1), std::span(&zero_offset, 1));
    const u32 variable = writer_.variable(spv::StorageClassPushConstant, outer);
    const u32 at = add(spv::OpAccessChain, writer_.type_pointer(spv::StorageClassPushConstant, pointer),
                       {variable, writer_.constant_u32(0)});
    return add(spv::OpLoad, pointer, {at});
}

u32 KernelEmitter::load_argument(u32 block, u32 member, u32 type, u32 bytes) {
    const u32 at = add(spv::OpAccessChain, writer_.type_pointer(arguments_in_, type),
                       {block, writer_.constant_u32(member)});
    if (arguments_in_ != spv::StorageClassPhysicalStorageBuffer) return add(spv::OpLoad, type, {at});
    return add(spv::OpLoad, type, {at, spv::MemoryAccessAlignedMask, bytes});
}

u32 KernelEmitter::pointer_count() const {
    return static_cast<u32>(std::ranges::count_if(kernel_.parameters(), [&](NodeId parameter) {
        return kernel_.type(parameter).kind == ir::TypeKind::pointer;
    }));
}

/// Scalars below 32 bits lie in the low bits of a 32-bit field.
u32 KernelEmitter::widened_argument(u32 raw, Dtype dtype) {
    const u32 width = bits(dtype);
    if (dtype == Dtype::boolean)
        return add(spv::OpINotEqual, writer_.type_bool(), {raw, writer_.constant_u32(0)});
    if (width == 32) return raw;
    const u32 narrow = add(spv::OpUConvert, writer_.type_int(width), {raw});
    return dtype == Dtype::f16 ? add(spv::OpBitcast, scalar_type(dtype), {narrow}) : narrow;
}

void KernelEmitter::emit_parameters(u32 block) {
    u32 member = 0, binding = 0;
    for (NodeId parameter : kernel_.parameters()) {
        const ir::Type& type = kernel_.type(parameter);
        const u32 first = member;
        member += type.kind == ir::TypeKind::magic ? 2 : 1;
        const u32 bound = type.kind == ir::TypeKind::pointer ? binding++ : 0;
        if (!used_[parameter.value]) continue;
        if (type.kind == ir::TypeKind::pointer) {
            const bool read_only = !written_[parameter.value];
            memory_[parameter.value] =
                target_.buffer_addresses
                    ? buffer(load_argument(block, first, buffer_pointer_type(type.dtype, read_only), 8),
                             type.dtype, read_only)
                    : described_parameter(bound, type.dtype, read_only,
                                          load_argument(block, first, writer_.type_int(32), 4));
        } else if (type.kind == ir::TypeKind::magic) {
            const u32 word = writer_.type_int(32);
            results_[parameter.value] = {load_argument(block, first, word, 4),
                                         load_argument(block, first + 1, word, 4)};
        } else {
            const u32 width = bits(type.dtype);
            const u32 raw_type = width < 32 ? writer_.type_int(32) : scalar_type(type.dtype);
            const u32 raw = load_argument(block, first, raw_type, std::max(width, 32u) / 8);
            ids_[parameter.value] = width < 32 ? widened_argument(raw, type.dtype) : raw;
        }
    }
}

void KernelEmitter::emit_arguments() {
    const ir::ParameterLayout layout = ir::parameter_layout(kernel_);
    std::vector<u32> members, offsets;
    for (u32 k = 0; k < kernel_.parameters().size(); ++k) {
        const ir::Type& type = kernel_.type(kernel_.parameters()[k]);
        const u32 offset = layout.offsets[k];
        offsets.push_back(offset);
        if (type.kind == ir::TypeKind::pointer) {
            members.push_back(target_.buffer_addresses
                                  ? buffer_pointer_type(type.dtype, !written_[kernel_.parameters()[k].value])
                                  : writer_.type_int(32));
        } else if (type.kind == ir::TypeKind::magic) {
            offsets.push_back(offset + 4);
            members.insert(members.end(), 2, writer_.type_int(32));
        } else {
            members.push_back(bits(type.dtype) < 32 ? writer_.type_int(32) : scalar_type(type.dtype));
        }
    }
    if (members.empty()) return;
    if (layout.bytes > target_.max_parameter_bytes)
        arguments_in_ = target_.buffer_addresses ? spv::StorageClassPhysicalStorageBuffer
                                                 : spv::StorageClassStorageBuffer;
    emit_parameters(argument_pointer(members, offsets));
}

// ---- the module -----------------------------------------------------------------------------------------------------

Artifact KernelEmitter::run() {
    if (info_.target != ir::TargetKind::gpu)
        throw InternalError("SPIR-V: kernel @" + kernel_.name() + " is not for a GPU");
    if (info_.index_bits == 64 && !target_.has_i64)
        throw DeviceError(
            fmt::format("kernel @{} needs indices of 64 bits for its sizes: {} has no 64-bit integers",
                        kernel_.name(), target_.name.empty() ? "the device" : target_.name));
    writer_.need(spv::CapabilityShader);
    writer_.need(spv::CapabilityVulkanMemoryModel);
    if (target_.buffer_addresses) writer_.need(spv::CapabilityPhysicalStorageBufferAddresses);
    scan();

    const u32 nothing = writer_.type_void(), entry = writer_.fresh(), label = writer_.fresh();
    const u32 signature = writer_.type_function(nothing);
    out_ = &prologue_;
    emit_arguments();
    out_ = &code_;
    block_ = label;
    emit_region(kernel_.region(kernel_.root()));

    Section function;
    function.add(spv::OpFunction, {nothing, entry, spv::FunctionControlMaskNone, signature});
    function.add(spv::OpLabel, {label});
    function.append(variables_);
    function.append(prologue_);
    function.append(code_);
    function.add(spv::OpReturn, {});
    function.add(spv::OpFunctionEnd, {});

    Artifact artifact;
    artifact.name = kernel_.name();
    artifact.code = writer_.finish(artifact.name, entry, info_.block, function);
    artifact.pointer_count = pointer_count();
    artifact.parameter_bytes = ir::parameter_layout(kernel_).bytes;
    artifact.block = info_.block;
    artifact.subgroup = info_.subgroup;
    artifact.shared_bytes = shared_bytes_;
    return artifact;
}

Artifact emit(const ir::Function& kernel, const ir::Target& target) {
    return KernelEmitter(kernel, target).run();
}

} // namespace heddle::codegen::spirv
