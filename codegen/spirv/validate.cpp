#include "codegen/spirv/validate.h"

#include "codegen/spirv/module_writer.h"
#include "codegen/spirv/newer.h"

#include <cstdint>
#include <cstring>
#include <fmt/format.h>
#include <spirv-tools/libspirv.hpp>
#include <vector>

namespace heddle::codegen::spirv {
namespace {

std::vector<std::uint32_t> words_of(std::span<const std::byte> code) {
    std::vector<std::uint32_t> words(code.size() / 4);
    std::memcpy(words.data(), code.data(), words.size() * 4);
    return words;
}

constexpr std::size_t header_words = 5;

/// The operands of each instruction in turn.
template <class Visit> void each_instruction(std::span<const std::uint32_t> words, const Visit& visit) {
    for (std::size_t at = header_words; at < words.size();) {
        const std::size_t count = words[at] >> spv::WordCountShift;
        if (count == 0 || count > words.size() - at) return; // for SPIRV-Tools to complain of
        visit(static_cast<spv::Op>(words[at] & spv::OpCodeMask), words.subspan(at + 1, count - 1));
        at += count;
    }
}

bool uses_bfloat(std::span<const std::uint32_t> words) {
    bool found = false;
    each_instruction(words, [&](spv::Op op, std::span<const std::uint32_t> operands) {
        found |= op == spv::OpCapability && operands[0] == capability_bfloat16_type;
    });
    return found;
}

bool tools_know_bfloat() {
    static const bool known = [] {
        const spvtools::SpirvTools tools(SPV_ENV_VULKAN_1_2);
        std::vector<std::uint32_t> binary;
        return tools.Assemble("OpCapability BFloat16TypeKHR", &binary);
    }();
    return known;
}

/// The module with f16 in the place of bf16, whose values may do the same and more; for readers the type has a name.
std::vector<std::uint32_t> with_half_for_bfloat(std::span<const std::uint32_t> words, bool named) {
    Section names, all;
    each_instruction(words, [&](spv::Op op, std::span<const std::uint32_t> operands) {
        const std::uint32_t half = spv::CapabilityFloat16;
        if (op == spv::OpTypeFloat && operands.size() > 2) {
            std::vector<std::uint32_t> name{operands[0]};
            append_text(name, "bfloat16");
            if (named) names.add(spv::OpName, name);
            operands = operands.first(2);
        }
        if (op == spv::OpCapability && operands[0] == capability_bfloat16_type) operands = {&half, 1};
        all.add(op, operands);
    });
    std::vector<std::uint32_t> result(words.begin(), words.begin() + header_words);
    for (const Section* section : {&names, &all})
        result.insert(result.end(), section->words().begin(), section->words().end());
    return result;
}

} // namespace

std::string not_judged(std::span<const std::byte> code) {
    if (tools_know_bfloat() || !uses_bfloat(words_of(code))) return "";
    return fmt::format("SPIRV-Tools {} does not know {}", spvSoftwareVersionString(), bfloat16_extension);
}

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
    std::vector<std::uint32_t> words = words_of(code);
    if (!not_judged(code).empty()) words = with_half_for_bfloat(words, false);
    const bool valid = tools.Validate(words.data(), words.size(), options);
    return valid ? std::string() : messages.empty() ? "invalid" : messages;
}

std::string disassemble(std::span<const std::byte> code) {
    const spvtools::SpirvTools tools(SPV_ENV_VULKAN_1_2);
    constexpr auto options = SPV_BINARY_TO_TEXT_OPTION_INDENT | SPV_BINARY_TO_TEXT_OPTION_NO_HEADER |
                             SPV_BINARY_TO_TEXT_OPTION_FRIENDLY_NAMES;
    std::vector<std::uint32_t> words = words_of(code);
    const std::string unknown = not_judged(code);
    if (!unknown.empty()) words = with_half_for_bfloat(words, true);
    std::string text;
    if (!tools.Disassemble(words, &text, options)) return "not a SPIR-V module\n";
    return unknown.empty() ? text : fmt::format("; {}: f16 stands for bf16\n{}", unknown, text);
}

} // namespace heddle::codegen::spirv
