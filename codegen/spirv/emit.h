#pragma once
// A kernel as SPIR-V 1.5 for Vulkan 1.2. Mechanical: each op becomes its instruction, regions become structured control flow; all
// that is hard was done before by passes/legalise/spirv_pipeline.h. The argument block of ir::parameter_layout is the
// push constants, or, above the device's limit, memory whose address is the only push constant. Where the target has no buffer
// addresses, pointer parameter k is the storage buffer at binding k instead (emit_descriptors.cpp).

#include "codegen/artifact.h"
#include "ir/function.h"
#include "ir/target.h"

namespace heddle::codegen::spirv {

/// `kernel` must be legalised for `target`; an op that no instruction stands for is an InternalError that names it.
Artifact emit(const ir::Function& kernel, const ir::Target& target);

} // namespace heddle::codegen::spirv
