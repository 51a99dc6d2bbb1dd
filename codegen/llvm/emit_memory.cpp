// Loads, stores, arrays. A vector mask makes a masked access, a scalar one a branch; an index vector gathers or scatters.

#include "codegen/llvm/kernel_emitter.h"

namespace heddle::codegen::cpu {

using namespace ir;
using ::llvm::Align;
using ::llvm::BasicBlock;

KernelEmitter::Value* KernelEmitter::to_memory(Value* value, Dtype dtype) {
    if (dtype != Dtype::boolean) return value;
    return builder_.CreateZExt(value, value->getType()->getWithNewBitWidth(8));
}

KernelEmitter::Value* KernelEmitter::from_memory(Value* value, Dtype dtype) {
    if (dtype != Dtype::boolean) return value;
    return builder_.CreateICmpNE(value, ::llvm::Constant::getNullValue(value->getType()));
}

KernelEmitter::Access KernelEmitter::access(NodeId node, NodeId memory, NodeId index, NodeId mask,
                                            const Type& value_type) {
    const Type& type = kernel_.type(memory);
    const bool scattered = lanes(index) != 1;
    if (scattered && type.lanes != 1) cannot(node, "gathers from an array of vectors");
    // An element of an array is a vector where the array says so; a pointer's is a scalar.
    ::llvm::Type* element =
        with_lanes(memory_type(type.dtype), type.kind == TypeKind::array ? type.lanes : 1);
    const i64 aligned = kernel_.integer(node, Key::align, static_cast<i64>(size_of(type.dtype)));
    Access result{builder_.CreateGEP(element, value(memory), value(index)),
                  with_lanes(memory_type(type.dtype), value_type.lanes), Align(static_cast<u64>(aligned)),
                  mask, scattered};
    return result;
}

// ---- loads ----------------------------------------------------------------------------------------------------------

KernelEmitter::Value* KernelEmitter::load_plain(const Access& access) {
    if (access.scattered) return builder_.CreateMaskedGather(access.type, access.place, access.align);
    return builder_.CreateAlignedLoad(access.type, access.place, access.align);
}

KernelEmitter::Value* KernelEmitter::load_masked(const Access& access, Value* mask, Value* otherwise) {
    if (access.scattered)
        return builder_.CreateMaskedGather(access.type, access.place, access.align, mask, otherwise);
    return builder_.CreateMaskedLoad(access.type, access.place, access.align, mask, otherwise);
}

KernelEmitter::Value* KernelEmitter::load_branching(const Access& access, Value* condition,
                                                    Value* otherwise) {
    BasicBlock* before = builder_.GetInsertBlock();
    BasicBlock* inside = new_block("load");
    BasicBlock* after = new_block("loaded");
    builder_.CreateCondBr(condition, inside, after);
    builder_.SetInsertPoint(inside);
    Value* loaded = load_plain(access);
    builder_.CreateBr(after);
    builder_.SetInsertPoint(after);
    ::llvm::PHINode* result = builder_.CreatePHI(access.type, 2);
    result->addIncoming(loaded, inside);
    result->addIncoming(otherwise, before);
    return result;
}

KernelEmitter::Value* KernelEmitter::emit_load(NodeId node) {
    const std::span<const NodeId> operands = kernel_.operands(node);
    const Type& type = kernel_.type(node);
    const NodeId mask = operands.size() == 4 ? operands[2] : NodeId{};
    const Access place = access(node, operands[0], operands[1], mask, type);
    if (!mask.valid()) return from_memory(load_plain(place), type.dtype);
    Value* otherwise = to_memory(value(operands[3], type.lanes), type.dtype);
    Value* condition = value(mask);
    Value* loaded = lanes(mask) == 1 ? load_branching(place, condition, otherwise)
                                     : load_masked(place, condition, otherwise);
    return from_memory(loaded, type.dtype);
}

// ---- stores ---------------------------------------------------------------------------------------------------------

void KernelEmitter::store_plain(NodeId node, const Access& access, Value* stored) {
    if (access.scattered) {
        builder_.CreateMaskedScatter(stored, access.place, access.align);
        return;
    }
    const u64 bytes = module_.getDataLayout().getTypeStoreSize(access.type);
    if (kernel_.has(node, Key::stream) && bytes >= 16) return store_streamed(access, stored, bytes);
    builder_.CreateAlignedStore(stored, access.place, access.align);
}

/// Past the caches, which saves reading the lines first. The machine's instruction wants whole aligned registers (LLVM would take
/// anything less apart into scalars), so unless that is known the address is looked at; the branch always goes one way.
void KernelEmitter::store_streamed(const Access& access, Value* stored, u64 bytes) {
    const u64 wanted = std::min<u64>(bytes, target_.vector_bytes);
    const bool known = access.align.value() >= wanted;
    BasicBlock* after = known ? nullptr : new_block("stored");
    if (!known) {
        Value* low =
            builder_.CreateAnd(builder_.CreatePtrToInt(access.place, builder_.getInt64Ty()), wanted - 1);
        BasicBlock* aligned = new_block("aligned");
        BasicBlock* unaligned = new_block("unaligned");
        builder_.CreateCondBr(builder_.CreateICmpEQ(low, builder_.getInt64(0)), aligned, unaligned);
        builder_.SetInsertPoint(unaligned);
        builder_.CreateAlignedStore(stored, access.place, access.align);
        builder_.CreateBr(after);
        builder_.SetInsertPoint(aligned);
    }
    ::llvm::StoreInst* store =
        builder_.CreateAlignedStore(stored, access.place, Align(std::max(wanted, access.align.value())));
    auto* one = ::llvm::ConstantAsMetadata::get(builder_.getInt32(1));
    store->setMetadata(::llvm::LLVMContext::MD_nontemporal, ::llvm::MDNode::get(context_, {one}));
    if (known) return;
    builder_.CreateBr(after);
    builder_.SetInsertPoint(after);
}

void KernelEmitter::emit_store(NodeId node) {
    const std::span<const NodeId> operands = kernel_.operands(node);
    const Type& type = kernel_.type(operands[0]);
    const NodeId mask = operands.size() == 4 ? operands[3] : NodeId{};
    const u32 width = std::max<u32>(type.lanes, lanes(operands[2]));
    const Access place = access(node, operands[1], operands[2], mask, type);
    Value* stored = to_memory(value(operands[0], width), type.dtype);
    if (!mask.valid()) return store_plain(node, place, stored);
    if (lanes(mask) != 1) {
        if (place.scattered)
            builder_.CreateMaskedScatter(stored, place.place, place.align, value(mask));
        else
            builder_.CreateMaskedStore(stored, place.place, place.align, value(mask));
        return;
    }
    BasicBlock* inside = new_block("store");
    BasicBlock* after = new_block("stored");
    builder_.CreateCondBr(value(mask), inside, after);
    builder_.SetInsertPoint(inside);
    store_plain(node, place, stored);
    builder_.CreateBr(after);
    builder_.SetInsertPoint(after);
}

// ---- arrays ---------------------------------------------------------------------------------------------------------

/// Arrays in scratch memory are arguments already; the others lie on the stack, once a call.
void KernelEmitter::emit_local(NodeId node) {
    if (values_[node.value] != nullptr) return;
    const Type& type = kernel_.type(node);
    const auto count = kernel_.module().dims.as_constant(type.count);
    if (!count) cannot(node, "its size is not constant and it has no place in scratch memory");
    const ::llvm::IRBuilderBase::InsertPointGuard guard(builder_);
    builder_.SetInsertPoint(&body_->getEntryBlock(), body_->getEntryBlock().begin());
    ::llvm::Type* element = with_lanes(memory_type(type.dtype), type.lanes);
    ::llvm::AllocaInst* array =
        builder_.CreateAlloca(::llvm::ArrayType::get(element, static_cast<u64>(*count)));
    array->setAlignment(Align(64));
    values_[node.value] = array;
}

KernelEmitter::Value* KernelEmitter::emit_memory(NodeId node) {
    const Op op = kernel_.op(node);
    if (op == Op::load) return emit_load(node);
    if (op == Op::rebase) {
        const NodeId pointer = kernel_.operand(node, 0);
        return builder_.CreateGEP(memory_type(kernel_.dtype(pointer)), value(pointer),
                                  value(kernel_.operand(node, 1)));
    }
    if (op == Op::store)
        emit_store(node);
    else if (op == Op::local)
        emit_local(node);
    else
        cannot(node, "not on a CPU");
    return values_[node.value];
}

} // namespace heddle::codegen::cpu
