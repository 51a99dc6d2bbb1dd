// Kernels that are lowered when they are asked for: which one a call takes is the same as if all had been lowered before, and few are.

#include "passes/plan_lowering.h"

#include "frontend/structure.h"
#include "ir/parser.h"
#include "ir/printer.h"
#include "passes/pipeline.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <thread>
#include <vector>

using namespace heddle;
using namespace heddle::passes;

namespace {

constexpr const char* functions[] = {
    // pointwise
    "func @f(%x: f32[?m, ?n], %y: f32[?m, ?n]) -> f32[?m, ?n] {\n  %a = add %x, %y : f32[?m, ?n]\n"
    "  %e = exp %a : f32[?m, ?n]\n  %t = tanh %e : f32[?m, ?n]\n  return %t\n}\n",
    // a tile
    "func @f(%x: f32[?m, ?n], %y: f32[?n, ?m]) -> f32[?m, ?n] {\n"
    "  %t = transpose %y {permutation = [1, 0]} : f32[?m, ?n]\n  %a = add %x, %t : f32[?m, ?n]\n  return "
    "%a\n}\n",
    // a stencil
    "func @f(%x: f32[?m, ?n]) -> f32[?m - 2, ?n] {\n"
    "  %a = slice %x {start = [0, 0], step = [1, 1]} : f32[?m - 2, ?n]\n"
    "  %b = slice %x {start = [2, 0], step = [1, 1]} : f32[?m - 2, ?n]\n"
    "  %s = add %a, %b : f32[?m - 2, ?n]\n  return %s\n}\n",
    // rows, of one phase and of several
    "func @f(%x: f16[?m, ?n]) -> f16[?m] {\n  %s = sum %x {axes = [1], keepdims = false} : f16[?m]\n"
    "  return %s\n}\n",
    "func @f(%x: f32[?m, ?n]) -> f32[?m, ?n] {\n  %s = sum %x {axes = [1], keepdims = true} : f32[?m, 1]\n"
    "  %b = broadcast %s {dims = [0, 1]} : f32[?m, ?n]\n  %y = div %x, %b : f32[?m, ?n]\n  return %y\n}\n",
    // columns
    "func @f(%x: f32[?m, ?n]) -> f32[?n] {\n  %s = sum %x {axes = [0], keepdims = false} : f32[?n]\n"
    "  return %s\n}\n",
};

std::vector<ir::Target> targets() {
    ir::Target cpu;
    cpu.kind = ir::TargetKind::cpu;
    cpu.vector_bytes = 32;
    ir::Target gpu;
    gpu.kind = ir::TargetKind::gpu;
    ir::Target shares = gpu; // rows between blocks
    shares.resident_blocks = 256;
    shares.has_i64_atomics = true;
    ir::Target leaves = gpu; // long loops early
    leaves.subgroup = 8;
    leaves.most_iterations = 65535;
    return {cpu, gpu, shares, leaves};
}

constexpr i64 sizes[] = {1,   2,   3,    7,    16,   31,   64,    100,   127,          128,         255,
                         256, 512, 1000, 1024, 2048, 4096, 65536, 65537, i64{1} << 20, i64{1} << 28};

bool all_hold(const ir::Dims& dims, std::span<const ir::Fact> facts, std::span<const i64> symbols) {
    return std::ranges::all_of(facts, [&](const ir::Fact& fact) { return dims.holds(fact, symbols); });
}

/// Calls `see` with every plan and all pairs of sizes that it is for.
template <class See> void with_plans(const See& see) {
    for (const char* text : functions)
        for (const ir::Target& target : targets()) {
            SCOPED_TRACE(std::string(text) + target.key());
            const auto module = ir::parse_valid(text, "f.hir");
            for (const Plan& plan : compile_graph(*module->functions.front(), target)) {
                std::vector<std::array<i64, 2>> pairs;
                for (i64 m : sizes)
                    for (i64 n : sizes)
                        if (all_hold(module->dims, plan.function->facts, std::array{m, n}))
                            pairs.push_back({m, n});
                for (const Step& step : plan.steps) see(plan, step, pairs);
            }
        }
}

TEST(PlanLowering, what_a_variant_needs_holds_wherever_its_kernel_may_run) {
    std::size_t met = 0, unmet = 0;
    with_plans([&](const Plan& plan, const Step& step, std::span<const std::array<i64, 2>> pairs) {
        const ir::Dims& dims = plan.function->module().dims;
        for (const Variant& variant : step.variants) {
            const Kernel kernel = plan.lowering->lower(variant);
            for (const std::array<i64, 2>& symbols : pairs) {
                const bool needed = all_hold(dims, variant.needs, symbols);
                ++(needed ? met : unmet);
                if (all_hold(kernel.module->dims, kernel.function->facts, symbols)) {
                    EXPECT_TRUE(needed) << variant.name << ' ' << symbols[0] << ' ' << symbols[1];
                }
            }
        }
    });
    EXPECT_GT(met, 1000u);
    EXPECT_GT(unmet, 1000u);
}

TEST(PlanLowering, a_call_takes_the_kernel_that_it_would_take_of_all) {
    with_plans([&](const Plan& plan, const Step& step, std::span<const std::array<i64, 2>> pairs) {
        const ir::Dims& dims = plan.function->module().dims;
        const std::vector<Kernel> all = plan.lowering->lower_all(step);
        for (const std::array<i64, 2>& symbols : pairs) {
            const auto may_run = [&](const Kernel& kernel) {
                return all_hold(kernel.module->dims, kernel.function->facts, symbols);
            };
            std::string taken;
            std::size_t lowered = 0;
            for (const Variant& variant : step.variants) {
                if (!all_hold(dims, variant.needs, symbols)) continue;
                ++lowered;
                if (!may_run(plan.lowering->lower(variant))) continue;
                taken = variant.name;
                break;
            }
            const auto expected = std::ranges::find_if(all, may_run);
            EXPECT_EQ(taken, expected == all.end() ? "" : expected->function->name())
                << symbols[0] << ' ' << symbols[1];
            // Of sizes that 32-bit indices hold, one schedule has to be lowered, whatever is before it.
            if (symbols[0] * symbols[1] < i64{1} << 29) {
                EXPECT_LE(lowered, 1u) << taken << ' ' << symbols[0] << ' ' << symbols[1];
            }
        }
    });
}

TEST(PlanLowering, a_kernel_is_the_same_whatever_was_lowered_before) {
    const auto words_of = [](const Kernel& kernel) {
        std::vector<u64> words;
        detail::append_structure(*kernel.function, words);
        return words;
    };
    for (const char* text : functions)
        for (const ir::Target& target : targets()) {
            SCOPED_TRACE(std::string(text) + target.key());
            const auto module = ir::parse_valid(text, "f.hir");
            const std::vector<Plan> plans = compile_graph(*module->functions.front(), target);
            for (std::size_t p = 0; p < plans.size(); ++p)
                for (std::size_t s = 0; s < plans[p].steps.size(); ++s)
                    for (std::size_t k = 0; k < plans[p].steps[s].variants.size(); ++k) {
                        const auto fresh = ir::parse_valid(text, "f.hir");
                        const Plan alone = std::move(compile_graph(*fresh->functions.front(), target)[p]);
                        const Variant& variant = plans[p].steps[s].variants[k];
                        EXPECT_EQ(words_of(alone.lowering->lower(alone.steps[s].variants[k])),
                                  words_of(plans[p].lowering->lower(variant)))
                            << variant.name;
                    }
        }
}

TEST(PlanLowering, threads_that_lower_at_the_same_time_make_what_one_does) {
    const auto text_of = [](const Kernel& kernel) { return ir::print(*kernel.function); };
    const auto alone = ir::parse_valid(functions[4], "f.hir"),
               module = ir::parse_valid(functions[4], "f.hir");
    const ir::Target gpu = targets()[2];
    const std::vector<Plan> expected = compile_graph(*alone->functions.front(), gpu);
    const std::vector<Plan> plans = compile_graph(*module->functions.front(), gpu);
    std::vector<std::vector<std::string>> texts(4);
    {
        std::vector<std::jthread> threads;
        for (std::size_t t = 0; t < texts.size(); ++t)
            threads.emplace_back([&, t] {
                for (const Plan& plan : plans)
                    for (const Step& step : plan.steps)
                        for (std::size_t k = 0; k < step.variants.size(); ++k)
                            texts[t].push_back(text_of(plan.lowering->lower(step.variants[k])));
            });
    }
    std::vector<std::string> wanted;
    for (const Plan& plan : expected)
        for (const Step& step : plan.steps)
            for (const Variant& variant : step.variants)
                wanted.push_back(text_of(plan.lowering->lower(variant)));
    EXPECT_GT(wanted.size(), 20u);
    for (const std::vector<std::string>& made : texts) EXPECT_EQ(made, wanted);
}

} // namespace
