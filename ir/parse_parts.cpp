// Pieces of a line: size expressions, types, literals, attributes, index maps.

#include "ir/kernel_rules.h"
#include "ir/op.h"
#include "ir/parser_impl.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace heddle::ir {

i64 Parser::signed_integer() {
    const bool negative = accept("-");
    const Token& at = expect(TokenKind::integer, "an integer");
    const auto bits = literal_bits(Dtype::i64, {at.text, negative, false});
    if (!bits) fail(at, fmt::format("{}{} does not fit 64 bits", negative ? "-" : "", at.text));
    return static_cast<i64>(*bits);
}

// ---- size expressions -----------------------------------------------------------------------------------------------

DimId Parser::dim() {
    const Nesting nesting(*this);
    DimId left = dim_product();
    while (peek().is("+") || peek().is("-")) {
        const Token& mark = take();
        const DimId right = dim_product();
        left = located(mark, [&] {
            return mark.is("+") ? module_->dims.add(left, right) : module_->dims.sub(left, right);
        });
    }
    return left;
}

DimId Parser::dim_product() {
    DimId left = dim_atom();
    while (peek().is("*") || peek().is("/") || peek().is("%")) {
        const Token& mark = take();
        const DimId right = dim_atom();
        Dims& dims = module_->dims;
        const std::optional<i64> divisor = dims.as_constant(right);
        if (!mark.is("*") && divisor && *divisor <= 0)
            fail(mark, fmt::format("the divisor is {}, expected above 0", *divisor));
        left = located(mark, [&] {
            return mark.is("*")   ? dims.mul(left, right)
                   : mark.is("/") ? dims.divide(left, right)
                                  : dims.modulo(left, right);
        });
    }
    return left;
}

DimId Parser::dim_atom() {
    const Token& token = peek();
    if (token.kind == TokenKind::integer) return module_->dims.constant(signed_integer());
    if (token.is("-") && peek(1).kind == TokenKind::integer) return module_->dims.constant(signed_integer());
    if (token.is("-")) {
        const Nesting nesting(*this);
        take();
        const DimId positive = dim_atom();
        return located(token, [&] { return module_->dims.sub(module_->dims.constant(0), positive); });
    }
    if (accept("(")) {
        const DimId inside = dim();
        expect(")");
        return inside;
    }
    if (token.kind == TokenKind::symbol) {
        take();
        if (!in_body_)
            used_symbols_.push_back(&token);
        else if (function_->level() == Level::graph && !declared_symbols_.contains(token.text))
            fail(token, fmt::format("?{} is not declared: no parameter has it as a size", token.text));
        return module_->dims.symbol(token.text);
    }
    if (token.kind == TokenKind::value) return dim_of_parameter(take());
    if (token.kind == TokenKind::word && peek(1).is("(")) return dim_call(take());
    if (token.kind == TokenKind::word) {
        const auto axis = std::ranges::find(axes_, token.text);
        if (axis == axes_.end()) fail(token, fmt::format("'{}' is no axis of this map", token.text));
        take();
        return module_->dims.axis(static_cast<u32>(axis - axes_.begin()));
    }
    fail_expected("a size");
}

DimId Parser::dim_call(const Token& name) {
    expect("(");
    std::vector<DimId> arguments = dim_list();
    expect(")");
    Dims& dims = module_->dims;
    const std::size_t count = arguments.size();
    return located(name, [&]() -> DimId {
        if ((name.text == "min" || name.text == "max") && count >= 2) {
            DimId result = arguments[0];
            for (std::size_t k = 1; k < count; ++k)
                result = name.text == "min" ? dims.minimum(result, arguments[k])
                                            : dims.maximum(result, arguments[k]);
            return result;
        }
        if (name.text == "ceildiv" && count == 2) {
            const std::optional<i64> divisor = dims.as_constant(arguments[1]);
            if (divisor && *divisor <= 0)
                fail(name, fmt::format("the divisor is {}, expected above 0", *divisor));
            return dims.ceil_divide(arguments[0], arguments[1]);
        }
        if (name.text == "clamp" && count == 3)
            return dims.minimum(dims.maximum(arguments[0], arguments[1]), arguments[2]);
        fail(name,
             fmt::format(
                 "'{}' of {} sizes is no size; there are min, max, ceildiv(a, b) and clamp(a, low, high)",
                 name.text, count));
    });
}

DimId Parser::dim_of_parameter(const Token& name) {
    const NodeId node = find_value(name);
    const bool is_size = function_->op(node) == Op::parameter && function_->has(node, Key::size) &&
                         function_->type(node).is_scalar();
    if (!is_size) fail(name, fmt::format("%{} is no size parameter", name.text));
    return DimId{static_cast<u32>(function_->integer(node, Key::size))};
}

std::vector<DimId> Parser::dim_list() {
    std::vector<DimId> list;
    while (!peek().is("]") && !peek().is(")")) {
        list.push_back(dim());
        if (!accept(",")) break;
    }
    return list;
}

// ---- types ----------------------------------------------------------------------------------------------------------

Dtype Parser::dtype() {
    if (peek().kind == TokenKind::word) {
        for (int k = 0; k < dtype_count; ++k) {
            if (peek().text != name_of(static_cast<Dtype>(k))) continue;
            take();
            return static_cast<Dtype>(k);
        }
    }
    fail_expected("a dtype");
}

TypeId Parser::type() {
    Types& types = module_->types;
    if (accept_word("magic")) return types.magic();
    if (peek().is_word("ptr") && peek(1).is("<")) {
        take();
        take();
        const Dtype element = dtype();
        expect(">");
        return types.pointer(element);
    }
    const Token& at = peek();
    const Dtype element = dtype();
    i64 lanes = 1;
    if (accept("<")) {
        lanes = signed_integer();
        if (!is_lane_count(lanes))
            fail(at, fmt::format("a vector of {} lanes; the width is a power of two up to 64", lanes));
        expect(">");
    }
    const bool graph = function_->level() == Level::graph;
    if (!accept("[")) return types.vector(element, static_cast<u32>(lanes));
    // A size that is a bare symbol in a parameter declares it.
    std::vector<DimId> shape;
    while (!peek().is("]")) {
        if (in_parameters_ && peek().kind == TokenKind::symbol && (peek(1).is(",") || peek(1).is("]")))
            declared_symbols_.insert(peek().text);
        const Token& size = peek();
        shape.push_back(dim());
        if (const auto constant = module_->dims.as_constant(shape.back()); constant && *constant < 0)
            fail(size, fmt::format("the size {} is negative", *constant));
        if (!accept(",")) break;
    }
    expect("]");
    if (graph) {
        if (lanes != 1) fail(at, "a tensor's elements are scalars");
        if (element == Dtype::index) fail(at, "index occurs only in kernels");
        return types.tensor(element, shape);
    }
    if (shape.size() != 1) fail(at, fmt::format("an array has one size, given {}", shape.size()));
    return types.array(element, static_cast<u32>(lanes), shape[0]);
}

std::vector<TypeId> Parser::types_after_colon() {
    std::vector<TypeId> types;
    if (at_line_end() || !accept(":")) return types;
    do types.push_back(type());
    while (accept(","));
    return types;
}

// ---- literals -------------------------------------------------------------------------------------------------------

bool Parser::at_literal() const {
    const Token& token = peek().is("-") ? peek(1) : peek();
    if (token.kind == TokenKind::integer || token.kind == TokenKind::real) return true;
    if (token.kind != TokenKind::word) return false;
    return token.text == "inf" || token.text == "nan" || token.text == "true" || token.text == "false" ||
           (token.text == "bits" && peek(1).is("("));
}

Literal Parser::literal() {
    if (!at_literal()) fail_expected("a literal");
    Literal result;
    result.negative = accept("-");
    const Token& token = take();
    result.digits = token.text;
    if (token.is_word("bits")) {
        if (result.negative) fail(token, "bits(...) has no sign");
        expect("(");
        const Token& digits = expect(TokenKind::integer, "a hexadecimal number");
        if (!digits.text.starts_with("0x"))
            fail(digits, fmt::format("expected a hexadecimal number, given {}", describe(digits)));
        result.digits = digits.text.substr(2);
        result.is_bits = true;
        expect(")");
    }
    return result;
}

u64 Parser::bits_of_literal(const Token& at, Dtype dtype, const Literal& literal) const {
    if (const auto bits = literal_bits(dtype, literal)) return *bits;
    fail(at, fmt::format("{}{} is no {}", literal.negative ? "-" : "", literal.digits, name_of(dtype)));
}

// ---- attributes -----------------------------------------------------------------------------------------------------

bool Parser::at_attributes() const {
    return peek().is("{") && peek(1).kind == TokenKind::word && peek(2).is("=");
}

void Parser::attributes(AttributeList& list, std::span<const Key> allowed, std::string_view owner) {
    expect("{");
    std::vector<Key> seen;
    do {
        const Token& name = expect(TokenKind::word, "an attribute");
        Key key{};
        if (!key_named(name.text, key)) fail(name, fmt::format("unknown attribute '{}'", name.text));
        if (std::ranges::find(allowed, key) == allowed.end())
            fail(name, fmt::format("{} has no attribute '{}'", owner, name.text));
        if (std::ranges::find(seen, key) != seen.end())
            fail(name, fmt::format("attribute '{}' is given twice", name.text));
        seen.push_back(key);
        expect("=");
        attribute(list, key);
    } while (accept(","));
    expect("}");
}

void Parser::attribute(AttributeList& list, Key key) {
    switch (form_of(key)) {
    case AttributeForm::integer: list.integer(key, signed_integer()); return;
    case AttributeForm::integers:
        list.integers(key, key == Key::inplace ? inplace_list() : integer_list(key));
        return;
    case AttributeForm::dim: list.dim(key, dim()); return;
    case AttributeForm::dims: {
        if (!accept("[")) return void(list.dims(key, std::vector{dim()}));
        list.dims(key, dim_list());
        expect("]");
        return;
    }
    case AttributeForm::word: list.word(key, word(key)); return;
    case AttributeForm::words: list.words(key, word_list(key)); return;
    case AttributeForm::type: list.type(key, type()); return;
    case AttributeForm::flag: {
        const bool value = accept_word("true");
        if (!value && !accept_word("false")) fail_expected("true or false");
        if (value) list.flag(key, true); // absent means false, so that equal ops have equal attributes
        return;
    }
    case AttributeForm::text:
        list.word(key, module_->words.intern(unquoted(expect(TokenKind::string, "a quoted text").text)));
        return;
    case AttributeForm::map:
    case AttributeForm::bits: break;
    }
    fail(peek(), fmt::format("'{}' is not written as an attribute", name_of(key)));
}

/// `3`, `[0, 1]`, or for axes of two operands `[[0, 1], [1, 2]]`.
std::vector<i64> Parser::integer_list(Key key) {
    std::vector<i64> list;
    if (!peek().is("[")) return {signed_integer()};
    const Token& at = take();
    std::vector<std::size_t> sizes;
    while (!peek().is("]")) {
        const bool nested = accept("[");
        const std::size_t before = list.size();
        while (!peek().is("]")) {
            list.push_back(signed_integer());
            if (!nested || !accept(",")) break;
        }
        if (nested) {
            expect("]");
            sizes.push_back(list.size() - before);
        }
        if (!accept(",")) break;
    }
    expect("]");
    const bool pairs = key == Key::contract || key == Key::batch;
    if (pairs && (sizes.size() != 2 || sizes[0] != sizes[1]))
        fail(at, "expected as many axes of each operand: [[axes of a], [axes of b]]");
    if (!pairs && !sizes.empty()) fail(at, "expected a plain list of integers");
    return list;
}

std::vector<i64> Parser::inplace_list() {
    std::vector<i64> list;
    auto position = [&] {
        const Token& name = expect(TokenKind::value, "a pointer parameter");
        const auto found = std::ranges::find(function_->parameters(), find_value(name));
        if (function_->type(*found).kind != TypeKind::pointer)
            fail(name, fmt::format("%{} is no pointer", name.text));
        list.push_back(found - function_->parameters().begin());
    };
    expect("[");
    do {
        expect("[");
        position();
        expect(",");
        position();
        expect("]");
    } while (accept(","));
    expect("]");
    return list;
}

std::vector<i64> Parser::word_list(Key key) {
    if (!accept("[")) return {word(key).value};
    std::vector<i64> list;
    while (!peek().is("]")) {
        list.push_back(word(key).value);
        if (!accept(",")) break;
    }
    expect("]");
    return list;
}

WordId Parser::word(Key key) {
    struct Row {
        Key key;
        std::string_view words; ///< what may stand there, separated by blanks
    };
    static constexpr Row rows[] = {{Key::target, "cpu gpu"},
                                   {Key::unroll, "full"},
                                   {Key::scope, "block subgroup"},
                                   {Key::memory, "shared global"},
                                   {Key::visible, "device"}};
    const Token& token = expect(TokenKind::word, "a word");
    if (key == Key::op || key == Key::combine) {
        const std::optional<Op> op = op_named(token.text);
        if (!op || !info(*op).has(associative))
            fail(token, fmt::format("'{}' is no op that joins values", token.text));
    }
    for (const Row& row : rows) {
        if (row.key != key) continue;
        const std::string padded = fmt::format(" {} ", row.words);
        if (padded.find(fmt::format(" {} ", token.text)) == std::string::npos)
            fail(token, fmt::format("expected one of: {}; given '{}'", row.words, token.text));
    }
    return module_->words.intern(token.text);
}

// ---- index maps -----------------------------------------------------------------------------------------------------

MapId Parser::map(Dtype dtype) {
    IndexMap result;
    axes_.clear();
    while (!peek().is("->")) {
        const Token& axis = expect(TokenKind::word, "an axis or '->'");
        if (std::ranges::find(axes_, axis.text) != axes_.end())
            fail(axis, fmt::format("axis '{}' is given twice", axis.text));
        axes_.push_back(axis.text);
        if (!accept(",")) break;
    }
    expect("->");
    result.axes = static_cast<u32>(axes_.size());
    while (!peek().is("]") && !peek().is_word("where")) {
        result.results.push_back(dim());
        if (!accept(",")) break;
    }
    if (accept_word("where")) {
        do {
            const Token& low = peek();
            if (signed_integer() != 0) fail(low, "a bound starts at 0: 0 <= index < size");
            expect("<=");
            const DimId value = dim();
            expect("<");
            result.valid.push_back({value, dim()});
        } while (accept_word("and"));
        if (!accept_word("else")) fail_expected("else and the value outside the bounds");
        const Token& at = peek();
        result.fill = bits_of_literal(at, dtype, literal());
    }
    axes_.clear();
    return module_->map(result);
}

} // namespace heddle::ir
