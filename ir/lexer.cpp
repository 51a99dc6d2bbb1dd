#include "ir/lexer.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <charconv>

namespace heddle::ir {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_char(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

class Lexer {
public:
    Lexer(std::string_view text, std::string_view file) : text_(text), file_(file) {}

    std::vector<Token> run() {
        std::vector<Token> tokens;
        do tokens.push_back(next());
        while (tokens.back().kind != TokenKind::end);
        return tokens;
    }

private:
    char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

    void skip_blank() {
        for (; at_ < text_.size(); ++at_) {
            const char c = text_[at_];
            if (c == '\n') {
                ++line_;
                line_begin_ = at_ + 1;
                starts_line_ = true;
            } else if (c == '/' && peek(1) == '/') {
                at_ = std::min(text_.find('\n', at_), text_.size()) - 1;
            } else if (c != ' ' && c != '\t' && c != '\r') {
                return;
            }
        }
    }

    std::size_t name_end(std::size_t from) const {
        std::size_t end = from;
        while (end < text_.size()) {
            if (is_name_char(text_[end]))
                ++end;
            else if (text_[end] == '.' && end > from && end + 1 < text_.size() &&
                     is_name_char(text_[end + 1]))
                ++end;
            else
                break;
        }
        return end;
    }

    Token next() {
        skip_blank();
        token_ = {TokenKind::end, starts_line_, line_, static_cast<u32>(at_ - line_begin_ + 1), {}};
        starts_line_ = false;
        if (at_ == text_.size()) return token_;
        const char c = peek();
        if (is_digit(c)) return number();
        if (is_name_char(c)) return take(TokenKind::word, at_, name_end(at_));
        if (c == '"') return string();
        if (is_name_char(peek(1))) {
            switch (c) {
            case '%': return take(TokenKind::value, at_ + 1, name_end(at_ + 1));
            case '@': return take(TokenKind::function, at_ + 1, name_end(at_ + 1));
            case '?': return take(TokenKind::symbol, at_ + 1, name_end(at_ + 1));
            case '!': return take(TokenKind::location, at_ + 1, name_end(at_ + 1));
            default: break;
            }
        }
        return mark();
    }

    Token take(TokenKind kind, std::size_t begin, std::size_t end) {
        token_.kind = kind;
        token_.text = text_.substr(begin, end - begin);
        at_ = end;
        return token_;
    }

    Token number() {
        std::size_t end = at_;
        auto digits = [&] {
            while (end < text_.size() && is_digit(text_[end])) ++end;
        };
        if (peek() == '0' && peek(1) == 'x') return take(TokenKind::integer, at_, name_end(at_));
        digits();
        bool real = false;
        if (end + 1 < text_.size() && text_[end] == '.' && is_digit(text_[end + 1])) {
            real = true;
            ++end;
            digits();
        }
        if (end < text_.size() && (text_[end] == 'e' || text_[end] == 'E')) {
            std::size_t exponent = end + 1;
            if (exponent < text_.size() && (text_[exponent] == '+' || text_[exponent] == '-')) ++exponent;
            if (exponent < text_.size() && is_digit(text_[exponent])) {
                real = true;
                end = exponent;
                digits();
            }
        }
        if (end < text_.size() && is_name_char(text_[end])) {
            take(TokenKind::integer, at_, name_end(at_));
            fail_at(file_, token_, fmt::format("'{}' is no number", token_.text));
        }
        return take(real ? TokenKind::real : TokenKind::integer, at_, end);
    }

    Token string() {
        std::size_t end = at_ + 1;
        while (end < text_.size() && text_[end] != '"' && text_[end] != '\n')
            end += text_[end] == '\\' ? 2 : 1;
        if (end >= text_.size() || text_[end] != '"') fail_at(file_, token_, "a string without an end");
        Token token = take(TokenKind::string, at_ + 1, end);
        ++at_;
        return token;
    }

    Token mark() {
        for (std::string_view pair : {"==", "!=", "<=", ">=", "->", ".."})
            if (text_.substr(at_, 2) == pair) return take(TokenKind::mark, at_, at_ + 2);
        if (std::string_view("()[]{}<>,:;=+-*/%").find(peek()) != std::string_view::npos)
            return take(TokenKind::mark, at_, at_ + 1);
        const unsigned char c = static_cast<unsigned char>(peek());
        if (c < 0x20 || c >= 0x7f)
            fail_at(file_, token_, fmt::format("byte 0x{:02x} does not belong here", c));
        fail_at(file_, token_, fmt::format("'{}' does not belong here", peek()));
    }

    std::string_view text_, file_;
    std::size_t at_ = 0, line_begin_ = 0;
    u32 line_ = 1;
    bool starts_line_ = true;
    Token token_;
};

} // namespace

std::vector<Token> tokenize(std::string_view text, std::string_view file) { return Lexer(text, file).run(); }

std::string describe(const Token& token) {
    switch (token.kind) {
    case TokenKind::end: return "the end of the file";
    case TokenKind::value: return fmt::format("%{}", token.text);
    case TokenKind::function: return fmt::format("@{}", token.text);
    case TokenKind::symbol: return fmt::format("?{}", token.text);
    case TokenKind::location: return fmt::format("!{}", token.text);
    case TokenKind::string: return fmt::format("\"{}\"", token.text);
    case TokenKind::word:
    case TokenKind::integer:
    case TokenKind::real:
    case TokenKind::mark: return fmt::format("'{}'", token.text);
    }
    return {};
}

std::string quoted(std::string_view text) {
    std::string result = "\"";
    for (char c : text) {
        if (c == '"' || c == '\\')
            (result += '\\') += c;
        else if (static_cast<unsigned char>(c) < 0x20)
            result += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        else
            result += c;
    }
    return result += '"';
}

std::string unquoted(std::string_view text) {
    std::string result;
    for (std::size_t k = 0; k < text.size(); ++k) {
        unsigned value = 0;
        if (text[k] != '\\' || k + 1 == text.size()) {
            result += text[k];
        } else if (text[k + 1] == 'x' && k + 3 < text.size() &&
                   std::from_chars(&text[k + 2], &text[k + 2] + 2, value, 16).ptr == &text[k + 2] + 2) {
            result += static_cast<char>(value);
            k += 3;
        } else {
            result += text[++k];
        }
    }
    return result;
}

void fail_at(std::string_view file, const Token& token, std::string_view message) {
    throw ParseError(fmt::format("{}:{}:{}: {}", file, token.line, token.column, message));
}

bool is_name(std::string_view text) {
    if (text.empty() || text.front() == '.' || text.back() == '.') return false;
    for (std::size_t k = 0; k < text.size(); ++k)
        if (!is_name_char(text[k]) && (text[k] != '.' || text[k + 1] == '.')) return false;
    return true;
}

std::string as_name(std::string_view text) {
    std::string name(text);
    for (char& c : name)
        if (!is_name_char(c) && c != '.') c = '_';
    if (!is_name(name))
        for (char& c : name)
            if (c == '.') c = '_';
    return name.empty() ? "_" : name;
}

} // namespace heddle::ir
