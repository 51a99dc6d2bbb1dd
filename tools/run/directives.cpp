#include "tools/run/directives.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <charconv>

namespace heddle::tools {
namespace {

/// The text with everything but directives blanked out, so that tokens keep their line and column.
std::string directives_only(const std::string& text) {
    std::string result = text;
    bool inside = false;
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        std::string_view line(text.data() + begin, end - begin);
        const std::size_t comment = std::min(line.find_first_not_of(" \t"), line.size());
        std::size_t keep = line.size();
        if (line.substr(comment).starts_with("// run:")) {
            inside = true;
            keep = comment + 2;
        } else if (inside && line.substr(comment).starts_with("//  ")) {
            keep = comment + 2;
        } else {
            inside = false;
        }
        for (std::size_t k = 0; k < keep; ++k) result[begin + k] = ' ';
        begin = end + 1;
    }
    return result;
}

class Reader {
public:
    Reader(std::string_view text, const std::string& file) : tokens_(ir::tokenize(text, file)), file_(file) {}

    std::vector<RunDirective> run() {
        std::vector<RunDirective> directives;
        while (peek().kind != ir::TokenKind::end) {
            expect_word("run");
            expect(":");
            directives.push_back(directive());
            if (peek().kind != ir::TokenKind::end && !peek().is_word("run"))
                fail("'==', 'with', 'within' or the end of the directive");
        }
        return directives;
    }

private:
    const ir::Token& peek() const { return tokens_[at_]; }
    ir::Token take() {
        const ir::Token token = peek();
        if (at_ + 1 < tokens_.size()) ++at_;
        return token;
    }
    [[noreturn]] void fail(std::string_view expected) const {
        ir::fail_at(file_, peek(), fmt::format("expected {}, given {}", expected, ir::describe(peek())));
    }
    bool accept(std::string_view mark) {
        if (!peek().is(mark)) return false;
        take();
        return true;
    }
    bool accept_word(std::string_view word) {
        if (!peek().is_word(word)) return false;
        take();
        return true;
    }
    void expect(std::string_view mark) {
        if (!accept(mark)) fail(fmt::format("'{}'", mark));
    }
    void expect_word(std::string_view word) {
        if (!accept_word(word)) fail(fmt::format("'{}'", word));
    }

    RunDirective directive() {
        RunDirective result;
        if (peek().kind != ir::TokenKind::function) fail("a function, as @name");
        result.token = take();
        result.function = result.token.text;
        if (accept("(")) {
            result.has_arguments = true;
            while (!accept(")")) {
                if (!result.arguments.empty()) expect(",");
                result.arguments.push_back(argument());
            }
        }
        if (accept("==")) {
            do result.expected.push_back(array());
            while (accept(","));
        }
        if (accept_word("with")) {
            do result.sizes.push_back(size_set());
            while (accept(";"));
        }
        if (accept_word("within")) {
            result.ulps = ulps();
            expect_word("ulp");
        }
        return result;
    }

    RunArgument argument() {
        RunArgument result;
        if (!accept_word("random")) {
            result.values = array();
            return result;
        }
        if (!accept("(")) return result;
        WrittenArray low = scalar();
        expect("..");
        result.range.emplace(std::move(low), scalar());
        expect(")");
        return result;
    }

    WrittenArray scalar() {
        WrittenArray result{peek(), {}, {}};
        add_literal(result);
        return result;
    }

    WrittenArray array() {
        WrittenArray result{peek(), {}, {}};
        rank_is_known_ = false;
        add_items(result, 0);
        return result;
    }

    /// One element, or a list of what `depth + 1` adds. The first element, or the first list that ends, settles the rank.
    void add_items(WrittenArray& out, std::size_t depth) {
        if (!peek().is("[")) {
            if (depth < out.shape.size()) fail("'['");
            rank_is_known_ = true;
            return add_literal(out);
        }
        if (depth == out.shape.size()) {
            if (rank_is_known_) fail("a literal");
            if (depth == 8) fail("at most 8 lists in each other");
            out.shape.resize(depth + 1, -1);
        }
        take();
        i64 count = 0;
        while (!peek().is("]")) {
            if (count != 0) expect(",");
            add_items(out, depth + 1);
            ++count;
        }
        if (out.shape[depth] >= 0 && out.shape[depth] != count)
            ir::fail_at(file_, peek(),
                        fmt::format("expected {} items in this list, given {}", out.shape[depth], count));
        out.shape[depth] = count;
        rank_is_known_ = true;
        take();
    }

    void add_literal(WrittenArray& out) {
        const ir::Token start = peek();
        ir::Literal literal;
        literal.negative = accept("-");
        if (accept_word("bits")) {
            expect("(");
            literal.is_bits = true;
            literal.digits = take().text;
            if (!literal.digits.starts_with("0x")) fail("bits(0x...)");
            literal.digits.remove_prefix(2);
            expect(")");
        } else if (peek().kind == ir::TokenKind::integer || peek().kind == ir::TokenKind::real ||
                   peek().is_word("inf") || peek().is_word("nan") || peek().is_word("true") ||
                   peek().is_word("false")) {
            literal.digits = take().text;
        } else {
            fail("a literal");
        }
        out.elements.emplace_back(literal, start);
    }

    SizeSet size_set() {
        SizeSet result;
        do {
            if (peek().kind != ir::TokenKind::symbol) fail("a size, as ?n");
            std::string name(take().text);
            expect("=");
            i64 value = 0;
            if (peek().kind != ir::TokenKind::integer || !number(peek().text, value)) fail("a number");
            take();
            result.emplace_back(std::move(name), value);
        } while (accept(","));
        return result;
    }

    double ulps() {
        double value = 0;
        const bool is_number = peek().kind == ir::TokenKind::integer || peek().kind == ir::TokenKind::real;
        if (!is_number || !number(peek().text, value)) fail("a number of ulp");
        take();
        return value;
    }

    template <class T> static bool number(std::string_view text, T& value) {
        const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
        return read.ec == std::errc{} && read.ptr == text.data() + text.size();
    }

    std::vector<ir::Token> tokens_;
    const std::string& file_;
    std::size_t at_ = 0;
    bool rank_is_known_ = false; ///< of the array being read
};

} // namespace

std::vector<RunDirective> parse_directives(const std::string& text, const std::string& file,
                                           std::string& storage) {
    storage = directives_only(text);
    return Reader(storage, file).run();
}

} // namespace heddle::tools
