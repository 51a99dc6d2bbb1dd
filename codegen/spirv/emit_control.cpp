// Regions as structured control flow, positions, and what happens between invocations.

#include "codegen/spirv/kernel_emitter.h"

#include <heddle/error.h>

#include <array>

namespace heddle::codegen::spirv {

using ir::Key;
using ir::Op;
using ir::OpKind;

void KernelEmitter::open_block(u32 label) {
    out_->add(spv::OpLabel, {label});
    block_ = label;
}

void KernelEmitter::branch(u32 label) { out_->add(spv::OpBranch, {label}); }

void KernelEmitter::emit_region(const ir::Region& region) {
    for (NodeId node : region.body) emit_node(node);
}

void KernelEmitter::emit_node(NodeId node) {
    const Op op = kernel_.op(node);
    switch (ir::info(op).kind) {
    case OpKind::elementwise:
    case OpKind::predicate: ids_[node.value] = emit_row(node); return;
    case OpKind::choice: ids_[node.value] = emit_select(node); return;
    case OpKind::convert:
        if (kernel_.type(node).kind == ir::TypeKind::pointer) return emit_pointer_cast(node);
        ids_[node.value] = op == Op::cast ? emit_cast(node) : emit_bitcast(node);
        return;
    case OpKind::creation:
        if (op != Op::constant) break;
        ids_[node.value] =
            constant(kernel_.dtype(node), static_cast<u64>(kernel_.payload(node, Key::value)[0]));
        return;
    case OpKind::special:
        if (op == Op::result)
            ids_[node.value] = results_.at(kernel_.operand(node, 0).value)
                                   .at(static_cast<std::size_t>(kernel_.integer(node, Key::at)));
        return;
    case OpKind::index_math:
        if (op == Op::divmod) return emit_divmod(node);
        if (op != Op::lanes) break;
        ids_[node.value] = emit_lanes(node);
        return;
    case OpKind::vector: ids_[node.value] = emit_vector(node); return;
    case OpKind::position: ids_[node.value] = emit_position(node); return;
    case OpKind::memory:
        if (op == Op::load)
            ids_[node.value] = emit_load(node);
        else if (op == Op::store)
            emit_store(node);
        else if (op == Op::await)
            ids_[node.value] = emit_await(node);
        else if (op == Op::publish)
            emit_publish(node);
        else
            emit_memory(node);
        return;
    case OpKind::control: return emit_control(node);
    case OpKind::synchronise: return emit_synchronise(node);
    case OpKind::movement:
    case OpKind::reduction:
    case OpKind::contraction:
    case OpKind::access:
    case OpKind::custom: break;
    }
    cannot(node, "does not occur in a legalised kernel");
}

// ---- positions ------------------------------------------------------------------------------------------------------

u32 KernelEmitter::emit_position(NodeId node) {
    const u32 word = writer_.type_int(32);
    auto built_in = [&](spv::BuiltIn which) {
        return add(spv::OpLoad, word, {writer_.builtin(which, word)});
    };
    auto subgroup = [&](spv::BuiltIn which) {
        writer_.need(spv::CapabilityGroupNonUniform);
        return built_in(which);
    };
    u32 value = 0;
    const Op op = kernel_.op(node);
    if (op == Op::grid_index) {
        const u32 triple = writer_.type_vector(word, 3);
        const u32 all = add(spv::OpLoad, triple, {writer_.builtin(spv::BuiltInWorkgroupId, triple)});
        value = add(spv::OpCompositeExtract, word, {all, static_cast<u32>(kernel_.integer(node, Key::at))});
    } else if (op == Op::subgroup_index) {
        value = subgroup(spv::BuiltInSubgroupId);
    } else if (op == Op::lane_index) {
        value = subgroup(spv::BuiltInSubgroupLocalInvocationId);
    } else if (info_.subgroup >
               1) { // Vulkan ties the local index to no lane, so thread_index is defined by them
        const u32 scaled =
            add(spv::OpIMul, word, {subgroup(spv::BuiltInSubgroupId), writer_.constant_u32(info_.subgroup)});
        value = add(spv::OpIAdd, word, {scaled, subgroup(spv::BuiltInSubgroupLocalInvocationId)});
    } else {
        value = built_in(spv::BuiltInLocalInvocationIndex);
    }
    return info_.index_bits == 32 ? value : add(spv::OpUConvert, scalar_type(Dtype::index), {value});
}

// ---- loops and conditions -------------------------------------------------------------------------------------------

void KernelEmitter::emit_control(NodeId node) {
    if (kernel_.op(node) == Op::for_loop) return emit_for(node);
    if (kernel_.op(node) == Op::if_then) return emit_if(node);
    cannot(node, "is not emitted yet");
}

/// header: phis, the test; body; continue: the next index; merge. Carried values have their last values in the header's phis.
void KernelEmitter::emit_for(NodeId node) {
    const ir::Region& region = kernel_.region(node, 0);
    const std::span<const NodeId> operands = kernel_.operands(node);
    const u32 index_type = scalar_type(Dtype::index);
    const u32 low = id(operands[0]), high = id(operands[1]), step = id(operands[2]);
    std::vector<u32> initial, next;
    for (NodeId value : operands.subspan(3)) initial.push_back(id(value));
    const u32 before = block_, header = writer_.fresh(), body = writer_.fresh(), again = writer_.fresh(),
              merge = writer_.fresh();
    const u32 next_index = writer_.fresh();
    branch(header);
    open_block(header);
    const u32 index = add(spv::OpPhi, index_type, {low, before, next_index, again});
    ids_[region.parameters[0].value] = index;
    // The ids that come round are known only after the body, so the phis are written when it is.
    Section* const outer = out_;
    Section inside;
    std::vector<u32> phis;
    for (std::size_t k = 0; k < initial.size(); ++k) {
        phis.push_back(writer_.fresh());
        ids_[region.parameters[k + 1].value] = phis.back();
    }
    out_ = &inside;
    const u32 more = add(spv::OpSLessThan, writer_.type_bool(), {index, high});
    out_->add(spv::OpLoopMerge, {merge, again, spv::LoopControlMaskNone});
    out_->add(spv::OpBranchConditional, {more, body, merge});
    open_block(body);
    emit_region(region);
    branch(again);
    open_block(again);
    const u32 words[] = {index_type, next_index, index, step};
    out_->add(spv::OpIAdd, words);
    branch(header);
    for (NodeId yield : region.yields) next.push_back(id(yield));
    out_ = outer;
    for (std::size_t k = 0; k < phis.size(); ++k) {
        const u32 phi[] = {type_of(operands[k + 3]), phis[k], initial[k], before, next[k], again};
        out_->add(spv::OpPhi, phi);
    }
    out_->append(inside);
    open_block(merge);
    if (phis.size() == 1) ids_[node.value] = phis[0];
    results_[node.value] = std::move(phis);
}

void KernelEmitter::emit_if(NodeId node) {
    const u32 regions = kernel_[node].region_count;
    const u32 condition = id(kernel_.operand(node, 0));
    const u32 yes = writer_.fresh(), merge = writer_.fresh(), no = regions == 2 ? writer_.fresh() : merge;
    out_->add(spv::OpSelectionMerge, {merge, spv::SelectionControlMaskNone});
    out_->add(spv::OpBranchConditional, {condition, yes, no});
    std::array<u32, 2> ends{};
    std::array<std::vector<u32>, 2> values;
    for (u32 k = 0; k < regions; ++k) {
        open_block(k == 0 ? yes : no);
        emit_region(kernel_.region(node, k));
        for (NodeId yield : kernel_.region(node, k).yields) values[k].push_back(id(yield));
        ends[k] = block_;
        branch(merge);
    }
    open_block(merge);
    std::vector<u32> results;
    for (std::size_t k = 0; k < values[0].size(); ++k) {
        const u32 type = type_of(kernel_.region(node, 0).yields[k]);
        results.push_back(add(spv::OpPhi, type, {values[0][k], ends[0], values[1][k], ends[1]}));
    }
    if (results.size() == 1) ids_[node.value] = results[0];
    results_[node.value] = std::move(results);
}

// ---- between invocations --------------------------------------------------------------------------------------------

void KernelEmitter::emit_barrier(NodeId node) {
    const ir::Words& words = kernel_.module().words;
    u32 semantics = 0;
    for (i64 word : kernel_.payload(node, Key::memory))
        semantics |= words[ir::WordId{static_cast<u32>(word)}] == "global"
                         ? spv::MemorySemanticsUniformMemoryMask
                         : spv::MemorySemanticsWorkgroupMemoryMask;
    if (semantics != 0)
        semantics |= spv::MemorySemanticsAcquireReleaseMask | spv::MemorySemanticsMakeAvailableMask |
                     spv::MemorySemanticsMakeVisibleMask;
    const bool subgroup =
        words[ir::WordId{static_cast<u32>(kernel_.integer(node, Key::scope))}] == "subgroup";
    if (subgroup) writer_.need(spv::CapabilityGroupNonUniform);
    const u32 scope = writer_.constant_u32(subgroup ? spv::ScopeSubgroup : spv::ScopeWorkgroup);
    out_->add(spv::OpControlBarrier, {scope, scope, writer_.constant_u32(semantics)});
}

u32 KernelEmitter::emit_subgroup(NodeId node) {
    const u32 value = id(kernel_.operand(node, 0)), scope = writer_.constant_u32(spv::ScopeSubgroup);
    if (kernel_.op(node) == Op::subgroup_shuffle_xor) {
        writer_.need(spv::CapabilityGroupNonUniformShuffle);
        const u32 mask = writer_.constant_u32(static_cast<u32>(kernel_.integer(node, Key::mask)));
        return add(spv::OpGroupNonUniformShuffleXor, type_of(node), {scope, value, mask});
    }
    if (kernel_.op(node) == Op::subgroup_broadcast) {
        writer_.need(spv::CapabilityGroupNonUniformBallot);
        const u32 lane = writer_.constant_u32(static_cast<u32>(kernel_.integer(node, Key::lane)));
        return add(spv::OpGroupNonUniformBroadcast, type_of(node), {scope, value, lane});
    }
    cannot(node, "has no instruction; the pass expand-reduce rewrites it");
}

/// Atomic accesses without an order of their own: what is published lies in the word itself.
u32 KernelEmitter::published_word(NodeId node, u32 operand) {
    const Memory& memory = memory_.at(kernel_.operand(node, operand).value);
    if (memory.storage != spv::StorageClassPhysicalStorageBuffer)
        cannot(node, "needs a buffer with an address");
    writer_.need(spv::CapabilityVulkanMemoryModelDeviceScope);
    if (bits(memory.dtype) == 64) writer_.need(spv::CapabilityInt64Atomics);
    return element_pointer(node, memory, kernel_.operand(node, operand + 1), 1);
}

void KernelEmitter::emit_publish(NodeId node) {
    const u32 words[] = {published_word(node, 1), writer_.constant_u32(spv::ScopeDevice),
                         writer_.constant_u32(spv::MemorySemanticsMaskNone), id(kernel_.operand(node, 0))};
    out_->add(spv::OpAtomicStore, words);
}

/// header: the number of this try; body: the read, and whether it was the last; merge.
u32 KernelEmitter::emit_await(NodeId node) {
    const u32 pointer = published_word(node, 0), word = writer_.type_int(32), flag = writer_.type_bool();
    const u32 before = block_, header = writer_.fresh(), body = writer_.fresh(), again = writer_.fresh(),
              merge = writer_.fresh(), next = writer_.fresh();
    branch(header);
    open_block(header);
    const u32 tried = add(spv::OpPhi, word, {writer_.constant_u32(0), before, next, again});
    out_->add(spv::OpLoopMerge, {merge, again, spv::LoopControlMaskNone});
    branch(body);
    open_block(body);
    const u32 value = add(spv::OpAtomicLoad, type_of(node),
                          {pointer, writer_.constant_u32(spv::ScopeDevice),
                           writer_.constant_u32(spv::MemorySemanticsMaskNone)});
    const u32 found = add(spv::OpINotEqual, flag, {value, constant(kernel_.dtype(node), 0)});
    const u32 one_more[] = {word, next, tried, writer_.constant_u32(1)};
    out_->add(spv::OpIAdd, one_more);
    const u32 tries = writer_.constant_u32(static_cast<u32>(kernel_.integer(node, Key::tries)));
    const u32 last = add(spv::OpUGreaterThanEqual, flag, {next, tries});
    out_->add(spv::OpBranchConditional, {add(spv::OpLogicalOr, flag, {found, last}), merge, again});
    open_block(again);
    branch(header);
    open_block(merge);
    return value;
}

void KernelEmitter::emit_synchronise(NodeId node) {
    if (kernel_.op(node) == Op::barrier) return emit_barrier(node);
    ids_[node.value] = emit_subgroup(node);
}

} // namespace heddle::codegen::spirv
