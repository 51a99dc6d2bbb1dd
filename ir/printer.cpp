#include "ir/printer.h"

#include "ir/lexer.h"
#include "ir/literal.h"
#include "ir/print_plan.h"
#include "ir/text_rules.h"

#include <fmt/format.h>

#include <map>
#include <unordered_set>

namespace heddle::ir {
namespace {

/// Places are numbered as they are met; equal places are one.
class LocationTable {
public:
    explicit LocationTable(const Module& module) : module_(module) {}

    u32 number(LocationId id) {
        if (const auto found = numbers_.find(id.value); found != numbers_.end()) return found->second;
        const Location& place = module_.locations[id.value];
        std::string line =
            fmt::format("{}:{}:{} {}", quoted(place.file), place.line, place.column, quoted(place.function));
        if (place.scope.valid()) line += fmt::format(" in !{}", number(place.scope));
        const auto [entry, fresh] = by_text_.emplace(line, lines_.size() + 1);
        if (fresh) lines_.push_back(line);
        return numbers_[id.value] = entry->second;
    }

    std::string text() const {
        std::string result;
        for (std::size_t k = 0; k < lines_.size(); ++k) result += fmt::format("!{} = {}\n", k + 1, lines_[k]);
        return result;
    }

private:
    const Module& module_;
    std::unordered_map<u32, u32> numbers_;
    std::map<std::string, u32> by_text_;
    std::vector<std::string> lines_;
};

class Printer {
public:
    Printer(const Function& function, const PrintOptions& options, LocationTable& locations)
        : function_(function), module_(function.module()), options_(options), locations_(locations),
          plan_(function, !options.canonical_names), names_(function.size()) {}

    std::string run() {
        header();
        region_body(function_.root());
        if (function_.level() == Level::graph) {
            line("return" + (function_.results().empty() ? "" : " " + values(function_.results())));
        }
        return out_ += "}\n";
    }

    /// After run().
    std::string name_of(NodeId id) {
        if (plan_.is_literal(id)) return literal(id);
        if (function_.type(id).kind == TypeKind::tuple) {
            std::vector<NodeId> results;
            for (u32 k = 0; k < function_.type(id).members.size(); ++k)
                results.push_back(plan_.result(id, k));
            return values(results);
        }
        return names_[id.value].empty() ? std::string() : "%" + names_[id.value];
    }

private:
    const Function& function_;
    Module& module_;
    PrintOptions options_;
    LocationTable& locations_;
    PrintPlan plan_;
    std::vector<std::string> names_;
    std::unordered_set<std::string> taken_;
    std::vector<std::string> visible_; ///< taken names in order, to free a region's at its end
    std::string out_;
    u32 next_number_ = 0;
    int indent_ = 1;

    void line(const std::string& text) {
        out_.append(static_cast<std::size_t>(indent_) * 2, ' ');
        (out_ += text) += '\n';
    }

    // ---- names

    std::string fresh_name(std::string_view wish) {
        std::string name;
        const bool numeric = wish.find_first_not_of("0123456789") == std::string_view::npos;
        if (options_.canonical_names || numeric) {
            do name = fmt::format("{}", next_number_++);
            while (taken_.contains(name));
        } else {
            name = as_name(wish);
            for (u32 k = 1; taken_.contains(name); ++k) name = fmt::format("{}_{}", as_name(wish), k);
        }
        taken_.insert(name);
        visible_.push_back(name);
        return name;
    }

    std::string define(NodeId id) {
        if (!id.valid()) return "%" + fresh_name({});
        names_[id.value] = fresh_name(function_.name_of(id));
        return "%" + names_[id.value];
    }

    void close_scope(std::size_t begin) {
        for (std::size_t k = begin; k < visible_.size(); ++k) taken_.erase(visible_[k]);
        visible_.resize(begin);
    }

    // ---- pieces

    std::string type(TypeId id) const { return text(module_.types, module_.dims, id); }
    std::string dim(DimId id) const { return module_.dims.text(id); }

    template <class List, class Show> static std::string joined(const List& list, Show show) {
        std::string result;
        for (const auto& element : list) {
            if (!result.empty()) result += ", ";
            result += show(element);
        }
        return result;
    }

    std::string dims(std::span<const DimId> list) const {
        return joined(list, [&](DimId id) { return dim(id); });
    }
    std::string types(std::span<const TypeId> list) const {
        return joined(list, [&](TypeId id) { return type(id); });
    }
    std::string values(std::span<const NodeId> list) {
        return joined(list, [&](NodeId id) { return value(id); });
    }

    std::string literal(NodeId id) const {
        return literal_text(function_.dtype(id), plan_.literal_value(id));
    }

    std::string value(NodeId id) {
        if (!id.valid() || id.value >= names_.size()) return "%invalid";
        // Regions may each have a `result` node of their own for one result.
        if (function_.op(id) == Op::result)
            id = plan_.result(function_.operand(id, 0), static_cast<u32>(function_.integer(id, Key::at)));
        if (!id.valid()) return "%invalid";
        if (plan_.is_literal(id)) return literal(id);
        if (plan_.is_expression(id)) return expression(id);
        if (names_[id.value].empty()) return fmt::format("%undefined_{}", id.value);
        return "%" + names_[id.value];
    }

    /// Index arithmetic. An operand that is itself infix gets parentheses where it binds less tightly.
    std::string expression(NodeId id) {
        const Op op = function_.op(id);
        const NodeId left = function_.operand(id, 0), right = function_.operand(id, 1);
        if (op == Op::minimum || op == Op::maximum)
            return fmt::format("{}({}, {})", op == Op::minimum ? "min" : "max", value(left), value(right));
        const char mark = op == Op::add   ? '+'
                          : op == Op::sub ? '-'
                          : op == Op::mul ? '*'
                          : op == Op::div ? '/'
                                          : '%';
        const int level = precedence(op);
        return fmt::format("{} {} {}", inner(left, level), mark, inner(right, level + 1));
    }

    static int precedence(Op op) {
        return op == Op::add || op == Op::sub ? 1 : op == Op::minimum || op == Op::maximum ? 3 : 2;
    }

    std::string inner(NodeId id, int least) {
        const bool loose = id.valid() && id.value < names_.size() && plan_.is_expression(id) &&
                           precedence(function_.op(id)) < least;
        return loose ? "(" + value(id) + ")" : value(id);
    }

    // ---- attributes

    std::string words(std::span<const i64> payload) const {
        return joined(payload,
                      [&](i64 word) { return std::string(module_.words[WordId{static_cast<u32>(word)}]); });
    }

    static std::string integers(std::span<const i64> list) {
        return joined(list, [](i64 value) { return fmt::format("{}", value); });
    }

    std::string attribute(Key key, std::span<const i64> payload) {
        if (key == Key::contract || key == Key::batch) {
            const std::size_t half = payload.size() / 2;
            return fmt::format("[[{}], [{}]]", integers(payload.first(half)),
                               integers(payload.subspan(half)));
        }
        if (key == Key::inplace) return inplace(payload);
        switch (form_of(key)) {
        case AttributeForm::integer: return integers(payload);
        case AttributeForm::integers: return "[" + integers(payload) + "]";
        case AttributeForm::dim: return dim(DimId{static_cast<u32>(payload[0])});
        case AttributeForm::dims: {
            auto show = [&](i64 word) { return dim(DimId{static_cast<u32>(word)}); };
            return "[" + joined(payload, show) + "]";
        }
        case AttributeForm::word:
        case AttributeForm::text: return words(payload);
        case AttributeForm::words: return "[" + words(payload) + "]";
        case AttributeForm::type: return type(TypeId{static_cast<u32>(payload[0])});
        case AttributeForm::map:
        case AttributeForm::bits: return integers(payload);
        case AttributeForm::flag: return payload[0] ? "true" : "false";
        }
        return {};
    }

    std::string inplace(std::span<const i64> payload) {
        std::string result;
        for (std::size_t k = 0; k + 1 < payload.size(); k += 2) {
            auto parameter = [&](i64 at) {
                return value(function_.parameters().at(static_cast<std::size_t>(at)));
            };
            result +=
                fmt::format("{}[{}, {}]", k ? ", " : "", parameter(payload[k]), parameter(payload[k + 1]));
        }
        return "[" + result + "]";
    }

    std::string attributes(AttributesId id, Op op, bool all = false) {
        std::string result;
        for (Key key : module_.attributes.keys(id)) {
            if (!all && is_implied(op, key)) continue;
            result += result.empty() ? " {" : ", ";
            result +=
                fmt::format("{} = {}", ir::name_of(key), attribute(key, module_.attributes.payload(id, key)));
        }
        return result.empty() ? result : result + "}";
    }

    std::string map_text(const IndexMap& map, Dtype dtype) const {
        std::string result;
        for (u32 k = 0; k < map.axes; ++k) result += fmt::format("{}d{}", k ? ", " : "", k);
        result += result.empty() ? "->" : " ->";
        if (!map.results.empty()) result += " " + dims(map.results);
        for (std::size_t k = 0; k < map.valid.size(); ++k)
            result += fmt::format(" {} 0 <= {} < {}", k ? "and" : "where", dim(map.valid[k].value),
                                  dim(map.valid[k].extent));
        if (!map.valid.empty()) result += " else " + literal_text(dtype, map.fill);
        return result;
    }

    // ---- functions

    std::string parameter(NodeId id) {
        std::string result = define(id) + ": " + type(function_[id].type);
        if (function_.has(id, Key::size)) {
            const std::string size = dim(DimId{static_cast<u32>(function_.integer(id, Key::size))});
            result +=
                function_.type(id).kind == TypeKind::magic ? fmt::format(" = magic({})", size) : " = " + size;
        }
        return result + attributes(function_[id].attributes, Op::parameter);
    }

    void header() {
        const bool graph = function_.level() == Level::graph;
        out_ = fmt::format("{} @{}(", graph ? "func" : "kernel", as_name(function_.name()));
        out_ += joined(function_.parameters(), [&](NodeId id) { return parameter(id); }) + ")";
        if (graph) {
            std::vector<TypeId> results;
            for (NodeId id : function_.results())
                results.push_back(id.valid() && id.value < names_.size() ? function_[id].type
                                                                         : module_.types.nothing());
            out_ += results.size() == 1 ? " -> " + type(results[0]) : " -> (" + types(results) + ")";
        }
        out_ += attributes(function_.attributes, Op::constant, true);
        std::string facts = joined(function_.facts, [&](const Fact& fact) { return this->fact(fact); });
        for (const auto& [pointer, bytes] : function_.aligned) {
            if (!facts.empty()) facts += ", ";
            facts += fmt::format("aligned({}, {})", value(pointer), bytes);
        }
        if (!facts.empty()) out_ += (graph ? " where " : " when ") + facts;
        out_ += " {\n";
    }

    std::string fact(const Fact& fact) const {
        std::string_view relation;
        switch (fact.relation) {
        case Relation::equal: relation = "=="; break;
        case Relation::not_equal: relation = "!="; break;
        case Relation::less: relation = "<"; break;
        case Relation::less_equal: relation = "<="; break;
        }
        return fmt::format("{} {} {}", dim(fact.left), relation, dim(fact.right));
    }

    // ---- ops

    void region_body(RegionId id) {
        for (NodeId node : function_.region(id).body)
            if (!plan_.is_inline(node)) op(node);
    }

    /// `{ ... }` with its parameters, if any; the text continues on the closing line.
    void region(RegionId id) {
        const Region& region = function_.region(id);
        const std::size_t scope = visible_.size();
        if (!region.parameters.empty()) {
            auto show = [&](NodeId node) { return define(node) + ": " + type(function_[node].type); };
            out_ += "{ (" + joined(region.parameters, show) + "):\n";
        } else {
            out_ += "{\n";
        }
        region_contents(region, id, scope);
    }

    void region_contents(const Region& region, RegionId id, std::size_t scope) {
        ++indent_;
        region_body(id);
        if (!region.yields.empty()) line("yield " + values(region.yields));
        --indent_;
        out_.append(static_cast<std::size_t>(indent_) * 2, ' ');
        out_ += "}";
        close_scope(scope);
    }

    void op(NodeId id) {
        if (function_.op(id) == Op::for_loop) return loop(id);
        const std::string text = body(id); // before the results are named: they are not visible in it
        out_.append(static_cast<std::size_t>(indent_) * 2, ' ');
        out_ += define_results(id) + text;
        for (u32 k = 0; k < function_[id].region_count; ++k) {
            out_ += k && function_.op(id) == Op::if_then ? " else " : " ";
            region(RegionId{function_[id].first_region.value + k});
        }
        finish(id);
    }

    std::string define_results(NodeId id) {
        const std::size_t count = result_types(module_.types, function_[id].type).size();
        if (count == 0) return {};
        if (function_.type(id).kind != TypeKind::tuple) return define(id) + " = ";
        std::string result;
        for (u32 k = 0; k < count; ++k) result += (k ? ", " : "") + define(plan_.result(id, k));
        return result + " = ";
    }

    std::string type_suffix(NodeId id) const {
        const std::vector<TypeId> list = result_types(module_.types, function_[id].type);
        if (list.empty() || (function_.level() == Level::kernel && !needs_type(function_.op(id)))) return {};
        return " : " + types(list);
    }

    void finish(NodeId id) {
        if (options_.locations && function_[id].location.valid())
            out_ += fmt::format(" !{}", locations_.number(function_[id].location));
        out_ += '\n';
    }

    std::string memory(NodeId place, NodeId index) {
        return fmt::format("{}[{}]", value(place), value(index));
    }

    /// The op's word, operands, attributes and types.
    std::string body(NodeId id) {
        const Op op = function_.op(id);
        std::string text(info(op).text);
        const std::span<const NodeId> operands = function_.operands(id);
        if (op == Op::load || op == Op::await) {
            text += " " + memory(operands[0], operands[1]);
            if (operands.size() > 3)
                text += fmt::format(" if {} else {}", value(operands[2]), value(operands[3]));
        } else if (op == Op::store || op == Op::publish) {
            text += fmt::format(" {}, {}", value(operands[0]), memory(operands[1], operands[2]));
            if (operands.size() > 3) text += " if " + value(operands[3]);
        } else if (op == Op::constant) {
            text += " " + constant(id);
        } else if (op == Op::grid_index) {
            text += fmt::format(" {}", function_.integer(id, Key::at));
        } else if (op == Op::view) {
            const IndexMap& map = module_[MapId{static_cast<u32>(function_.integer(id, Key::map))}];
            text += fmt::format(" {}[{}]", value(operands[0]), map_text(map, function_.dtype(id)));
        } else if (is_infix(op) && function_.level() == Level::kernel && is_index_scalar(id)) {
            text = "index " + expression(id);
        } else if (!operands.empty()) {
            text += " " + values(operands);
        }
        return text + attributes(function_[id].attributes, op) + type_suffix(id);
    }

    bool is_index_scalar(NodeId id) const {
        return function_.type(id).is_scalar() && function_.dtype(id) == Dtype::index;
    }

    std::string constant(NodeId id) const {
        const std::span<const i64> elements = function_.payload(id, Key::value);
        const Type& type = function_.type(id);
        auto show = [&](i64 bits) { return literal_text(type.dtype, static_cast<u64>(bits)); };
        if (type.shape.empty() && elements.size() == 1) return show(elements[0]);
        return "[" + joined(elements, show) + "]";
    }

    void loop(NodeId id) {
        const std::span<const NodeId> operands = function_.operands(id);
        const RegionId body_id = function_[id].first_region;
        const Region& body = function_.region(body_id);
        std::string range = fmt::format("{} .. {}", value(operands[0]), value(operands[1]));
        const bool unit = plan_.is_literal(operands[2]) && plan_.literal_value(operands[2]) == 1;
        if (!unit) range += " step " + value(operands[2]);
        std::vector<std::string> initial;
        for (NodeId operand : operands.subspan(3)) initial.push_back(value(operand));

        out_.append(static_cast<std::size_t>(indent_) * 2, ' ');
        out_ += define_results(id);
        const std::size_t scope = visible_.size();
        out_ += fmt::format("for {} in {}", define(body.parameters.at(0)), range);
        std::string carried;
        for (std::size_t k = 0; k < initial.size(); ++k)
            carried += fmt::format("{}{} = {}", k ? ", " : "", define(body.parameters.at(k + 1)), initial[k]);
        if (!carried.empty()) out_ += " (" + carried + ")";
        out_ += attributes(function_[id].attributes, Op::for_loop) + type_suffix(id) + " {\n";
        region_contents(body, body_id, scope);
        finish(id);
    }
};

} // namespace

std::string print(const Function& function, const PrintOptions& options) {
    LocationTable locations(function.module());
    std::string result = Printer(function, options, locations).run();
    return result + locations.text();
}

std::string print(const Module& module, const PrintOptions& options) {
    LocationTable locations(module);
    std::string result;
    for (const auto& function : module.functions) {
        if (!result.empty()) result += '\n';
        result += Printer(*function, options, locations).run();
    }
    const std::string places = locations.text();
    return places.empty() ? result : result + '\n' + places;
}

std::string value_name(const Function& function, NodeId id) {
    return value_names(function, std::span(&id, 1)).front();
}

std::vector<std::string> value_names(const Function& function, std::span<const NodeId> ids) {
    if (ids.empty()) return {};
    LocationTable locations(function.module());
    Printer printer(function, {}, locations);
    printer.run();
    std::vector<std::string> names;
    for (NodeId id : ids) names.push_back(printer.name_of(id));
    return names;
}

} // namespace heddle::ir
