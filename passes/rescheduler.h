#pragma once
// A planned function kept, so that its kernels can be made once more with other schedules. It works on a copy of the function, in a module
// of its own: while one thread makes kernels here, others may run the plan.

#include "passes/plan.h"

namespace heddle::passes {

class Rescheduler {
public:
    /// The plan's kernels may be gone already; `target` is the one that it was made for.
    Rescheduler(const Plan& plan, const ir::Target& target, bool fast_math);
    ~Rescheduler();

    /// At most that many kernels of the step beside the one with the schedule `chosen`, nearest first, all of which may run with these sizes
    /// (values of the function's symbols). Which pointers have to be aligned they say themselves.
    std::vector<Kernel> candidates(std::size_t step, const Schedule& chosen, std::span<const i64> symbols,
                                   std::size_t most) const;
    /// The step's kernel with that schedule; nothing if there is none.
    std::optional<Kernel> lower(std::size_t step, const Schedule& schedule) const;

private:
    struct Groups;
    std::unique_ptr<Groups> groups_;
};

} // namespace heddle::passes
