#pragma once
// Writes modules in the text form (.hir, see docs/hir.md). What the parser reads back prints to the same text. Printing never
// fails: a function that breaks the rules is shown as well as it can be, so that the verifier can be understood.

#include "ir/function.h"

#include <string>

namespace heddle::ir {

struct PrintOptions {
    bool canonical_names = false; ///< number all values, so that texts of one structure are one text
    bool locations = true;        ///< `!3` after ops, and the table of places at the end
};

std::string print(const Module& module, const PrintOptions& options = {});
std::string print(const Function& function, const PrintOptions& options = {});

/// The name that `print` gives a value, or a description where it has none: for messages. Linear in the function.
std::string value_name(const Function& function, NodeId id);
/// The same of many values, in one walk.
std::vector<std::string> value_names(const Function& function, std::span<const NodeId> ids);

} // namespace heddle::ir
