#pragma once
// What the tests of the SPIR-V emitter share: a kernel in the making, and its way to a validated module.

#include "codegen/artifact.h"
#include "ir/kernel_builder.h"
#include "ir/module.h"

#include <functional>
#include <span>
#include <string>

namespace heddle::codegen::testing {

/// What an ordinary desktop GPU can do.
ir::Target gpu_target();

/// A kernel for a GPU over a grid of `?blocks`, with a builder on it.
struct TestKernel {
    explicit TestKernel(std::string name, u32 block = 64, u32 subgroup = 0, u32 index_bits = 32);
    ir::Module module;
    ir::KernelBuilder build;

    ir::NodeId size(std::string name) { return build.size(name, module.dims.symbol(name)); }
    /// block index * block + thread index
    ir::NodeId global_index();
    /// Runs the body where the index is below n.
    void below(ir::NodeId index, ir::NodeId n, const std::function<void()>& body);
    ir::Function& function() { return build.function(); }

private:
    u32 block_;
};

/// Fails the test with the validator's words if the module is not valid. Where SPIRV-Tools is too old for it, f16 stands for bf16, and the
/// program that HEDDLE_SPIRV_VAL names, if any, is asked too.
void expect_valid(std::span<const std::byte> code);

/// Legalises, emits, and fails the test with the validator's words if the module is not valid.
Artifact emit_valid(TestKernel& kernel, const ir::Target& target = gpu_target());
/// The same, as assembly.
std::string assembly(TestKernel& kernel, const ir::Target& target = gpu_target());

} // namespace heddle::codegen::testing
