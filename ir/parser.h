#pragma once
// Reads the text form (.hir, see docs/hir.md). The inverse of the printer: print(parse(text)) is a fixpoint. Types are checked by
// the ops' rules while reading; what only the verifier knows (uniform control flow, targets) is not.

#include "ir/module.h"

#include <memory>
#include <string_view>

namespace heddle::ir {

/// The module that `text` describes. Throws ParseError `file:line:column: message` at the first thing that is wrong.
std::unique_ptr<Module> parse(std::string_view text, std::string_view file);

} // namespace heddle::ir
