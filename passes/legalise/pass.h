#pragma once
// A legalisation pass: what a kernel goes through between lowering and an emitter. Pipelines are tables of these.

#include "ir/function.h"
#include "ir/target.h"

#include <span>
#include <string_view>

namespace heddle::passes {

/// The kernels that a pass is for: all, those without `fast_math`, those with it.
enum class Math : u8 { any, exact, fast };

struct LegalisePass {
    std::string_view name;
    std::string_view doc; ///< one line
    ir::Function& (*run)(ir::Function&, const ir::Target&);
    Math math = Math::any;
    /// The targets that a pipeline runs it for, where not all: those of a driver that it works around.
    bool (*wanted)(const ir::Target&) = nullptr;
};

/// Runs the passes that are for this kernel, in order. Gives the kernel that stands in the place of `kernel`, which is gone.
ir::Function& run_passes(ir::Function& kernel, const ir::Target& target,
                         std::span<const LegalisePass> passes);

} // namespace heddle::passes
