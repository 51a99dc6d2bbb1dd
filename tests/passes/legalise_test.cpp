// Legalisation leaves out passes that have nothing to do in a kernel: what a table says of their ops has to be true.

#include "ir/parser.h"
#include "ir/printer.h"
#include "passes/legalise/cpu_pipeline.h"
#include "passes/legalise/spirv_pipeline.h"
#include "passes/pipeline.h"
#include "passes/rewrite.h"

#include <gtest/gtest.h>

#include <string>

using namespace heddle;
using namespace heddle::passes;

namespace {

constexpr const char* functions[] = {
    "func @f(%x: f32[?m, ?n], %y: f32[?m, ?n]) -> f32[?m, ?n] {\n  %a = add %x, %y : f32[?m, ?n]\n"
    "  return %a\n}\n",
    "func @f(%x: f16[?n], %y: f16[?n]) -> f16[?n] {\n  %a = maximum %x, %y : f16[?n]\n"
    "  %b = abs %a : f16[?n]\n  %c = tanh %b : f16[?n]\n  return %c\n}\n",
    "func @f(%x: i32[?n], %y: i32[?n]) -> (i64[?n], bool[?n]) {\n  %a = div %x, %y : i32[?n]\n"
    "  %b = cast %a : i64[?n]\n  %c = lt %x, %y : bool[?n]\n  return %b, %c\n}\n",
    "func @f(%x: f32[?m, ?n]) -> f32[?m, ?n] {\n  %s = max %x {axes = [1], keepdims = true} : f32[?m, 1]\n"
    "  %b = broadcast %s {dims = [0, 1]} : f32[?m, ?n]\n  %d = sub %x, %b : f32[?m, ?n]\n"
    "  %e = exp %d : f32[?m, ?n]\n  %t = sum %e {axes = [1], keepdims = true} : f32[?m, 1]\n"
    "  %u = broadcast %t {dims = [0, 1]} : f32[?m, ?n]\n  %y = div %e, %u : f32[?m, ?n]\n  return %y\n}\n",
    "func @f(%x: f32[?m, ?n]) -> f32[?n] {\n  %q = sqrt %x : f32[?m, ?n]\n  %i = isnan %q : bool[?m, ?n]\n"
    "  %z = select %i, %x, %q : f32[?m, ?n]\n  %s = sum %z {axes = [0], keepdims = false} : f32[?n]\n"
    "  return %s\n}\n",
};

bool is_for(const LegalisePass& pass, const ir::Target& target) {
    return pass.math != Math::fast && (pass.wanted == nullptr || pass.wanted(target));
}

/// Takes the kernel through a pipeline, and through what it leaves out too. Gives how many passes that were.
std::size_t check(ir::Function* kernel, const ir::Target& target, std::span<const LegalisePass> pipeline) {
    std::size_t left_out = 0;
    for (const LegalisePass& pass : pipeline) {
        if (!is_for(pass, target)) continue;
        OpSet present;
        for (u32 k = 0; k < kernel->size(); ++k) present.add(kernel->op(ir::NodeId{k}));
        if (pass.ops.empty() || pass.ops.meets(present)) {
            kernel = &pass.run(*kernel, target);
            continue;
        }
        ++left_out;
        kernel = &rewrite(*kernel, nullptr); // without what nothing reads
        const std::string before = ir::print(*kernel);
        kernel = &pass.run(*kernel, target);
        EXPECT_EQ(ir::print(*kernel), before) << pass.name;
    }
    return left_out;
}

TEST(Legalise, a_pass_that_is_left_out_would_have_changed_nothing) {
    ir::Target cpu;
    cpu.kind = ir::TargetKind::cpu;
    cpu.vector_bytes = 32;
    ir::Target gpu;
    gpu.kind = ir::TargetKind::gpu;
    std::size_t left_out = 0;
    for (const char* text : functions)
        for (const ir::Target& target : {cpu, gpu}) {
            const auto module = ir::parse_valid(text, "f.hir");
            for (const Plan& plan : compile_graph(*module->functions.front(), target))
                for (const Step& step : plan.steps)
                    for (const Kernel& kernel : plan.lowering->lower_all(step))
                        left_out += check(kernel.function, target,
                                          target.kind == ir::TargetKind::cpu ? cpu_passes() : spirv_passes());
        }
    EXPECT_GT(left_out, 100u);
}

} // namespace
