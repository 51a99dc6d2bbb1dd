#pragma once
// Passes by name, for the tool, for pipelines given as text and for tests. A pass is a free function that hands back the function as
// it is afterwards (often a new one in the place of the old); an analysis gives text about it instead.

#include "ir/function.h"
#include "ir/target.h"

#include <span>
#include <string>
#include <string_view>

namespace heddle::passes {

struct Pass {
    std::string_view name;
    std::string_view doc; ///< one line
    ir::Level level;      ///< functions of the other level are left alone
    ir::Function& (*run)(ir::Function&) = nullptr;
    std::string (*analyse)(ir::Function&, const ir::Target&) = nullptr; ///< set instead of `run`
    /// Set instead of `run`: towards an emitter, for what the target can do.
    ir::Function& (*legalise)(ir::Function&, const ir::Target&) = nullptr;
};

std::span<const Pass> pass_table();

/// Throws UsageError that lists the names there are.
const Pass& pass_named(std::string_view name);

} // namespace heddle::passes
