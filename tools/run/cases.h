#pragma once
// What `heddle run` runs: a function with inputs for all of its parameters, from directives in the file, from .npy files or at random.

#include "tools/run/directives.h"
#include "tools/run/inputs.h"

#include <memory>

namespace heddle::tools {

struct RunCase {
    std::string where;       ///< `file:line`, for output
    std::string place;       ///< `file:line` of the directive or else the function, for errors
    std::string description; ///< `@f (?n = 1000)`
    const ir::Function* function = nullptr;
    std::vector<ir::Tensor> inputs; ///< array parameters in order
    std::vector<u64> numbers;       ///< number parameters, as bits
    std::vector<i64> symbols;
    std::vector<ir::Tensor> expected; ///< empty: what the interpreter gives
    std::optional<double> ulps;       ///< in place of the bound that follows from the ops
};

struct CaseOptions {
    std::string file;                ///< as messages name it
    std::string_view text;           ///< what is in it
    std::string function;            ///< empty: all
    std::vector<std::string> inputs; ///< .npy files
    SizeSet sizes;
    u64 seed = 1;
};

/// Of `NAME=NUMBER`, where NAME may begin with `?`. Throws UsageError.
SizeSet parse_sizes(const std::vector<std::string>& texts);

/// The cases that the file's directives and the options ask for. Inputs or sizes given as options replace the directives; a function without
/// a directive runs with random inputs at two sizes, the second odd. The cases point into `module`. Throws ParseError with the
/// directive's place, or UsageError with the function's, also for sizes that the memory of this machine cannot hold.
std::vector<RunCase> make_cases(const ir::Module& module, const CaseOptions& options);

} // namespace heddle::tools
