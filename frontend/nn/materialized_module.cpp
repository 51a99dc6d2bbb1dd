#include <heddle/nn/materialized_module.h>

#include "frontend/location.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <cstdlib>
#include <cxxabi.h>
#include <memory>

namespace heddle::nn::detail {

namespace {

std::string readable(const char* name) {
    const std::unique_ptr<char, void (*)(void*)> text(abi::__cxa_demangle(name, nullptr, nullptr, nullptr),
                                                      std::free);
    return text != nullptr ? text.get() : name;
}

} // namespace

void refuse_slice(const char* whole, const char* part, std::source_location where) {
    throw UsageError(fmt::format("materialize: given the {} in a {}; name the whole type ({})",
                                 readable(part), readable(whole), heddle::detail::text(where)));
}

} // namespace heddle::nn::detail
