#pragma once
// What a KernelProgram has found out about its schedules. Calls read it without a lock; one thread at a time adds to it.

#include "frontend/kernel_program.h"
#include "passes/plan_lowering.h"

#include <deque>

namespace heddle::detail {

struct KernelProgram::Tuning {
    explicit Tuning(std::size_t steps) : decisions(steps) {}

    /// For a step, where the standard variant would run on sizes of that bucket.
    struct Decision {
        const Variant* standard = nullptr;
        std::vector<u32> bucket;
        std::unique_ptr<Variant> chosen; ///< null: the standard one
        const Decision* next = nullptr;
    };
    /// Sizes for which every step has a decision.
    struct Sizes {
        std::vector<i64> symbols;
        const Sizes* next = nullptr;
    };

    std::vector<std::atomic<const Decision*>> decisions; ///< by step
    std::atomic<const Sizes*> settled{nullptr};

    std::mutex mutex; ///< of what follows; nobody waits for it
    std::deque<Decision> owned_decisions;
    std::deque<Sizes> owned_sizes;
};

} // namespace heddle::detail
