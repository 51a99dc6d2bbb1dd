#pragma once
// The SPIRV column of ir/ops.def: for each op of the IR the instruction that it is for float, signed and unsigned elements.
// An instruction is of the core or of the extended set GLSL.std.450. An empty one means that a legalisation pass, or an
// emitter of its own, has to deal with the op.

#include "ir/op.h"

namespace heddle::codegen::spirv {

struct Opcode {
    u16 core = 0;
    u16 extended = 0;
    constexpr bool none() const { return core == 0 && extended == 0; }
};

struct OpcodeRow {
    Opcode floating, signed_integer, unsigned_integer;
};

const OpcodeRow& opcodes(ir::Op op);

} // namespace heddle::codegen::spirv
