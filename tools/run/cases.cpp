#include "tools/run/cases.h"

#include "ir/literal.h"
#include "tools/run/npy.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <map>

namespace heddle::tools {
namespace {

constexpr i64 default_sizes[2][4] = {{256, 24, 10, 6}, {1001, 37, 11, 7}};

/// `file:line` of a function.
std::string place_of(const CaseOptions& options, std::string_view function) {
    const std::vector<ir::Token> tokens = ir::tokenize(options.text, options.file);
    for (std::size_t k = 1; k < tokens.size(); ++k)
        if (tokens[k].kind == ir::TokenKind::function && tokens[k].text == function &&
            tokens[k - 1].is_word("func"))
            return fmt::format("{}:{}", options.file, tokens[k].line);
    return options.file;
}

double machine_memory() {
    return static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

/// Fills one case in from a directive and a set of sizes.
class CaseMaker {
public:
    CaseMaker(const ir::Function& function, const CaseOptions& options, u64 seed)
        : function_(function), dims_(function.module().dims), options_(options), random_(seed),
          symbols_(dims_.symbol_count(), 0), is_set_(dims_.symbol_count(), false) {
        for (ir::NodeId parameter : function_.parameters())
            for (ir::DimId size : shape_of(parameter))
                if (const auto symbol = symbol_of(size))
                    is_set_[*symbol] = false, declared_.push_back(*symbol);
    }

    /// `arguments` is empty, or has one for each parameter; `fallback`: which of the default sizes symbols get that nothing sets.
    RunCase make(const RunDirective& directive, const SizeSet& sizes, int fallback) {
        const auto& arguments = directive.arguments;
        if (!directive.function.empty()) directive_ = &directive;
        if (directive.has_arguments && arguments.size() != function_.parameters().size())
            fail(directive.token, fmt::format("@{} has {} parameters, given {}", function_.name(),
                                              function_.parameters().size(), arguments.size()));
        for (std::size_t k = 0; k < arguments.size(); ++k)
            if (arguments[k].values) bind(function_.parameters()[k], *arguments[k].values);
        set(sizes);
        set_defaults(fallback);
        check_sizes(symbols_);
        for (std::size_t k = 0; k < function_.parameters().size(); ++k)
            add(function_.parameters()[k], directive.has_arguments ? arguments[k] : RunArgument{});
        if (!directive.expected.empty()) add_expected(directive);
        result_.ulps = directive.ulps;
        return finish();
    }

    RunCase make_from_files() {
        const auto& parameters = function_.parameters();
        if (options_.inputs.size() != parameters.size())
            refuse(fmt::format("@{} has {} parameters, given {} files", function_.name(), parameters.size(),
                               options_.inputs.size()));
        for (std::size_t k = 0; k < parameters.size(); ++k) {
            ir::Tensor tensor = read_npy(options_.inputs[k]);
            const ir::Type& wanted = function_.type(parameters[k]);
            if (tensor.dtype != wanted.dtype || tensor.shape.size() != wanted.shape.size())
                throw UsageError(fmt::format("{}: {} of rank {}, but %{} of @{} is {}", options_.inputs[k],
                                             name_of(tensor.dtype), tensor.shape.size(),
                                             function_.name_of(parameters[k]), function_.name(),
                                             type_text(parameters[k])));
            give(parameters[k], std::move(tensor));
        }
        return finish();
    }

private:
    [[noreturn]] void fail(const ir::Token& token, std::string_view message) const {
        ir::fail_at(options_.file, token, message);
    }
    /// At the directive, or for the whole file without one.
    [[noreturn]] void refuse(std::string_view message) const {
        if (directive_ != nullptr) fail(directive_->token, message);
        throw UsageError(fmt::format("{}: {}", place_of(options_, function_.name()), message));
    }

    std::span<const ir::DimId> shape_of(ir::NodeId parameter) const { return function_.shape(parameter); }
    std::string type_text(ir::NodeId node) const {
        return ir::text(function_.module().types, dims_, function_[node].type);
    }
    std::optional<u32> symbol_of(ir::DimId size) const {
        const std::span<const ir::Term> terms = dims_.terms(size);
        if (terms.size() != 1 || terms[0].coefficient != 1 || terms[0].atoms.size() != 1) return std::nullopt;
        const ir::Atom& atom = dims_.atom(terms[0].atoms[0]);
        return atom.kind == ir::AtomKind::symbol ? std::optional(atom.index) : std::nullopt;
    }

    void set_symbol(u32 symbol, i64 value) {
        symbols_[symbol] = value;
        is_set_[symbol] = true;
    }

    void bind(ir::NodeId parameter, const WrittenArray& values) {
        const std::span<const ir::DimId> shape = shape_of(parameter);
        if (shape.size() != values.shape.size())
            fail(values.token, fmt::format("%{} is {}, given rank {}", function_.name_of(parameter),
                                           type_text(parameter), values.shape.size()));
        for (std::size_t k = 0; k < shape.size(); ++k)
            if (const auto symbol = symbol_of(shape[k])) set_symbol(*symbol, values.shape[k]);
    }

    void set(const SizeSet& sizes) {
        for (const auto& [name, value] : sizes) {
            const auto symbol =
                std::ranges::find(declared_, name, [&](u32 s) { return dims_.symbol_name(s); });
            if (symbol == declared_.end()) refuse(fmt::format("@{} has no size ?{}", function_.name(), name));
            set_symbol(*symbol, value);
            sizes_text_ += fmt::format("{}?{} = {}", sizes_text_.empty() ? "" : ", ", name, value);
        }
    }

    void set_defaults(int fallback) {
        std::size_t next = 0;
        for (u32 symbol : declared_) {
            if (is_set_[symbol]) continue;
            set({{std::string(dims_.symbol_name(symbol)),
                  default_sizes[fallback][std::min<std::size_t>(next++, 3)]}});
        }
    }

    /// Refuses arrays larger than this machine's memory before any is made: asking for one may end the program.
    void check_sizes(const std::vector<i64>& symbols) const {
        for (ir::NodeId parameter : function_.parameters()) check_size(parameter, symbols);
        for (ir::NodeId node : ir::live_nodes(function_)) check_size(node, symbols);
    }

    void check_size(ir::NodeId node, const std::vector<i64>& symbols) const {
        double bytes = sizeof(u64); // what an element of any dtype takes in the interpreter
        try {
            for (ir::DimId size : shape_of(node)) bytes *= static_cast<double>(dims_.evaluate(size, symbols));
        } catch (const ShapeError& error) {
            refuse(fmt::format("@{}: {} of {}: {}", function_.name(), ir::info(function_.op(node)).text,
                               type_text(node), error.what()));
        }
        if (bytes > machine_memory())
            refuse(fmt::format("@{}: the sizes need more memory than there is: {} takes {:.3g} GiB",
                               function_.name(), type_text(node), bytes / (1 << 30)));
    }

    std::vector<i64> sizes_of(ir::NodeId node) const {
        std::vector<i64> sizes;
        for (ir::DimId size : shape_of(node)) sizes.push_back(dims_.evaluate(size, symbols_));
        return sizes;
    }

    ir::Tensor tensor_of(const WrittenArray& values, Dtype dtype) const {
        ir::Tensor tensor{dtype, values.shape, {}};
        for (const auto& [literal, token] : values.elements) {
            const std::optional<u64> bits = ir::literal_bits(dtype, literal);
            if (!bits)
                fail(token, fmt::format("{}{} is no {}", literal.negative ? "-" : "", literal.digits,
                                        name_of(dtype)));
            tensor.elements.push_back(*bits);
        }
        return tensor;
    }

    void add(ir::NodeId parameter, const RunArgument& argument) {
        const Dtype dtype = function_.dtype(parameter);
        if (argument.values) return give(parameter, tensor_of(*argument.values, dtype));
        std::optional<Range> range;
        if (argument.range)
            range = Range{tensor_of(argument.range->first, dtype).elements[0],
                          tensor_of(argument.range->second, dtype).elements[0]};
        give(parameter, random_tensor(dtype, sizes_of(parameter), range, random_));
    }

    void give(ir::NodeId parameter, ir::Tensor tensor) {
        if (!function_.has(parameter, ir::Key::number)) return result_.inputs.push_back(std::move(tensor));
        const auto number = static_cast<std::size_t>(function_.integer(parameter, ir::Key::number));
        if (result_.numbers.size() <= number) result_.numbers.resize(number + 1);
        result_.numbers[number] = tensor.elements[0];
    }

    void add_expected(const RunDirective& directive) {
        const auto& results = function_.results();
        if (directive.expected.size() != results.size())
            fail(directive.expected[0].token, fmt::format("@{} has {} results, given {}", function_.name(),
                                                          results.size(), directive.expected.size()));
        for (std::size_t k = 0; k < results.size(); ++k)
            result_.expected.push_back(tensor_of(directive.expected[k], function_.dtype(results[k])));
    }

    /// Files whose sizes do not fit each other, with both files named.
    void check_files() const {
        std::map<u32, std::pair<i64, std::size_t>> known; // by symbol: its size, and the input that says so
        std::size_t next = 0;
        for (std::size_t k = 0; k < options_.inputs.size(); ++k) {
            const ir::NodeId parameter = function_.parameters()[k];
            if (function_.has(parameter, ir::Key::number)) continue;
            const std::vector<i64>& shape = result_.inputs[next++].shape;
            for (std::size_t axis = 0; axis < shape.size(); ++axis) {
                const auto symbol = symbol_of(shape_of(parameter)[axis]);
                if (!symbol) continue;
                const auto [size, by] = known.try_emplace(*symbol, shape[axis], k).first->second;
                if (size != shape[axis])
                    refuse(fmt::format("@{}: input {} ({}): axis {} is {}, but ?{} is {} by input {} ({})",
                                       function_.name(), k, options_.inputs[k], axis, shape[axis],
                                       dims_.symbol_name(*symbol), size, by, options_.inputs[by]));
            }
        }
    }

    RunCase finish() {
        std::vector<std::vector<i64>> shapes;
        for (const ir::Tensor& input : result_.inputs) shapes.push_back(input.shape);
        check_files();
        try {
            result_.symbols = ir::bind_symbols(function_, shapes);
        } catch (const ShapeError& error) {
            refuse(error.what());
        }
        for (const ir::Fact& fact : function_.facts)
            if (!dims_.holds(fact, result_.symbols))
                refuse(fmt::format("@{}: the sizes break '{}'", function_.name(), dims_.text(fact)));
        for (std::size_t k = 0; k < function_.results().size(); ++k)
            for (ir::DimId size : function_.shape(function_.results()[k]))
                if (const i64 value = dims_.evaluate(size, result_.symbols); value < 0)
                    refuse(fmt::format("@{}: the sizes give result {} the negative size {}", function_.name(),
                                       k, value));
        result_.function = &function_;
        check_sizes(result_.symbols);
        result_.where = options_.file;
        result_.place = directive_ != nullptr ? fmt::format("{}:{}", options_.file, directive_->token.line)
                                              : place_of(options_, function_.name());
        result_.description =
            "@" + function_.name() + (sizes_text_.empty() ? "" : fmt::format(" ({})", sizes_text_));
        return std::move(result_);
    }

    const ir::Function& function_;
    const ir::Dims& dims_;
    const CaseOptions& options_;
    const RunDirective* directive_ = nullptr;
    Random random_;
    std::vector<i64> symbols_;
    std::vector<bool> is_set_;
    std::vector<u32> declared_;
    std::string sizes_text_;
    RunCase result_;
};

const ir::Function* find(const ir::Module& module, std::string_view name) {
    for (const auto& function : module.functions)
        if (function->level() == ir::Level::graph && function->name() == name) return function.get();
    return nullptr;
}

/// The case of a function that runs as the options say.
RunCase case_of_options(const ir::Function& function, const CaseOptions& options, u64 seed, int fallback) {
    CaseMaker maker(function, options, seed);
    if (!options.inputs.empty()) return maker.make_from_files();
    return maker.make({}, options.sizes, fallback);
}

void add_directive(const ir::Module& module, const RunDirective& directive, const CaseOptions& options,
                   std::vector<RunCase>& cases) {
    const ir::Function* function = find(module, directive.function);
    if (function == nullptr)
        ir::fail_at(options.file, directive.token, fmt::format("there is no func @{}", directive.function));
    std::vector<SizeSet> sets = directive.sizes;
    const bool is_random = !directive.has_arguments ||
                           std::ranges::any_of(directive.arguments, [](const auto& a) { return !a.values; });
    int fallback = 0;
    if (sets.empty()) sets.resize(is_random && !function->parameters().empty() ? 2 : 1);
    for (const SizeSet& sizes : sets) {
        CaseMaker maker(*function, options, options.seed + cases.size());
        cases.push_back(maker.make(directive, sizes, fallback));
        cases.back().where += fmt::format(":{}", directive.token.line);
        if (directive.sizes.empty()) fallback = 1;
    }
}

} // namespace

SizeSet parse_sizes(const std::vector<std::string>& texts) {
    SizeSet sizes;
    for (const std::string& text : texts) {
        const std::size_t equals = std::min(text.find('='), text.size());
        i64 value = -1;
        const char* end = text.data() + text.size();
        if (equals < text.size()) {
            const auto read = std::from_chars(text.data() + equals + 1, end, value);
            if (read.ec != std::errc{} || read.ptr != end) value = -1;
        }
        if (equals == 0 || value < 0) throw UsageError(fmt::format("--size {}: expected NAME=NUMBER", text));
        sizes.emplace_back(text.substr(text[0] == '?' ? 1 : 0, equals - (text[0] == '?' ? 1 : 0)), value);
    }
    return sizes;
}

std::vector<RunCase> make_cases(const ir::Module& module, const CaseOptions& options) {
    if (!options.function.empty() && find(module, options.function) == nullptr)
        throw UsageError(fmt::format("{}: there is no func @{}", options.file, options.function));
    std::vector<RunCase> cases;
    std::string storage;
    const std::vector<RunDirective> directives =
        parse_directives(std::string(options.text), options.file, storage);
    const bool are_replaced = !options.inputs.empty() || !options.sizes.empty();
    for (const RunDirective& directive : directives)
        if (!are_replaced && (options.function.empty() || directive.function == options.function))
            add_directive(module, directive, options, cases);
    for (const auto& function : module.functions) {
        if (function->level() != ir::Level::graph) continue;
        if (!options.function.empty() && function->name() != options.function) continue;
        if (!are_replaced &&
            std::ranges::find(directives, function->name(), &RunDirective::function) != directives.end())
            continue;
        const bool is_single = are_replaced || function->parameters().empty();
        for (int k = 0; k < (is_single ? 1 : 2); ++k) {
            cases.push_back(case_of_options(*function, options, options.seed + cases.size(), k));
        }
    }
    if (cases.empty()) throw UsageError(options.file + ": there is no func to run");
    return cases;
}

} // namespace heddle::tools
