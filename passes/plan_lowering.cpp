#include "passes/plan_lowering.h"

#include "passes/lower/candidates.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <algorithm>

namespace heddle::passes {

using namespace ir;

namespace {

bool always_runs(const Kernel& kernel) {
    return kernel.function->facts.empty() && kernel.function->aligned.empty();
}

/// Whether two kernels ask for the same, and nothing of sizes.
bool are_alike(const Kernel& a, const Kernel& b) {
    return a.function->facts.empty() && b.function->facts.empty() &&
           a.function->aligned == b.function->aligned;
}

} // namespace

PlanLowering::PlanLowering(const Function& function, const Target& target, Turn turn)
    : function_(function), target_(target), turn_(std::move(turn)), fusion_(fuse(function, target_)) {
    domains_.reserve(fusion_.groups.size()); // kernels' sources refer to them
}

void PlanLowering::mark(Kernel& kernel) const {
    if (!fast_math_) return;
    KernelInfo info = kernel_info(*kernel.function);
    info.fast_math = true;
    set_kernel_info(*kernel.function, info);
}

Kernel PlanLowering::lower(const Variant& variant) const {
    std::lock_guard lock(*turn_);
    Kernel kernel = variant.make(variant);
    kernel.forced = variant.forced;
    if (!variant.custom) mark(kernel);
    return kernel;
}

std::vector<Kernel> PlanLowering::lower_all(const Step& step) const {
    std::vector<Kernel> kernels;
    for (const Variant& variant : step.variants) {
        if (!kernels.empty() && !variant.custom && always_runs(kernels.back())) break;
        Kernel kernel = lower(variant);
        const bool in_vain = never_runs(kernel) || (!kernels.empty() && !kernels.back().forced &&
                                                    are_alike(kernels.back(), kernel));
        if (variant.custom || !in_vain) kernels.push_back(std::move(kernel));
    }
    // Only what `ask_few_iterations` asks for stands in every variant.
    if (kernels.empty())
        throw DeviceError(
            fmt::format("{}.{}: its loops are longer than the {} iterations after which the driver "
                        "of {} leaves them; run it on another device",
                        function_.name(), step.group, target_.most_iterations, target_.name));
    return kernels;
}

const GroupLowering& PlanLowering::group_of(std::size_t step) const {
    if (steps_.at(step) == nullptr) throw InternalError("a step that has no schedules");
    return *steps_[step];
}

Kernel PlanLowering::tuned(const GroupLowering& group, const Schedule& schedule) const {
    const auto number = &group.source().group - fusion_.groups.data();
    Kernel kernel = group.lower(schedule, fmt::format("{}.{}.tuned", function_.name(), number));
    mark(kernel);
    return kernel;
}

std::optional<Kernel> PlanLowering::lower(std::size_t step, const Schedule& schedule) const {
    std::lock_guard lock(*turn_);
    const GroupLowering& group = group_of(step);
    if (!group.refusal(schedule).empty()) return std::nullopt;
    Kernel kernel = tuned(group, schedule);
    if (never_runs(kernel)) return std::nullopt;
    return kernel;
}

std::vector<Kernel> PlanLowering::candidates(std::size_t step, const Schedule& chosen,
                                             std::span<const i64> symbols, std::size_t most) const {
    std::lock_guard lock(*turn_);
    const GroupLowering& group = group_of(step);
    std::vector<i64> extents;
    for (DimId extent : group.source().domain.extents)
        extents.push_back(function_.module().dims.evaluate(extent, symbols));
    std::vector<Kernel> kernels;
    for (const Schedule& schedule : neighbours(group, chosen, extents)) {
        if (kernels.size() == most) break;
        Kernel kernel = tuned(group, schedule);
        if (std::ranges::all_of(kernel.function->facts,
                                [&](const Fact& fact) { return kernel.module->dims.holds(fact, symbols); }))
            kernels.push_back(std::move(kernel));
    }
    return kernels;
}

} // namespace heddle::passes
