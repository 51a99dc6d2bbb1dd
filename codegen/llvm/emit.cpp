// The frame of the emitted code: entry point, arguments, the loop over grid indices.

#include "codegen/llvm/kernel_emitter.h"
#include "passes/legalise/size_parameters.h"

#include <heddle/error.h>

#include <fmt/format.h>
#include <llvm/IR/IntrinsicsX86.h>

namespace heddle::codegen::cpu {

using namespace ir;
using ::llvm::Attribute;
using ::llvm::BasicBlock;

KernelEmitter::KernelEmitter(const ir::Function& kernel, const Target& target, ::llvm::Module& module)
    : kernel_(kernel), target_(target), info_(kernel_info(kernel)), module_(module),
      context_(module.getContext()), builder_(context_), values_(kernel.size()), written_(kernel.size()) {}

void KernelEmitter::cannot(NodeId node, std::string_view why) const {
    throw InternalError(
        fmt::format("LLVM: kernel @{}: op '{}' of {}: {}", kernel_.name(), info(kernel_.op(node)).text,
                    text(kernel_.module().types, kernel_.module().dims, kernel_[node].type), why));
}

void KernelEmitter::run() {
    find_written();
    ::llvm::Type* pointer = builder_.getPtrTy();
    ::llvm::Type* index = builder_.getInt64Ty();
    auto* type = ::llvm::FunctionType::get(builder_.getVoidTy(), {pointer, index, index, pointer}, false);
    auto* entry =
        ::llvm::Function::Create(type, ::llvm::GlobalValue::ExternalLinkage, kernel_.name(), module_);
    entry->addFnAttr(Attribute::NoUnwind);
    body_ = make_body();
    emit_body(body_);
    emit_entry(entry, body_);
}

void KernelEmitter::find_written() {
    for (u32 k = 0; k < kernel_.size(); ++k) {
        if (kernel_.op(NodeId{k}) != Op::store) continue;
        if (kernel_.has(NodeId{k}, Key::stream)) streams_ = true;
        NodeId memory = kernel_.operand(NodeId{k}, 1);
        while (kernel_.op(memory) == Op::rebase) memory = kernel_.operand(memory, 0);
        written_[memory.value] = true;
    }
}

std::vector<NodeId> KernelEmitter::scratch_arrays() const {
    std::vector<NodeId> arrays;
    for (const auto& array : passes::scratch_layout(kernel_).arrays) arrays.push_back(array.local);
    return arrays;
}

/// Arguments: the parameters (a magic is two), the arrays in scratch memory, first, last.
::llvm::Function* KernelEmitter::make_body() {
    std::vector<::llvm::Type*> types;
    std::vector<std::pair<u32, bool>> pointers; // position, written
    std::vector<bool> shared(kernel_.parameters().size());
    for (i64 position : kernel_.module().attributes.payload(kernel_.attributes, Key::inplace))
        shared.at(static_cast<std::size_t>(position)) = true;
    for (u32 k = 0; k < kernel_.parameters().size(); ++k) {
        const Type& type = kernel_.type(kernel_.parameters()[k]);
        if (type.kind == TypeKind::magic) {
            types.insert(types.end(), 2, builder_.getInt32Ty());
            continue;
        }
        const bool pointer = type.kind == TypeKind::pointer;
        if (pointer && !shared[k])
            pointers.emplace_back(static_cast<u32>(types.size()), written_[kernel_.parameters()[k].value]);
        types.push_back(pointer ? builder_.getPtrTy() : value_type(type));
    }
    for (std::size_t k = scratch_arrays().size(); k-- > 0;) {
        pointers.emplace_back(static_cast<u32>(types.size()), true);
        types.push_back(builder_.getPtrTy());
    }
    types.insert(types.end(), 2, builder_.getInt64Ty());
    auto* type = ::llvm::FunctionType::get(builder_.getVoidTy(), types, false);
    auto* body = ::llvm::Function::Create(type, ::llvm::GlobalValue::InternalLinkage,
                                          kernel_.name() + ".body", module_);
    body->addFnAttr(Attribute::NoUnwind);
    body->addFnAttr(Attribute::NoInline);
    for (auto [position, written] : pointers) {
        body->addParamAttr(position, Attribute::NoAlias);
        if (!written) body->addParamAttr(position, Attribute::ReadOnly);
    }
    return body;
}

// ---- the entry point ------------------------------------------------------------------------------------------------

KernelEmitter::Value* KernelEmitter::load_parameter(Value* block, u32 position) {
    const u32 offset = parameter_layout(kernel_).offsets[position];
    const Type& type = kernel_.type(kernel_.parameters()[position]);
    Value* place = builder_.CreateConstGEP1_32(builder_.getInt8Ty(), block, offset);
    if (type.kind == TypeKind::pointer) return builder_.CreateLoad(builder_.getPtrTy(), place);
    if (type.lanes != 1) cannot(kernel_.parameters()[position], "a parameter is a scalar");
    if (type.dtype == Dtype::index && info_.index_bits == 32)
        return builder_.CreateSExt(builder_.CreateLoad(builder_.getInt32Ty(), place), builder_.getInt64Ty());
    // Smaller scalars are widened to 4 bytes, low bytes first.
    return from_memory(builder_.CreateLoad(memory_type(type.dtype), place), type.dtype);
}

void KernelEmitter::emit_entry(::llvm::Function* entry, ::llvm::Function* body) {
    builder_.SetInsertPoint(BasicBlock::Create(context_, "entry", entry));
    Value* block = entry->getArg(0);
    block->setName("parameters");
    std::vector<Value*> arguments;
    const ParameterLayout layout = parameter_layout(kernel_);
    for (u32 k = 0; k < kernel_.parameters().size(); ++k) {
        const NodeId parameter = kernel_.parameters()[k];
        if (kernel_.type(parameter).kind == TypeKind::magic) {
            arguments.push_back(load_magic(block, layout.offsets[k]));
            arguments.push_back(load_magic(block, layout.offsets[k] + 4));
        } else {
            arguments.push_back(load_parameter(block, k));
            values_[parameter.value] = arguments.back();
        }
    }
    for (const auto& array : passes::scratch_layout(kernel_).arrays)
        arguments.push_back(
            builder_.CreateGEP(builder_.getInt8Ty(), entry->getArg(3), size_value(array.offset)));
    arguments.push_back(entry->getArg(1));
    arguments.push_back(entry->getArg(2));
    builder_.CreateCall(body, arguments);
    builder_.CreateRetVoid();
}

KernelEmitter::Value* KernelEmitter::load_magic(Value* block, u32 offset) {
    return builder_.CreateLoad(builder_.getInt32Ty(),
                               builder_.CreateConstGEP1_32(builder_.getInt8Ty(), block, offset));
}

KernelEmitter::Value* KernelEmitter::size_value(DimId size) {
    if (const auto constant = kernel_.module().dims.as_constant(size))
        return builder_.getInt64(static_cast<u64>(*constant));
    const NodeId parameter = passes::parameter_of_size(kernel_, size);
    if (!parameter.valid())
        throw InternalError(
            fmt::format("LLVM: kernel @{} has no parameter that holds {}; the pass size-parameters adds it",
                        kernel_.name(), kernel_.module().dims.text(size)));
    return values_[parameter.value];
}

// ---- the body -------------------------------------------------------------------------------------------------------

void KernelEmitter::bind_arguments(::llvm::Function* body) {
    u32 position = 0;
    for (NodeId parameter : kernel_.parameters()) {
        ::llvm::Argument* argument = body->getArg(position++);
        argument->setName(std::string(kernel_.name_of(parameter)));
        values_[parameter.value] = argument;
        if (kernel_.type(parameter).kind == TypeKind::magic)
            results_[parameter.value] = {argument, body->getArg(position++)};
    }
    for (NodeId array : scratch_arrays()) values_[array.value] = body->getArg(position++);
}

void KernelEmitter::emit_body(::llvm::Function* body) {
    builder_.SetInsertPoint(BasicBlock::Create(context_, "entry", body));
    bind_arguments(body);
    Value* last = body->getArg(static_cast<unsigned>(body->arg_size()) - 1);
    Value* first = body->getArg(static_cast<unsigned>(body->arg_size()) - 2);
    first->setName("first");
    last->setName("last");
    emit_grid(body, first, last);
    if (streams_) {
        // Stores past the caches are not ordered by what hands the results to other threads.
#if defined(__x86_64__)
        builder_.CreateIntrinsic(::llvm::Intrinsic::x86_sse_sfence, ::llvm::ArrayRef<::llvm::Type*>(),
                                 ::llvm::ArrayRef<Value*>());
#else
        builder_.CreateFence(::llvm::AtomicOrdering::SequentiallyConsistent);
#endif
    }
    builder_.CreateRetVoid();
}

void KernelEmitter::emit_grid(::llvm::Function* body, Value* first, Value* last) {
    BasicBlock* before = builder_.GetInsertBlock();
    BasicBlock* loop = BasicBlock::Create(context_, "grid", body);
    builder_.CreateBr(loop); // the range is never empty
    builder_.SetInsertPoint(loop);
    ::llvm::PHINode* flat = builder_.CreatePHI(builder_.getInt64Ty(), 2, "at");
    flat->addIncoming(first, before);
    split_grid(flat);
    emit_region(kernel_.region(kernel_.root()));
    Value* next = builder_.CreateAdd(flat, builder_.getInt64(1), "", true, true);
    flat->addIncoming(next, builder_.GetInsertBlock());
    BasicBlock* exit = BasicBlock::Create(context_, "done", body);
    builder_.CreateCondBr(builder_.CreateICmpSLT(next, last), loop, exit);
    builder_.SetInsertPoint(exit);
}

void KernelEmitter::split_grid(Value* flat) {
    for (std::size_t axis = 0; axis < info_.grid.size(); ++axis) {
        if (axis + 1 == info_.grid.size()) {
            grid_.push_back(flat);
            return;
        }
        Value* extent = size_value(info_.grid[axis]);
        Value* rest = builder_.CreateUDiv(flat, extent);
        grid_.push_back(builder_.CreateSub(flat, builder_.CreateMul(rest, extent)));
        flat = rest;
    }
}

} // namespace heddle::codegen::cpu
