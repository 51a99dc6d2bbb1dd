#include "ir/parser.h"

#include "ir/parser_impl.h"
#include "ir/verifier.h"

#include <array>
#include <charconv>
#include <utility>

namespace heddle::ir {

void TextPlaces::add(const Function& function, NodeId node, TextPlace place) {
    places_[&function].try_emplace(node.value, place);
}

TextPlace TextPlaces::of(const Function& function, NodeId node) const {
    const auto& known = places_.at(&function);
    const auto found = known.find(node.value);
    return found != known.end() ? found->second : known.at(NodeId{}.value);
}

std::unique_ptr<Module> parse(std::string_view text, std::string_view file, TextPlaces* places) {
    return Parser(text, file, places).run();
}

std::unique_ptr<Module> parse_valid(std::string_view text, std::string_view file) {
    TextPlaces places;
    std::unique_ptr<Module> module = parse(text, file, &places);
    for (const auto& function : module->functions) {
        for (const Diagnostic& found : diagnose(*function)) {
            const TextPlace place = places.of(*function, found.node);
            throw ParseError(fmt::format("{}:{}:{}: rule {}: {}", file, place.line, place.column, found.rule,
                                         found.message));
        }
    }
    return module;
}

Parser::Parser(std::string_view text, std::string_view file, TextPlaces* places)
    : file_(file), tokens_(tokenize(text, file)), places_(places), module_(std::make_unique<Module>()) {}

std::unique_ptr<Module> Parser::run() {
    read_locations();
    while (peek().kind != TokenKind::end) {
        if (peek().is_word("func") || peek().is_word("kernel"))
            function_item();
        else if (peek().kind == TokenKind::location)
            location_item();
        else
            fail_expected("func, kernel or a location");
    }
    return std::move(module_);
}

// ---- tokens ---------------------------------------------------------------------------------------------------------

const Token& Parser::peek(std::size_t ahead) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
}

const Token& Parser::take() {
    const Token& token = peek();
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
}

bool Parser::accept(std::string_view mark) {
    if (!peek().is(mark)) return false;
    take();
    return true;
}

bool Parser::accept_word(std::string_view word) {
    if (!peek().is_word(word)) return false;
    take();
    return true;
}

const Token& Parser::expect(std::string_view mark) {
    if (!peek().is(mark)) fail_expected(fmt::format("'{}'", mark));
    return take();
}

const Token& Parser::expect(TokenKind kind, std::string_view what) {
    if (peek().kind != kind) fail_expected(what);
    return take();
}

void Parser::fail_expected(std::string_view what) const {
    fail(peek(), fmt::format("expected {}, given {}", what, describe(peek())));
}

bool Parser::at_line_end() const {
    const Token& token = peek();
    return token.starts_line || token.kind == TokenKind::end || token.is(";") || token.is("}");
}

Parser::Nesting::Nesting(Parser& parser) : parser_(parser) {
    if (++parser_.nesting_ <= 100) return;
    --parser_.nesting_;
    parser_.fail(parser_.peek(), "nested more than 100 deep");
}

// ---- names ----------------------------------------------------------------------------------------------------------

NodeId Parser::find_value(const Token& name) const {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope)
        if (const auto found = scope->find(name.text); found != scope->end()) return found->second;
    fail(name, fmt::format("%{} is not defined here", name.text));
}

void Parser::define(const Token& name, NodeId node) {
    for (const auto& scope : scopes_)
        if (scope.contains(name.text)) fail(name, fmt::format("%{} is defined already", name.text));
    scopes_.back().emplace(name.text, node);
    const bool number = name.text.find_first_not_of("0123456789") == std::string_view::npos;
    if (!number && function_->name_of(node).empty()) function_->set_name(node, std::string(name.text));
}

// ---- locations ------------------------------------------------------------------------------------------------------

// They stand at the end of a file but are needed as nodes are made.
void Parser::read_locations() {
    for (std::size_t k = 0; k + 1 < tokens_.size(); ++k) {
        if (tokens_[k].kind != TokenKind::location || !tokens_[k + 1].is("=")) continue;
        if (!location_tokens_.emplace(tokens_[k].text, k).second)
            fail(tokens_[k], fmt::format("!{} is defined already", tokens_[k].text));
    }
}

LocationId Parser::location_numbered(const Token& at) {
    if (const auto known = locations_.find(at.text); known != locations_.end()) return known->second;
    const auto defined = location_tokens_.find(at.text);
    if (defined == location_tokens_.end()) fail(at, fmt::format("!{} is not defined in this file", at.text));
    const Nesting nesting(*this); // a location that lies in itself ends here
    const std::size_t back = std::exchange(at_, defined->second);
    location_item();
    at_ = back;
    return locations_.at(at.text);
}

void Parser::location_item() {
    const Token& number = take();
    Location place;
    expect("=");
    place.file = unquoted(expect(TokenKind::string, "a file name in quotes").text);
    expect(":");
    place.line = static_cast<u32>(signed_integer());
    expect(":");
    place.column = static_cast<u32>(signed_integer());
    place.function = unquoted(expect(TokenKind::string, "a function's name in quotes").text);
    if (accept_word("in")) place.scope = location_numbered(expect(TokenKind::location, "a location"));
    if (!locations_.contains(number.text))
        locations_.emplace(number.text, module_->location(std::move(place)));
}

LocationId Parser::location_reference() {
    if (at_line_end() || peek().kind != TokenKind::location) return {};
    return location_numbered(take());
}

// ---- functions ------------------------------------------------------------------------------------------------------

void Parser::function_item() {
    const bool graph = take().text == "func";
    const Token& name = expect(TokenKind::function, "the function's name");
    if (module_->find(name.text)) fail(name, fmt::format("@{} is defined already", name.text));
    function_ =
        graph ? &module_->add_function(std::string(name.text)) : &module_->add_kernel(std::string(name.text));
    if (places_ != nullptr) places_->add(*function_, {}, {name.line, name.column});
    scopes_.assign(1, {});
    declared_symbols_.clear();
    used_symbols_.clear();

    in_body_ = false;
    in_parameters_ = true;
    expect("(");
    if (!peek().is(")")) {
        do parameter();
        while (accept(","));
    }
    expect(")");
    in_parameters_ = false;
    std::vector<TypeId> declared;
    if (graph) declared = result_list();
    if (at_attributes()) {
        static constexpr std::array keys{Key::target, Key::block,   Key::subgroup, Key::index,
                                         Key::grid,   Key::inplace, Key::grain};
        AttributeList list;
        if (graph)
            attributes(list, {}, "a func");
        else
            attributes(list, keys, "a kernel");
        function_->attributes = module_->attributes.intern(list);
    }
    if (accept_word(graph ? "where" : "when")) facts();
    check_symbols();
    in_body_ = true;
    expect("{");
    while (!peek().is("}") && !peek().is_word("return")) op_line();
    if (graph) function_results(declared);
    expect("}");
    function_ = nullptr;
}

void Parser::parameter() {
    const Token& name = expect(TokenKind::value, "a parameter or ')'");
    expect(":");
    const Token& type_at = peek();
    const TypeId type = this->type();
    AttributeList list;
    if (accept("=")) {
        const bool is_magic = module_->types[type].kind == TypeKind::magic;
        if (is_magic) {
            if (!accept_word("magic")) fail_expected("magic(size)");
            expect("(");
        }
        list.dim(Key::size, dim());
        if (is_magic) expect(")");
    }
    if (at_attributes()) {
        static constexpr std::array keys{Key::captured, Key::number};
        attributes(list, keys, "a parameter");
    }
    check_parameter(type_at, type, list);
    const NodeId node = function_->add_parameter(type, module_->attributes.intern(list));
    define(name, node);
}

void Parser::check_parameter(const Token& at, TypeId id, const AttributeList& list) {
    const Type& type = module_->types[id];
    const bool graph = function_->level() == Level::graph;
    const AttributesId attributes = module_->attributes.intern(list);
    const bool has_size = module_->attributes.has(attributes, Key::size);
    const bool has_number = module_->attributes.has(attributes, Key::number);
    if (graph) {
        if (type.kind != TypeKind::tensor)
            fail(at, fmt::format("a func's parameter is a tensor, given {}", show(id)));
        if (has_size) fail(at, "a func's parameter has no size expression");
    } else if (type.kind == TypeKind::pointer) {
        if (has_size || has_number) fail(at, "a pointer has neither a size expression nor a number");
    } else if (type.kind != TypeKind::magic && !type.is_scalar()) {
        fail(at, fmt::format("a kernel's parameter is a pointer, a scalar or magic, given {}", show(id)));
    } else if (has_size == has_number) {
        fail(at, "expected what fills the parameter: '= size', or {number = position}");
    } else if (has_size && type.kind != TypeKind::magic && type.dtype != Dtype::index) {
        fail(at, fmt::format("a size is an index, given {}", show(id)));
    }
}

std::vector<TypeId> Parser::result_list() {
    std::vector<TypeId> results;
    expect("->");
    if (!accept("(")) return {type()};
    while (!peek().is(")")) {
        results.push_back(type());
        if (!accept(",")) break;
    }
    expect(")");
    return results;
}

void Parser::facts() {
    do fact();
    while (accept(","));
}

void Parser::fact() {
    if (peek().is_word("aligned") && peek(1).is("(")) {
        const Token& at = take();
        take();
        const NodeId pointer = find_value(expect(TokenKind::value, "a pointer"));
        expect(",");
        const i64 bytes = signed_integer();
        expect(")");
        if (function_->type(pointer).kind != TypeKind::pointer || bytes < 1 || bytes > 4096 ||
            (bytes & (bytes - 1)) != 0)
            fail(at, "expected aligned(pointer, power of two)");
        function_->aligned.emplace_back(pointer, static_cast<u32>(bytes));
        return;
    }
    const DimId left = dim();
    const Token& relation = take();
    struct Row {
        std::string_view mark;
        Relation relation;
        bool swapped;
    };
    static constexpr Row rows[] = {{"==", Relation::equal, false},      {"!=", Relation::not_equal, false},
                                   {"<", Relation::less, false},        {">", Relation::less, true},
                                   {"<=", Relation::less_equal, false}, {">=", Relation::less_equal, true}};
    for (const Row& row : rows) {
        if (!relation.is(row.mark)) continue;
        const DimId right = dim();
        function_->facts.push_back(row.swapped ? Fact{right, row.relation, left}
                                               : Fact{left, row.relation, right});
        return;
    }
    fail(relation, fmt::format("expected a comparison, given {}", describe(relation)));
}

// The parameters declare the symbols, in any order; a kernel's come from the function that it was made of.
void Parser::check_symbols() {
    if (function_->level() == Level::kernel) return;
    for (const Token* symbol : used_symbols_) {
        if (!declared_symbols_.contains(symbol->text))
            fail(*symbol, fmt::format("?{} is not declared: no parameter has it as a size", symbol->text));
    }
}

void Parser::function_results(std::span<const TypeId> declared) {
    const Token& at = peek();
    if (!accept_word("return")) fail_expected("an op or return");
    Line line;
    line.at = &at;
    while (!at_line_end()) {
        line.operands.push_back(operand());
        if (!accept(",")) break;
    }
    if (line.operands.size() != declared.size())
        fail(at, fmt::format("returns {} values, {} declared", line.operands.size(), declared.size()));
    std::vector<NodeId> results;
    for (std::size_t k = 0; k < declared.size(); ++k) {
        Operand& value = line.operands[k];
        if (!value.node.valid()) value.node = literal_node(value, declared[k]);
        const TypeId type = (*function_)[value.node].type;
        if (!same_type(type, declared[k]))
            fail(*value.at, fmt::format("returns {}, declared {}", show(type), show(declared[k])));
        results.push_back(value.node);
    }
    function_->set_results(std::move(results));
    accept(";");
}

} // namespace heddle::ir
