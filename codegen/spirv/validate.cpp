#include "codegen/spirv/validate.h"

#include <cstdint>
#include <cstring>
#include <spirv-tools/libspirv.hpp>
#include <vector>

namespace heddle::codegen::spirv {
namespace {

std::vector<std::uint32_t> words_of(std::span<const std::byte> code) {
    std::vector<std::uint32_t> words(code.size() / 4);
    std::memcpy(words.data(), code.data(), words.size() * 4);
    return words;
}

} // namespace

std::string validate(std::span<const std::byte> code) {
    spvtools::SpirvTools tools(SPV_ENV_VULKAN_1_2);
    std::string messages;
    tools.SetMessageConsumer(
        [&](spv_message_level_t, const char*, const spv_position_t&, const char* message) {
            messages += message;
            messages += '\n';
        });
    // The runtime enables scalarBlockLayout, so that a vector need only be aligned as its elements are.
    spvtools::ValidatorOptions options;
    options.SetScalarBlockLayout(true);
    const std::vector<std::uint32_t> words = words_of(code);
    const bool valid = tools.Validate(words.data(), words.size(), options);
    return valid ? std::string() : messages.empty() ? "invalid" : messages;
}

std::string disassemble(std::span<const std::byte> code) {
    const spvtools::SpirvTools tools(SPV_ENV_VULKAN_1_2);
    constexpr auto options = SPV_BINARY_TO_TEXT_OPTION_INDENT | SPV_BINARY_TO_TEXT_OPTION_NO_HEADER |
                             SPV_BINARY_TO_TEXT_OPTION_FRIENDLY_NAMES;
    std::string text;
    if (!tools.Disassemble(words_of(code), &text, options)) return "not a SPIR-V module\n";
    return text;
}

} // namespace heddle::codegen::spirv
