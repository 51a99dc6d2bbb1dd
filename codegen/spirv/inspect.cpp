#include "codegen/spirv/inspect.h"

#include <heddle/error.h>

#include <fmt/format.h>
#include <spirv/unified1/spirv.hpp>

#include <algorithm>
#include <optional>

namespace heddle::codegen::spirv {
namespace {

constexpr std::size_t header_words = 5;
constexpr u32 newest_version = 0x00010500;

class Inspector {
public:
    Inspector(std::span<const u32> words, std::string_view entry) : words_(words), entry_(entry) {}

    EntryPoint run() {
        header();
        for (std::size_t at = header_words; at < words_.size();) {
            const std::size_t count = words_[at] >> spv::WordCountShift;
            if (count == 0 || count > words_.size() - at)
                throw UsageError(
                    fmt::format("the instruction at word {} of the SPIR-V has {} words, {} are left", at,
                                count, words_.size() - at));
            instruction(static_cast<spv::Op>(words_[at] & spv::OpCodeMask),
                        words_.subspan(at + 1, count - 1));
            at += count;
        }
        if (!function_)
            throw UsageError(fmt::format("the SPIR-V has no compute entry point '{}'; it has {}", entry_,
                                         others_.empty() ? "none" : others_));
        if (std::ranges::count(result_.local, 0u) != 0)
            throw UsageError(fmt::format("entry point '{}' has no LocalSize other than 0", entry_));
        return result_;
    }

private:
    void header() const {
        if (words_.size() < header_words)
            throw UsageError(fmt::format("SPIR-V has a header of 5 words, given {} words", words_.size()));
        if (words_[0] == __builtin_bswap32(spv::MagicNumber))
            throw UsageError("the SPIR-V is in the other byte order");
        if (words_[0] != spv::MagicNumber)
            throw UsageError(
                fmt::format("SPIR-V begins with {:#010x}, given {:#010x}", u32{spv::MagicNumber}, words_[0]));
        if (words_[1] > newest_version)
            throw UsageError(fmt::format("SPIR-V up to version 1.5 runs on Vulkan 1.2, given {}.{}",
                                         words_[1] >> 16 & 0xFF, words_[1] >> 8 & 0xFF));
    }

    static std::string text_of(std::span<const u32> words) {
        std::string text;
        for (u32 word : words) {
            for (int byte = 0; byte < 4; ++byte, word >>= 8) {
                if ((word & 0xFF) == 0) return text;
                text += static_cast<char>(word & 0xFF);
            }
        }
        return text;
    }

    void instruction(spv::Op op, std::span<const u32> operands) {
        if (op == spv::OpCapability && !operands.empty() &&
            operands[0] == spv::CapabilityPhysicalStorageBufferAddresses)
            result_.buffer_addresses = true;
        if (op == spv::OpEntryPoint && operands.size() >= 3 && operands[0] == spv::ExecutionModelGLCompute) {
            const std::string name = text_of(operands.subspan(2));
            if (name == entry_)
                function_ = operands[1];
            else
                others_ += (others_.empty() ? "'" : ", '") + name + "'";
        }
        if (op == spv::OpExecutionMode && operands.size() >= 5 && function_ == operands[0] &&
            operands[1] == spv::ExecutionModeLocalSize)
            result_.local = {operands[2], operands[3], operands[4]};
    }

    std::span<const u32> words_;
    std::string_view entry_;
    std::optional<u32> function_;
    std::string others_;
    EntryPoint result_;
};

} // namespace

EntryPoint inspect(std::span<const u32> words, std::string_view entry) {
    return Inspector(words, entry).run();
}

} // namespace heddle::codegen::spirv
