#include "tests/codegen/spirv_kernels.h"

#include "codegen/spirv/emit.h"
#include "codegen/spirv/validate.h"
#include "ir/verifier.h"
#include "passes/legalise/spirv_pipeline.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <unistd.h>

namespace heddle::codegen::testing {

ir::Target gpu_target() {
    ir::Target target;
    target.kind = ir::TargetKind::gpu;
    target.name = "test";
    target.fused_fma = true;
    target.max_grid_x = 2147483647;
    target.has_f16_arithmetic = target.has_i16_arithmetic = target.has_i8_arithmetic = true;
    target.preserves_special = target.preserves_subnormals = target.rounds_to_even = 7;
    return target;
}

TestKernel::TestKernel(std::string name, u32 block, u32 subgroup, u32 index_bits)
    : build(module.add_kernel(std::move(name))), block_(block) {
    ir::KernelInfo info{
        .target = ir::TargetKind::gpu, .block = block, .subgroup = subgroup, .index_bits = index_bits};
    info.grid = {module.dims.symbol("blocks")};
    ir::set_kernel_info(function(), info);
}

ir::NodeId TestKernel::global_index() {
    return build.add(build.mul(build.grid_index(0), build.index(block_)), build.thread_index());
}

void TestKernel::below(ir::NodeId index, ir::NodeId n, const std::function<void()>& body) {
    build.if_then(build.binary(ir::Op::lt, index, n), [&] {
        body();
        return std::vector<ir::NodeId>{};
    });
}

namespace {

/// By another program than the library of this build.
void expect_valid_for(const char* program, std::span<const std::byte> code) {
    const std::string file = ::testing::TempDir() + "heddle-" + std::to_string(getpid()) + ".spv";
    std::ofstream(file, std::ios::binary)
        .write(reinterpret_cast<const char*>(code.data()), static_cast<std::streamsize>(code.size()));
    const std::string command =
        std::string(program) + " --target-env vulkan1.2 --scalar-block-layout " + file;
    EXPECT_EQ(std::system(command.c_str()), 0) << command << "\n" << spirv::disassemble(code);
    std::remove(file.c_str());
}

} // namespace

void expect_valid(std::span<const std::byte> code) {
    EXPECT_EQ(spirv::validate(code), "") << spirv::disassemble(code);
    if (spirv::not_judged(code).empty()) return;
    if (const char* program = std::getenv("HEDDLE_SPIRV_VAL"); program != nullptr && *program != '\0')
        expect_valid_for(program, code);
}

Artifact emit_valid(TestKernel& kernel, const ir::Target& target) {
    ir::verify(kernel.function(), &target);
    ir::Function& legal = passes::legalise_for_spirv(kernel.function(), target);
    ir::verify(legal, &target);
    Artifact artifact = spirv::emit(legal, target);
    expect_valid(artifact.code);
    return artifact;
}

std::string assembly(TestKernel& kernel, const ir::Target& target) {
    return spirv::disassemble(emit_valid(kernel, target).code);
}

} // namespace heddle::codegen::testing
