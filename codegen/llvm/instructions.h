#pragma once
// The LLVM column of ir/ops.def: for each row and class of element type, the function that appends the instruction.

#include "ir/op.h"

#include <llvm/IR/IRBuilder.h>

namespace heddle::codegen::cpu {

/// Appends one instruction; the operands are of one type (`select`: the condition is bool of that width, or scalar).
using Instruction = ::llvm::Value* (*)(::llvm::IRBuilder<>&, ::llvm::Value* const* operands);

struct InstructionRow {
    Instruction on_float = nullptr;
    Instruction on_signed = nullptr;
    Instruction on_unsigned = nullptr; ///< also bool
};

/// All null for ops without the column and where a legalisation pass must have rewritten the op.
const InstructionRow& instructions(ir::Op op);

} // namespace heddle::codegen::cpu
