#pragma once
// The parser's state, private to parse_*.cpp: one pass over the tokens by recursive descent, that makes nodes as it reads.
// Literals wait until their op is read, because their dtype follows from the other operands or the written type.

#include "ir/function.h"
#include "ir/lexer.h"
#include "ir/literal.h"
#include "ir/parser.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <unordered_map>
#include <unordered_set>

namespace heddle::ir {

/// A value or, while `node` is invalid, a literal.
struct Operand {
    const Token* at = nullptr;
    NodeId node;
    Literal literal;
};

/// A body that was read, with the tokens that messages about it point to.
struct ReadRegion {
    RegionId id;
    const Token* at = nullptr;
    const Token* yield = nullptr;
    std::vector<TypeId> yielded;
};

/// One op, as it is read.
struct Line {
    const Token* at = nullptr; ///< the op's word
    Op op = Op::constant;
    std::vector<const Token*> names;
    std::vector<Operand> operands;
    AttributeList attributes;
    std::vector<TypeId> types;
    const Token* types_at = nullptr;
    std::vector<ReadRegion> regions;
};

class Parser {
public:
    Parser(std::string_view text, std::string_view file, TextPlaces* places);
    std::unique_ptr<Module> run();

private:
    // ---- tokens (parser.cpp)
    const Token& peek(std::size_t ahead = 0) const;
    const Token& take();
    bool accept(std::string_view mark);
    bool accept_word(std::string_view word);
    const Token& expect(std::string_view mark);
    const Token& expect(TokenKind kind, std::string_view what);
    /// True where a line of a body is over: a new line, `;`, `}` or the end.
    bool at_line_end() const;
    [[noreturn]] void fail(const Token& at, std::string_view message) const { fail_at(file_, at, message); }
    [[noreturn]] void fail_expected(std::string_view what) const;
    /// Runs `make`; its errors without a place become errors at `at`.
    template <class Make> auto located(const Token& at, Make make);

    /// Guards recursion against text that nests without end.
    class Nesting {
    public:
        explicit Nesting(Parser& parser);
        ~Nesting() { --parser_.nesting_; }

    private:
        Parser& parser_;
    };

    // ---- items (parser.cpp)
    void read_locations();
    LocationId location_numbered(const Token& at);
    void function_item();
    void parameter();
    void check_parameter(const Token& at, TypeId type, const AttributeList& attributes);
    std::vector<TypeId> result_list();
    void facts();
    void fact();
    void check_symbols();
    void function_results(std::span<const TypeId> declared);
    void location_item();

    // ---- parts (parse_parts.cpp)
    i64 signed_integer();
    DimId dim();
    DimId dim_product();
    DimId dim_atom();
    DimId dim_call(const Token& name);
    DimId dim_of_parameter(const Token& name);
    std::vector<DimId> dim_list();
    Dtype dtype();
    TypeId type();
    std::vector<TypeId> types_after_colon();
    bool at_literal() const;
    Literal literal();
    u64 bits_of_literal(const Token& at, Dtype dtype, const Literal& literal) const;
    bool at_attributes() const;
    void attributes(AttributeList& list, std::span<const Key> allowed, std::string_view owner);
    void attribute(AttributeList& list, Key key);
    std::vector<i64> integer_list(Key key);
    std::vector<i64> inplace_list();
    std::vector<i64> word_list(Key key);
    WordId word(Key key);
    MapId map(Dtype dtype);
    LocationId location_reference();

    // ---- ops (parse_ops.cpp)
    void op_line();
    void read_operands(Line& line);
    void read_constant(Line& line);
    void read_index(Line& line);
    void read_memory(Line& line);
    void read_view(Line& line);
    void read_for(Line& line);
    void read_if(Line& line);
    void read_rest(Line& line);
    Operand operand();
    Operand place(Line& line);
    Operand expression();
    Operand expression_product();
    Operand expression_atom();
    Operand infix(const Token& at, Op op, const Operand& left, const Operand& right);
    NodeId index_operand(const Operand& operand);
    ReadRegion region(std::span<const TypeId> yields);
    void region_lines(ReadRegion& read, std::span<const TypeId> yields);
    void read_regions(Line& line);

    // ---- making nodes (parse_make.cpp)
    void resolve_literals(Line& line);
    NodeId literal_node(const Operand& operand, TypeId type);
    void implied_attributes(Line& line);
    void check_level(const Line& line) const;
    void check_required(const Line& line) const;
    TypeId type_of(Line& line);
    TypeId written_type(const Line& line) const;
    void check_regions(const Line& line);
    void check_region(const Line& line, std::size_t k, std::span<const TypeId> parameters,
                      std::span<const TypeId> yields);
    NodeId make(Line& line, LocationId location);
    void bind_results(const Line& line, NodeId node);
    bool same_type(TypeId a, TypeId b) const;
    std::string show(TypeId type) const;
    std::string show(std::span<const TypeId> types) const;

    // ---- names
    NodeId find_value(const Token& name) const;
    void define(const Token& name, NodeId node);

    std::string_view file_;
    std::vector<Token> tokens_;
    std::size_t at_ = 0;
    TextPlaces* places_;
    int nesting_ = 0;
    std::unique_ptr<Module> module_;
    Function* function_ = nullptr;
    std::vector<std::unordered_map<std::string_view, NodeId>> scopes_;
    std::vector<std::string_view> axes_; ///< names of a map's axes, while it is read
    bool in_parameters_ = false;         ///< sizes that are bare symbols declare them here
    bool in_body_ = false;
    LocationId expression_location_; ///< of index arithmetic, while it is read
    std::unordered_set<std::string_view> declared_symbols_;
    std::vector<const Token*> used_symbols_;
    std::unordered_map<std::string_view, std::size_t>
        location_tokens_; ///< number to the token of its definition
    std::unordered_map<std::string_view, LocationId> locations_;
};

template <class Make> auto Parser::located(const Token& at, Make make) {
    try {
        return make();
    } catch (const ParseError&) {
        throw;
    } catch (const Error& error) {
        fail(at, error.what());
    }
}

} // namespace heddle::ir
