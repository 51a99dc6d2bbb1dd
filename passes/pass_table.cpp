#include "passes/pass_table.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <vector>

namespace heddle::passes {
namespace {

const std::vector<Pass>& table() {
    static const std::vector<Pass> rows = {};
    return rows;
}

} // namespace

std::span<const Pass> pass_table() { return table(); }

const Pass& pass_named(std::string_view name) {
    std::string names;
    for (const Pass& pass : table()) {
        if (pass.name == name) return pass;
        names += fmt::format("{}{}", names.empty() ? "" : ", ", pass.name);
    }
    throw UsageError(fmt::format("unknown pass '{}'; there are: {}", name, names));
}

} // namespace heddle::passes
