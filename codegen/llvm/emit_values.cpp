// Types, constants, arithmetic. In registers bool is i1, in memory a byte; bf16 is an i16 throughout, because its conversions
// are integer arithmetic (passes/legalise); an index is an i64.

#include "codegen/llvm/instructions.h"
#include "codegen/llvm/kernel_emitter.h"

#include <numeric>

namespace heddle::codegen::cpu {

using namespace ir;
using ::llvm::Constant;

::llvm::Type* KernelEmitter::element_type(Dtype dtype) const {
    switch (dtype) {
    case Dtype::boolean: return ::llvm::Type::getInt1Ty(context_);
    case Dtype::i8:
    case Dtype::u8: return ::llvm::Type::getInt8Ty(context_);
    case Dtype::i16:
    case Dtype::u16:
    case Dtype::bf16: return ::llvm::Type::getInt16Ty(context_);
    case Dtype::i32:
    case Dtype::u32: return ::llvm::Type::getInt32Ty(context_);
    case Dtype::i64:
    case Dtype::u64:
    case Dtype::index: return ::llvm::Type::getInt64Ty(context_);
    case Dtype::f16: return ::llvm::Type::getHalfTy(context_);
    case Dtype::f32: return ::llvm::Type::getFloatTy(context_);
    case Dtype::f64: return ::llvm::Type::getDoubleTy(context_);
    }
    return nullptr;
}

::llvm::Type* KernelEmitter::memory_type(Dtype dtype) const {
    return dtype == Dtype::boolean ? ::llvm::Type::getInt8Ty(context_) : element_type(dtype);
}

::llvm::Type* KernelEmitter::with_lanes(::llvm::Type* element, u32 lanes) const {
    return lanes == 1 ? element : ::llvm::FixedVectorType::get(element, lanes);
}

Constant* KernelEmitter::constant(Dtype dtype, u64 bits) const {
    ::llvm::Type* type = element_type(dtype);
    const unsigned width = type->getScalarSizeInBits();
    const u64 kept = width == 64 ? bits : bits & ((u64{1} << width) - 1);
    const ::llvm::APInt integer(width, kept);
    if (type->isFloatingPointTy())
        return ::llvm::ConstantFP::get(context_, ::llvm::APFloat(type->getFltSemantics(), integer));
    return ::llvm::ConstantInt::get(context_, integer);
}

KernelEmitter::Value* KernelEmitter::value(NodeId node) const {
    Value* value = values_[node.value];
    if (value == nullptr) cannot(node, "it is read where it was not emitted");
    return value;
}

KernelEmitter::Value* KernelEmitter::value(NodeId node, u32 lanes) {
    Value* known = value(node);
    return lanes == 1 || this->lanes(node) != 1 ? known : builder_.CreateVectorSplat(lanes, known);
}

// ---- rows of the op table -------------------------------------------------------------------------------------------

KernelEmitter::Value* KernelEmitter::emit_row(NodeId node) {
    const Op op = kernel_.op(node);
    const std::span<const NodeId> operands = kernel_.operands(node);
    const Dtype dtype = kernel_.dtype(operands.back());
    const InstructionRow& row = instructions(op);
    Instruction make = row.on_unsigned;
    if (is_float(dtype)) make = row.on_float;
    if (is_signed_integer(dtype)) make = row.on_signed;
    // Dividends of indices are never negative, their divisors positive; differences may be negative.
    if (dtype == Dtype::index && op != Op::div && op != Op::rem) make = row.on_signed;
    if (make == nullptr) cannot(node, "no instruction; a legalisation pass must rewrite it");
    if ((dtype == Dtype::f16 || dtype == Dtype::bf16) && op != Op::select)
        cannot(node, "16-bit floats are computed in f32; the pass compute-type must rewrite it");
    const u32 width = lanes(node);
    Value* values[3] = {};
    for (std::size_t k = 0; k < operands.size(); ++k)
        values[k] = op == Op::select && k == 0 ? value(operands[k]) : value(operands[k], width);
    return make(builder_, values);
}

/// Conversions as the machine has them; expand-convert has dealt with ranges, NaN and rounding.
KernelEmitter::Value* KernelEmitter::emit_cast(NodeId node) {
    const NodeId operand = kernel_.operand(node, 0);
    const Dtype from = kernel_.dtype(operand), to = kernel_.dtype(node);
    Value* source = value(operand, lanes(node));
    ::llvm::Type* type = value_type(kernel_.type(node));
    if (from == Dtype::bf16 || to == Dtype::bf16)
        cannot(node, "bf16 is converted by integer shifts; see expand-convert");
    if (to == Dtype::boolean) cannot(node, "a cast to bool is a comparison; see expand-convert");
    const bool is_signed = is_signed_integer(from) || from == Dtype::index;
    if (is_float(from) && is_float(to)) return builder_.CreateFPCast(source, type);
    if (is_float(from)) {
        const bool to_signed = is_signed_integer(to) || to == Dtype::index;
        return to_signed ? builder_.CreateFPToSI(source, type) : builder_.CreateFPToUI(source, type);
    }
    if (is_float(to))
        return is_signed ? builder_.CreateSIToFP(source, type) : builder_.CreateUIToFP(source, type);
    return builder_.CreateIntCast(source, type, is_signed);
}

KernelEmitter::Value* KernelEmitter::emit_bitcast(NodeId node) {
    const NodeId operand = kernel_.operand(node, 0);
    Value* source = value(operand);
    if (kernel_.dtype(operand) == Dtype::boolean) source = to_memory(source, Dtype::boolean);
    if (kernel_.dtype(node) == Dtype::boolean) return from_memory(source, Dtype::boolean);
    return builder_.CreateBitCast(source, value_type(kernel_.type(node)));
}

// ---- vectors --------------------------------------------------------------------------------------------------------

KernelEmitter::Value* KernelEmitter::emit_lanes(NodeId node) {
    std::vector<u64> indices(lanes(node));
    std::iota(indices.begin(), indices.end(), u64{0});
    if (indices.size() == 1) return builder_.getInt64(0);
    return ::llvm::ConstantDataVector::get(context_, indices);
}

KernelEmitter::Value* KernelEmitter::emit_vector_reduce(NodeId node) {
    const NodeId operand = kernel_.operand(node, 0);
    const auto word = WordId{static_cast<u32>(kernel_.integer(node, Key::op))};
    const auto op = op_named(kernel_.module().words[word]);
    // Masks are tested as one integer; everything else is expand-vector-reduce's.
    if (kernel_.dtype(operand) == Dtype::boolean && op == Op::bit_or)
        return builder_.CreateOrReduce(value(operand));
    if (kernel_.dtype(operand) == Dtype::boolean && op == Op::bit_and)
        return builder_.CreateAndReduce(value(operand));
    cannot(node, "the pass expand-vector-reduce must rewrite it");
}

KernelEmitter::Value* KernelEmitter::emit_vector(NodeId node) {
    const std::span<const NodeId> operands = kernel_.operands(node);
    const Op op = kernel_.op(node);
    if (op == Op::splat) return value(operands[0], lanes(node));
    const auto at = static_cast<u64>(kernel_.integer(node, Key::at));
    if (op == Op::extract) return builder_.CreateExtractElement(value(operands[0]), at);
    if (op == Op::insert) return builder_.CreateInsertElement(value(operands[0]), value(operands[1]), at);
    if (op == Op::vector_reduce) return emit_vector_reduce(node);
    if (op == Op::pack) {
        if (operands.size() == 1) return value(operands[0]);
        Value* vector = ::llvm::PoisonValue::get(value_type(kernel_.type(node)));
        for (std::size_t k = 0; k < operands.size(); ++k)
            vector = builder_.CreateInsertElement(vector, value(operands[k]), u64{k});
        return vector;
    }
    if (op != Op::shuffle) cannot(node, "no vector op of the LLVM emitter");
    const std::span<const i64> wanted = kernel_.payload(node, Key::mask);
    const std::vector<int> mask(wanted.begin(), wanted.end());
    if (lanes(operands[0]) == 1) cannot(node, "a shuffle of scalars");
    Value* shuffled = builder_.CreateShuffleVector(value(operands[0]), value(operands[1]), mask);
    return mask.size() == 1 ? builder_.CreateExtractElement(shuffled, u64{0}) : shuffled;
}

/// With 64-bit indices the machine's division serves; the magic is for 32-bit ones.
void KernelEmitter::emit_divmod(NodeId node) {
    const u32 width = lanes(kernel_.operand(node, 0));
    Value* dividend = value(kernel_.operand(node, 0));
    Value* divisor = value(kernel_.operand(node, 1), width);
    Value* quotient = builder_.CreateUDiv(dividend, divisor);
    set_results(node, {quotient, builder_.CreateSub(dividend, builder_.CreateMul(quotient, divisor))});
}

} // namespace heddle::codegen::cpu
