#pragma once
// What a .hir file says about running itself: comment lines that call its functions, in the form
//
//     // run: @f([1.0, -0.0, nan], 2) == [2.0, 0.0, nan]
//     // run: @f(random, random(1 .. 8)) with ?n = 1000; ?n = 1001; ?n = 0
//     // run: @f within 4 ulp
//
// An argument is a literal, a nested list (whose nesting is its shape), or `random`, with bounds or of all values that the dtype has. Without
// arguments all are random. `==` states the results, `with` the sizes of symbols that no argument fixes, once for each set;
// `within` replaces the bound that follows from the function's ops. Comment lines that follow and begin with two blanks or
// more continue a directive.

#include "ir/lexer.h"
#include "ir/literal.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace heddle::tools {

/// An array written out.
struct WrittenArray {
    ir::Token token; ///< where it begins
    std::vector<i64> shape;
    std::vector<std::pair<ir::Literal, ir::Token>> elements;
};

struct RunArgument {
    std::optional<WrittenArray> values;                         ///< nothing: random
    std::optional<std::pair<WrittenArray, WrittenArray>> range; ///< rank 0 each, both ends included
};

/// Sizes by symbol name, without the '?'.
using SizeSet = std::vector<std::pair<std::string, i64>>;

struct RunDirective {
    ir::Token token; ///< the function's name
    std::string function;
    bool has_arguments = false;
    std::vector<RunArgument> arguments;
    std::vector<WrittenArray> expected;
    std::vector<SizeSet> sizes; ///< empty: the defaults
    std::optional<double> ulps;
};

/// The directives of a file in order. Tokens point into `storage`, which is filled. Throws ParseError.
std::vector<RunDirective> parse_directives(const std::string& text, const std::string& file,
                                           std::string& storage);

} // namespace heddle::tools
