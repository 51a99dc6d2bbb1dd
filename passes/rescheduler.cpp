#include "passes/rescheduler.h"

#include "ir/node_copier.h"
#include "passes/lower/candidates.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace heddle::passes {

using namespace ir;

namespace {

/// What a plan says of a step.
struct StepSource {
    i32 group;
    std::vector<i64> inplace;
    bool publishes;
};

} // namespace

struct Rescheduler::Groups {
    Groups(const Function& from, const Target& target)
        : target(target), function(module.add_function(from.name())) {
        NodeCopier(from, function).copy_function();
        fusion = fuse(function, this->target);
    }

    /// What a step is lowered from; analysed when it is first asked for.
    const GroupLowering& lowering(std::size_t step) {
        auto& made = lowerings[step];
        if (made == nullptr) {
            const Group& group = fusion.groups[static_cast<std::size_t>(steps[step].group)];
            const Domain& domain =
                domains.emplace(step, joined_domain(function, fusion, group)).first->second;
            sources.try_emplace(step, KernelSource{function, fusion, group, domain, target,
                                                   steps[step].inplace, steps[step].publishes});
            made = std::make_unique<GroupLowering>(sources.at(step));
        }
        return *made;
    }

    Kernel kernel(std::size_t step, const Schedule& schedule) {
        Kernel made =
            lowering(step).lower(schedule, fmt::format("{}.{}.tuned", function.name(), steps[step].group));
        if (fast_math) {
            KernelInfo info = kernel_info(*made.function);
            info.fast_math = true;
            set_kernel_info(*made.function, info);
        }
        return made;
    }

    Module module;
    Target target;
    Function& function;
    Fusion fusion;
    bool fast_math = false;
    std::vector<StepSource> steps;
    std::map<std::size_t, Domain> domains;
    std::map<std::size_t, KernelSource> sources;
    std::map<std::size_t, std::unique_ptr<GroupLowering>> lowerings;
};

Rescheduler::Rescheduler(const Plan& plan, const Target& target, bool fast_math)
    : groups_(std::make_unique<Groups>(*plan.function, target)) {
    groups_->fast_math = fast_math;
    i32 groups = 0;
    for (const Step& step : plan.steps) {
        groups_->steps.push_back({step.group, step.inplace, step.publishes});
        groups = std::max(groups, step.group + 1);
    }
    // Fusion is a function of the graph alone.
    if (groups_->fusion.groups.size() < static_cast<std::size_t>(groups))
        throw InternalError(fmt::format("@{}: its copy fuses to {} kernels, not {}", plan.function->name(),
                                        groups_->fusion.groups.size(), groups));
}

Rescheduler::~Rescheduler() = default;

std::vector<Kernel> Rescheduler::candidates(std::size_t step, const Schedule& chosen,
                                            std::span<const i64> symbols, std::size_t most) const {
    const GroupLowering& lowering = groups_->lowering(step);
    std::vector<i64> extents;
    for (DimId extent : lowering.source().domain.extents)
        extents.push_back(groups_->module.dims.evaluate(extent, symbols));
    std::vector<Kernel> kernels;
    for (const Schedule& schedule : neighbours(lowering, chosen, extents)) {
        if (kernels.size() == most) break;
        Kernel kernel = groups_->kernel(step, schedule);
        if (std::ranges::all_of(kernel.function->facts,
                                [&](const Fact& fact) { return kernel.module->dims.holds(fact, symbols); }))
            kernels.push_back(std::move(kernel));
    }
    return kernels;
}

std::optional<Kernel> Rescheduler::lower(std::size_t step, const Schedule& schedule) const {
    if (!groups_->lowering(step).refusal(schedule).empty()) return std::nullopt;
    Kernel kernel = groups_->kernel(step, schedule);
    if (never_runs(kernel)) return std::nullopt;
    return kernel;
}

} // namespace heddle::passes
