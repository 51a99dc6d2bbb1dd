#include "codegen/spirv/opcodes.h"

#include <array>
#include <spirv/unified1/GLSL.std.450.h>
#include <spirv/unified1/spirv.hpp>

namespace heddle::codegen::spirv {
namespace {

/// The names that the column may use; one that is not here does not build.
namespace tokens {
using namespace spv;
struct None {
} constexpr none;
enum class Extended : u16 {};
#define EXTENDED(name) constexpr Extended name{GLSLstd450##name};
// NOLINTBEGIN(readability-identifier-naming): the names are the specification's.
EXTENDED(Fma)
EXTENDED(NMax)
EXTENDED(FAbs)
EXTENDED(SAbs)
EXTENDED(Floor)
EXTENDED(Ceil)
EXTENDED(RoundEven)
EXTENDED(Trunc)
EXTENDED(Sqrt)
EXTENDED(InverseSqrt)
EXTENDED(Exp)
EXTENDED(Exp2)
EXTENDED(Log)
EXTENDED(Log2)
EXTENDED(Sin)
EXTENDED(Cos)
EXTENDED(Tan)
EXTENDED(Tanh)
// NOLINTEND(readability-identifier-naming)
#undef EXTENDED
} // namespace tokens

constexpr Opcode opcode(tokens::None) { return {}; }
constexpr Opcode opcode(spv::Op op) { return {.core = static_cast<u16>(op)}; }
constexpr Opcode opcode(tokens::Extended op) { return {.extended = static_cast<u16>(op)}; }

/// Rows without the column (structured ops) stay empty.
struct Filled : OpcodeRow {
    constexpr Filled with(Opcode f, Opcode s, Opcode u) const { return {{f, s, u}}; }
};

constexpr std::array<OpcodeRow, ir::op_count> make_rows() {
    std::array<OpcodeRow, ir::op_count> rows{};
    std::size_t next = 0;
#define OP(...)                                                                                              \
    ;                                                                                                        \
    rows[next++] = Filled {}
#define SPIRV(f, s, u) .with(opcode(tokens::f), opcode(tokens::s), opcode(tokens::u))
#include "ir/ops.def"
    ;
    return rows;
}

} // namespace

const OpcodeRow& opcodes(ir::Op op) {
    static constexpr std::array<OpcodeRow, ir::op_count> rows = make_rows();
    return rows[static_cast<std::size_t>(op)];
}

} // namespace heddle::codegen::spirv
