// Lines of a body: the forms of ops, their operands and regions.

#include "ir/op.h"
#include "ir/parser_impl.h"
#include "ir/text_rules.h"

namespace heddle::ir {

void Parser::op_line() {
    Line line;
    if (peek().kind == TokenKind::value) {
        do line.names.push_back(&expect(TokenKind::value, "a name"));
        while (accept(","));
        expect("=");
    }
    const bool returns = function_->level() == Level::graph && scopes_.size() == 1;
    line.at = &expect(TokenKind::word, !line.names.empty() ? "an op"
                                       : returns           ? "an op or return"
                                                           : "an op or '}'");
    const std::optional<Op> op = op_named(line.at->text);
    if (!op || *op == Op::parameter || *op == Op::result)
        fail(*line.at, fmt::format("unknown op '{}'", line.at->text));
    line.op = *op;
    check_level(line);
    switch (line.op) {
    case Op::constant: read_constant(line); break;
    case Op::index: read_index(line); break;
    case Op::load:
    case Op::await:
    case Op::publish:
    case Op::store: read_memory(line); break;
    case Op::view: read_view(line); break;
    case Op::for_loop: read_for(line); break;
    case Op::if_then: read_if(line); break;
    case Op::grid_index:
        line.attributes.integer(Key::at, signed_integer());
        read_rest(line);
        break;
    default:
        read_operands(line);
        read_rest(line);
        break;
    }
    const LocationId location = location_reference();
    if (line.op != Op::index) bind_results(line, make(line, location));
    if (!accept(";") && !at_line_end()) fail_expected("the end of the line");
}

// ---- operands -------------------------------------------------------------------------------------------------------

void Parser::read_operands(Line& line) {
    if (at_line_end() || peek().is("{") || peek().is(":") || peek().kind == TokenKind::location) return;
    do line.operands.push_back(operand());
    while (accept(","));
}

Operand Parser::operand() {
    if (function_->level() == Level::kernel) return expression();
    const Token& at = peek();
    if (at.kind == TokenKind::value) return {&at, find_value(take()), {}};
    if (!at_literal()) fail_expected("a value or a literal");
    return {&at, {}, literal()};
}

/// A value, a literal, or index arithmetic.
Operand Parser::expression() {
    const Nesting nesting(*this);
    Operand left = expression_product();
    while (!peek().starts_line && (peek().is("+") || peek().is("-"))) {
        const Token& mark = take();
        left = infix(mark, mark.is("+") ? Op::add : Op::sub, left, expression_product());
    }
    return left;
}

Operand Parser::expression_product() {
    Operand left = expression_atom();
    while (!peek().starts_line && (peek().is("*") || peek().is("/") || peek().is("%"))) {
        const Token& mark = take();
        const Op op = mark.is("*") ? Op::mul : mark.is("/") ? Op::div : Op::rem;
        left = infix(mark, op, left, expression_atom());
    }
    return left;
}

Operand Parser::expression_atom() {
    const Token& at = peek();
    if (at.kind == TokenKind::value) return {&at, find_value(take()), {}};
    if (accept("(")) {
        Operand inside = expression();
        expect(")");
        return inside;
    }
    if ((at.is_word("min") || at.is_word("max")) && peek(1).is("(")) {
        const Nesting nesting(*this);
        take();
        take();
        const Operand left = expression();
        expect(",");
        const Operand right = expression();
        expect(")");
        return infix(at, at.text == "min" ? Op::minimum : Op::maximum, left, right);
    }
    if (!at_literal()) fail_expected("a value, a literal or index arithmetic");
    return {&at, {}, literal()};
}

NodeId Parser::index_operand(const Operand& operand) {
    const TypeId index = module_->types.scalar(Dtype::index);
    if (!operand.node.valid()) return literal_node(operand, index);
    const TypeId type = (*function_)[operand.node].type;
    if (type != index) fail(*operand.at, fmt::format("index arithmetic takes index, given {}", show(type)));
    return operand.node;
}

Operand Parser::infix(const Token& at, Op op, const Operand& left, const Operand& right) {
    const NodeId operands[] = {index_operand(left), index_operand(right)};
    const TypeId type = module_->types.scalar(Dtype::index);
    return {&at, function_->make(op, type, operands, AttributesId{0u}, expression_location_), {}};
}

// ---- forms ----------------------------------------------------------------------------------------------------------

/// Attributes, types and regions.
void Parser::read_rest(Line& line) {
    if (!at_line_end() && at_attributes()) {
        std::vector<Key> allowed;
        for (const OpKey& key : written_keys(line.op)) allowed.push_back(key.key);
        attributes(line.attributes, allowed, fmt::format("{}", line.at->text));
    }
    line.types_at = &peek();
    line.types = types_after_colon();
    check_required(line);
    resolve_literals(line);
    if (info(line.op).has(Traits::regions)) read_regions(line);
}

void Parser::read_constant(Line& line) {
    std::vector<Operand> elements;
    const bool list = accept("[");
    int depth = list ? 1 : 0;
    do {
        while (list && accept("[")) ++depth;
        if (list && peek().is("]")) break;
        const Token& at = peek();
        elements.push_back({&at, {}, literal()});
        while (list && depth > 1 && accept("]")) --depth;
    } while (list && accept(","));
    for (; depth > 0; --depth) expect("]");
    line.types_at = &peek();
    line.types = types_after_colon();
    if (line.types.size() != 1) fail(*line.types_at, "constant: the result's type is missing");
    const Type& type = module_->types[line.types[0]];
    i64 count = 1;
    for (DimId size : type.shape) {
        const auto extent = module_->dims.as_constant(size);
        if (!extent || *extent < 0 || *extent > 64)
            fail(*line.types_at, "constant: up to 64 elements of constant shape");
        count *= *extent;
        if (count > 64) fail(*line.types_at, "constant: up to 64 elements of constant shape");
    }
    if (static_cast<i64>(elements.size()) != count || list == (type.shape.empty() && count == 1))
        fail(*line.at, fmt::format("constant: {} elements for {}", elements.size(), show(line.types[0])));
    std::vector<u64> bits;
    for (const Operand& element : elements)
        bits.push_back(bits_of_literal(*element.at, type.dtype, element.literal));
    line.attributes.bits(Key::value, bits);
}

void Parser::read_index(Line& line) {
    // The nodes are made while the line is read, so its location is looked up first.
    for (std::size_t k = at_;
         tokens_[k].kind != TokenKind::end && !tokens_[k].starts_line && !tokens_[k].is(";"); ++k)
        if (tokens_[k].kind == TokenKind::location) expression_location_ = location_numbered(tokens_[k]);
    const Operand value = expression();
    expression_location_ = {};
    const NodeId node = index_operand(value);
    if (line.names.size() != 1)
        fail(*line.at, fmt::format("index gives 1 value, {} named", line.names.size()));
    for (TypeId type : types_after_colon())
        if (type != module_->types.scalar(Dtype::index))
            fail(*line.at, fmt::format("index gives index, not {}", show(type)));
    define(*line.names[0], node);
}

/// `%x[index]`.
Operand Parser::place(Line& line) {
    const Token& at = peek();
    Operand memory{&at, find_value(expect(TokenKind::value, "a pointer or an array")), {}};
    line.operands.push_back(memory);
    expect("[");
    line.operands.push_back(expression());
    expect("]");
    return memory;
}

void Parser::read_memory(Line& line) {
    const bool is_load = line.op == Op::load || line.op == Op::await;
    if (!is_load) {
        line.operands.push_back(operand());
        expect(",");
    }
    const Operand memory = place(line);
    if (!at_line_end() && accept_word("if")) {
        line.operands.push_back(operand());
        if (is_load && !at_line_end() && accept_word("else")) {
            line.operands.push_back(operand());
        } else if (is_load) {
            const Dtype dtype = function_->dtype(memory.node);
            line.operands.push_back({line.at,
                                     literal_node({line.at,
                                                   {},
                                                   {is_float(dtype)           ? "0.0"
                                                    : dtype == Dtype::boolean ? "false"
                                                                              : "0"}},
                                                  module_->types.scalar(dtype)),
                                     {}});
        }
    }
    read_rest(line);
}

void Parser::read_view(Line& line) {
    const Token& at = peek();
    const Operand source{&at, find_value(expect(TokenKind::value, "the value that is viewed")), {}};
    line.operands.push_back(source);
    expect("[");
    line.attributes.map(Key::map, map(function_->dtype(source.node)));
    expect("]");
    read_rest(line);
}

void Parser::read_if(Line& line) {
    line.operands.push_back(operand());
    read_rest(line);
}

// for %k in low .. high step s (%a = initial) {attributes} : types { ... }
void Parser::read_for(Line& line) {
    const Token& index = expect(TokenKind::value, "the loop's index");
    if (!accept_word("in")) fail_expected("in");
    line.operands.push_back(expression());
    expect("..");
    line.operands.push_back(expression());
    const Token& step_at = peek();
    if (accept_word("step"))
        line.operands.push_back(expression());
    else
        line.operands.push_back({&step_at, {}, {"1"}});
    std::vector<const Token*> carried;
    if (accept("(")) {
        do {
            carried.push_back(&expect(TokenKind::value, "a carried value"));
            expect("=");
            line.operands.push_back(operand());
        } while (accept(","));
        expect(")");
    }
    if (at_attributes()) {
        std::vector<Key> allowed;
        for (const OpKey& key : written_keys(line.op)) allowed.push_back(key.key);
        attributes(line.attributes, allowed, "for");
    }
    line.types_at = &peek();
    line.types = types_after_colon();
    if (line.types.empty()) {
        for (std::size_t k = 3; k < line.operands.size(); ++k)
            if (line.operands[k].node.valid()) line.types.push_back((*function_)[line.operands[k].node].type);
    }
    if (line.types.size() != carried.size())
        fail(*line.types_at,
             fmt::format("for: {} types for {} carried values", line.types.size(), carried.size()));
    resolve_literals(line);

    ReadRegion body;
    body.at = &peek();
    expect("{");
    body.id = function_->open_region();
    scopes_.emplace_back();
    define(index, function_->add_region_parameter(module_->types.scalar(Dtype::index)));
    for (std::size_t k = 0; k < carried.size(); ++k)
        define(*carried[k], function_->add_region_parameter(line.types[k]));
    region_lines(body, line.types);
    line.regions.push_back(body);
}

// ---- regions --------------------------------------------------------------------------------------------------------

ReadRegion Parser::region(std::span<const TypeId> yields) {
    ReadRegion read;
    read.at = &peek();
    expect("{");
    read.id = function_->open_region();
    scopes_.emplace_back();
    if (accept("(")) {
        do {
            const Token& name = expect(TokenKind::value, "a parameter");
            expect(":");
            define(name, function_->add_region_parameter(type()));
        } while (accept(","));
        expect(")");
        expect(":");
    }
    region_lines(read, yields);
    return read;
}

/// The rest of a region that was opened, to its end.
void Parser::region_lines(ReadRegion& read, std::span<const TypeId> yields) {
    const Nesting nesting(*this);
    while (!peek().is("}") && !peek().is_word("yield")) op_line();
    read.yield = &peek();
    std::vector<NodeId> values;
    if (accept_word("yield")) {
        while (!at_line_end()) {
            Operand value = operand();
            if (!value.node.valid() && values.size() >= yields.size())
                fail(*value.at, "the dtype of this literal does not follow; name a constant");
            if (!value.node.valid()) value.node = literal_node(value, yields[values.size()]);
            values.push_back(value.node);
            read.yielded.push_back((*function_)[value.node].type);
            if (!accept(",")) break;
        }
        accept(";");
    }
    expect("}");
    function_->close_region(std::move(values));
    scopes_.pop_back();
}

void Parser::read_regions(Line& line) {
    Types& types = module_->types;
    std::vector<TypeId> yields = line.types;
    if (line.op == Op::if_then) {
        line.regions.push_back(region(yields));
        if (!at_line_end() && accept_word("else")) line.regions.push_back(region(yields));
        return;
    }
    if (line.op == Op::reduce) {
        for (TypeId& type : yields) type = types.scalar(types[type].dtype);
        line.regions.push_back(region(yields));
        return;
    }
    if (line.op == Op::while_loop) {
        const TypeId go =
            yields.empty() ? types.scalar(Dtype::boolean) : rank_0_like(types, yields[0], Dtype::boolean);
        line.regions.push_back(region(std::span(&go, 1)));
    } else {
        line.regions.push_back(region(yields));
    }
    line.regions.push_back(region(yields));
}

} // namespace heddle::ir
