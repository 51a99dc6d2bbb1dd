#include "ir/kernel_builder.h"

#include <heddle/error.h>

#include <bit>

namespace heddle::ir {

KernelInfo kernel_info(const Function& kernel) {
    const Attributes& attributes = kernel.module().attributes;
    const AttributesId id = kernel.attributes;
    KernelInfo result;
    const i64 target = attributes.integer(id, Key::target, -1);
    if (target < 0) throw InternalError("kernel @" + kernel.name() + " names no target");
    result.target =
        kernel.module().words[WordId{static_cast<u32>(target)}] == "gpu" ? TargetKind::gpu : TargetKind::cpu;
    result.block = static_cast<u32>(attributes.integer(id, Key::block, 1));
    result.subgroup = static_cast<u32>(attributes.integer(id, Key::subgroup, 0));
    result.index_bits = static_cast<u32>(attributes.integer(id, Key::index, 64));
    result.grain = attributes.integer(id, Key::grain, 1);
    result.fast_math = attributes.integer(id, Key::fast_math, 0) != 0;
    result.grid = attributes.dims(id, Key::grid);
    return result;
}

void set_kernel_info(Function& kernel, const KernelInfo& info) {
    Module& module = kernel.module();
    AttributeList list = module.attributes.list(kernel.attributes);
    const bool gpu = info.target == TargetKind::gpu;
    list.word(Key::target, module.words.intern(gpu ? "gpu" : "cpu")).integer(Key::index, info.index_bits);
    list.dims(Key::grid, info.grid);
    if (gpu) list.integer(Key::block, info.block);
    if (gpu && info.subgroup != 0) list.integer(Key::subgroup, info.subgroup);
    if (!gpu) list.integer(Key::grain, info.grain);
    if (info.fast_math) list.flag(Key::fast_math, true);
    kernel.attributes = module.attributes.intern(list);
}

ParameterLayout parameter_layout(const Function& kernel) {
    const u32 index_bits = kernel_info(kernel).index_bits;
    auto wide = [&](const Type& type) {
        if (type.kind == TypeKind::pointer) return true;
        if (type.kind == TypeKind::magic) return false;
        return type.dtype == Dtype::index ? index_bits == 64 : size_of(type.dtype) == 8;
    };
    const std::vector<NodeId>& parameters = kernel.parameters();
    ParameterLayout layout;
    layout.offsets.resize(parameters.size());
    for (u32 k = 0; k < parameters.size(); ++k) {
        if (!wide(kernel.type(parameters[k]))) continue;
        layout.offsets[k] = layout.bytes;
        layout.bytes += 8;
    }
    for (u32 k = 0; k < parameters.size(); ++k) {
        if (wide(kernel.type(parameters[k]))) continue;
        layout.offsets[k] = layout.bytes;
        layout.bytes += kernel.type(parameters[k]).kind == TypeKind::magic ? 8 : 4;
    }
    return layout;
}

Magic magic_of(u32 divisor) {
    if (divisor == 0) return {0, 0};
    const u32 shift = static_cast<u32>(std::bit_width(divisor - 1)); // ceil(log2 d), 0 for 1
    const u64 numerator = ((u64{1} << shift) - divisor) << 32;
    return {static_cast<u32>(numerator / divisor + 1), shift};
}

} // namespace heddle::ir
