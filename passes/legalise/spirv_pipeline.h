#pragma once
// What a GPU kernel goes through before codegen/spirv sees it, in order, as data.

#include "passes/legalise/pass.h"

namespace heddle::passes {

std::span<const LegalisePass> spirv_passes();

/// Runs them all. Gives the kernel that stands in the place of `kernel`, which is gone. Its grid and its parameters may
/// differ (grid_fold adds an extent), so launches are made from the legalised kernel.
ir::Function& legalise_for_spirv(ir::Function& kernel, const ir::Target& target);

} // namespace heddle::passes
