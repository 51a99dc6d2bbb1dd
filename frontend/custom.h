#pragma once
// What a CustomKernel is: the description, checked once, and its code in the form that the passes take.

#include "ir/custom.h"

#include <heddle/custom.h>

namespace heddle {

struct CustomKernel::State {
    CustomDescription description;
    std::shared_ptr<const ir::CustomCode> code;
};

namespace detail {

/// Checks all of a description and parses, verifies and validates its code. UsageError or ParseError where something is wrong.
std::shared_ptr<const ir::CustomCode> custom_code_of(const CustomDescription& description);

/// What to write into the description so that it has code for the target; empty where it has.
std::string missing_code(const CustomKernel::State& state, const ir::Target& target);

} // namespace detail
} // namespace heddle
