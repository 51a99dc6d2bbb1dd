#pragma once
// Reads the text form (.hir, see docs/hir.md). The inverse of the printer: print(parse(text)) is a fixpoint. Types are checked by
// the ops' rules while reading; what only the verifier knows (uniform control flow, targets) is not.

#include "ir/function.h"
#include "ir/module.h"

#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace heddle::ir {

/// Counted from 1.
struct TextPlace {
    u32 line = 0, column = 0;
};

/// Where the functions of a text and their ops stand in it.
class TextPlaces {
public:
    void add(const Function& function, NodeId node,
             TextPlace place); ///< an invalid node is the function itself
    /// That of the function where the node has none: it was written as an operand.
    TextPlace of(const Function& function, NodeId node) const;

private:
    std::unordered_map<const Function*, std::unordered_map<u32, TextPlace>> places_;
};

/// The module that `text` describes. Throws ParseError `file:line:column: message` at the first thing that is wrong.
std::unique_ptr<Module> parse(std::string_view text, std::string_view file, TextPlaces* places = nullptr);
/// Likewise for what the verifier finds, so that the module keeps every rule of docs/hir.md.
std::unique_ptr<Module> parse_valid(std::string_view text, std::string_view file);

} // namespace heddle::ir
