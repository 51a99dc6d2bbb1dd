#include "codegen/llvm/instructions.h"

#include <array>
#include <cstddef>

namespace heddle::codegen::cpu {
namespace {

/// The names that the column may use; one that is not here does not build.
namespace tokens {
using Builder = ::llvm::IRBuilder<>;
using ::llvm::Value;

constexpr Instruction none = nullptr;
#define UNARY(name)                                                                                          \
    Value* name(Builder& b, Value* const* v) { return b.name(v[0]); }
#define BINARY(name)                                                                                         \
    Value* name(Builder& b, Value* const* v) { return b.name(v[0], v[1]); }
#define INTRINSIC(name)                                                                                      \
    Value* name(Builder& b, Value* const* v) { return b.CreateUnaryIntrinsic(::llvm::Intrinsic::name, v[0]); }
// NOLINTBEGIN(readability-identifier-naming): the names are the builder's.
UNARY(CreateFNeg)
UNARY(CreateNeg)
UNARY(CreateNot)
BINARY(CreateFAdd)
BINARY(CreateFSub)
BINARY(CreateFMul)
BINARY(CreateFDiv)
BINARY(CreateAdd)
BINARY(CreateSub)
BINARY(CreateMul)
BINARY(CreateSDiv)
BINARY(CreateUDiv)
BINARY(CreateSRem)
BINARY(CreateURem)
BINARY(CreateAnd)
BINARY(CreateOr)
BINARY(CreateXor)
BINARY(CreateShl)
BINARY(CreateAShr)
BINARY(CreateLShr)
BINARY(CreateFCmpOEQ)
BINARY(CreateFCmpUNE)
BINARY(CreateFCmpOLT)
BINARY(CreateFCmpOLE)
BINARY(CreateFCmpOGT)
BINARY(CreateFCmpOGE)
BINARY(CreateICmpEQ)
BINARY(CreateICmpNE)
BINARY(CreateICmpSLT)
BINARY(CreateICmpSLE)
BINARY(CreateICmpSGT)
BINARY(CreateICmpSGE)
BINARY(CreateICmpULT)
BINARY(CreateICmpULE)
BINARY(CreateICmpUGT)
BINARY(CreateICmpUGE)
INTRINSIC(floor)
INTRINSIC(ceil)
INTRINSIC(roundeven)
INTRINSIC(trunc)
INTRINSIC(sqrt)
INTRINSIC(ctpop)
#undef UNARY
#undef BINARY
#undef INTRINSIC
Value* fma(Builder& b, Value* const* v) {
    return b.CreateIntrinsic(::llvm::Intrinsic::fma, {v[0]->getType()}, {v[0], v[1], v[2]});
}
Value* CreateSelect(Builder& b, Value* const* v) { return b.CreateSelect(v[0], v[1], v[2]); }
/// Between dtypes of different LLVM types the emitter makes the cast itself; the row only says that there is one.
constexpr Instruction CreateBitCast = nullptr;
// NOLINTEND(readability-identifier-naming)
} // namespace tokens

struct Filled : InstructionRow {
    constexpr Filled with(Instruction f, Instruction s, Instruction u) const { return {{f, s, u}}; }
};

constexpr std::array<InstructionRow, ir::op_count> make_rows() {
    std::array<InstructionRow, ir::op_count> rows{};
    std::size_t next = 0;
#define OP(...)                                                                                              \
    ;                                                                                                        \
    rows[next++] = Filled {}
#define LLVM(f, s, u) .with(tokens::f, tokens::s, tokens::u)
#include "ir/ops.def"
    ;
    return rows;
}

} // namespace

const InstructionRow& instructions(ir::Op op) {
    static constexpr std::array<InstructionRow, ir::op_count> rows = make_rows();
    return rows[static_cast<std::size_t>(op)];
}

} // namespace heddle::codegen::cpu
