#pragma once
// What a GPU kernel goes through before codegen/spirv sees it, in order, as data.

#include "ir/function.h"
#include "ir/target.h"

#include <span>
#include <string_view>

namespace heddle::passes {

struct LegalisePass {
    std::string_view name;
    std::string_view doc;
    ir::Function& (*run)(ir::Function&, const ir::Target&);
};

std::span<const LegalisePass> spirv_passes();

/// Runs them all. Gives the kernel that stands in the place of `kernel`, which is gone. Its grid and its parameters may
/// differ (grid_fold adds an extent), so launches are made from the legalised kernel.
ir::Function& legalise_for_spirv(ir::Function& kernel, const ir::Target& target);

} // namespace heddle::passes
