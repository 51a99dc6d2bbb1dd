#include <heddle/nn/model_context.h>

#include <heddle/error.h>

#include <fmt/format.h>

namespace heddle::nn {

Array ByteTokenizer::encode(std::string_view text, Array::Where where) const {
    std::vector<std::int32_t> tokens;
    for (char letter : text) tokens.push_back(static_cast<unsigned char>(letter));
    return Array::from(tokens, {1, tokens.size()}, where);
}

std::string ByteTokenizer::decode(const std::vector<std::int32_t>& tokens) const {
    std::string text;
    for (std::int32_t token : tokens) {
        if (token < 0 || token > 255) throw UsageError(fmt::format("ByteTokenizer: {} is no byte", token));
        text.push_back(static_cast<char>(token));
    }
    return text;
}

} // namespace heddle::nn
