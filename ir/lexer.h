#pragma once
// Tokens of the text form. The whole text is cut at once; a token keeps its place, so that every error can name one. Line ends
// are no tokens but a mark on the token that follows, because they matter only where an op ends.

#include "support/integers.h"

#include <string>
#include <string_view>
#include <vector>

namespace heddle::ir {

enum class TokenKind : u8 {
    end,
    value,    ///< %name; `text` is without the mark, here and below
    function, ///< @name
    symbol,   ///< ?name
    location, ///< !12
    word,     ///< name
    integer,  ///< 12, 0xff
    real,     ///< 1.5, 1e+20
    string,   ///< "text", still with its escapes
    mark,     ///< one of ( ) [ ] { } < > , : ; = == != <= >= -> .. + - * / %
};

struct Token {
    TokenKind kind = TokenKind::end;
    bool starts_line = false;
    u32 line = 1;
    u32 column = 1; ///< in bytes, from 1
    std::string_view text;

    bool is(std::string_view mark) const { return kind == TokenKind::mark && text == mark; }
    bool is_word(std::string_view word) const { return kind == TokenKind::word && text == word; }
};

/// The tokens of `text`, which must outlive them; the last is `end`. Throws ParseError at what is no token.
std::vector<Token> tokenize(std::string_view text, std::string_view file);

/// How a message names a token: `'+'`, `%x`, `the end of the file`.
std::string describe(const Token& token);

/// A quoted string and its value, for file names with any characters.
std::string quoted(std::string_view text);
std::string unquoted(std::string_view text);

/// Throws ParseError `file:line:column: message`.
[[noreturn]] void fail_at(std::string_view file, const Token& token, std::string_view message);

/// True for names that the text form can hold: letters, digits, `_`, and single dots inside.
bool is_name(std::string_view text);
/// The nearest name to any text: other characters become `_`.
std::string as_name(std::string_view text);

} // namespace heddle::ir
