#pragma once
// Makes the kernels of a plan, each when somebody asks for it: a launch, a dump, the tuner. Until then a variant is a schedule and what it
// asks of sizes.
//
// Lowering writes sizes into the table of the function's module. Any number of threads may ask at once, of all plans of one
// function: they take turns. Whoever reads sizes of that module meanwhile, reads them in a table of its own.

#include "passes/lower/group_lowering.h"
#include "passes/plan.h"

#include <deque>
#include <mutex>

namespace heddle::passes {

class PlanLowering {
public:
    /// What the plans of one module share.
    using Turn = std::shared_ptr<std::mutex>;
    /// Fuses the function, which lives as long as kernels are made.
    PlanLowering(const ir::Function& function, const ir::Target& target, Turn turn);

    const ir::Function& function() const { return function_; }
    const ir::Target& target() const { return target_; }
    const Fusion& fusion() const { return fusion_; }
    /// By group.
    const std::vector<Domain>& domains() const { return domains_; }
    /// Kernels are legalised for speed, but for the user's own, which say themselves what they are.
    void set_fast_math() { fast_math_ = true; }

    // ---- while the plan is made
    void add_domain(Domain domain) { domains_.push_back(std::move(domain)); }
    /// What the steps added from now on are lowered from.
    const GroupLowering& add_group(KernelSource source) { return groups_.emplace_back(std::move(source)); }
    /// The next step; null if it is not made from a group with schedules.
    void add_step(const GroupLowering* group) { steps_.push_back(group); }

    // ---- afterwards
    Kernel lower(const Variant& variant) const;
    /// All that may run, in the order in which a launch tries them. Those whose conditions can never hold are left out, and so is what stands
    /// behind one that always runs. DeviceError if there is none.
    std::vector<Kernel> lower_all(const Step& step) const;
    /// The kernel of that step of the plan with another schedule; nothing if there is none.
    std::optional<Kernel> lower(std::size_t step, const Schedule& schedule) const;
    /// At most that many kernels of the step beside the one with the schedule `chosen`, nearest first, all of which may run with these sizes
    /// (values of the function's symbols). Which pointers have to be aligned they say themselves.
    std::vector<Kernel> candidates(std::size_t step, const Schedule& chosen, std::span<const i64> symbols,
                                   std::size_t most) const;

private:
    const GroupLowering& group_of(std::size_t step) const;
    Kernel tuned(const GroupLowering& group, const Schedule& schedule) const;
    void mark(Kernel& kernel) const;

    const ir::Function& function_;
    ir::Target target_;
    Turn turn_;
    Fusion fusion_;
    std::vector<Domain> domains_;
    std::deque<GroupLowering> groups_;
    std::vector<const GroupLowering*> steps_;
    bool fast_math_ = false;
};

} // namespace heddle::passes
