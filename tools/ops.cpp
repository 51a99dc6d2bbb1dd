// heddle ops: the op table as text, for the docs.

#include "ir/op.h"
#include "ir/text_rules.h"
#include "tools/commands.h"

#include <fmt/format.h>

#include <memory>

namespace heddle::tools {
namespace {

std::string_view name_of(ir::OpKind kind) {
    switch (kind) {
    case ir::OpKind::elementwise: return "elementwise";
    case ir::OpKind::predicate: return "predicate";
    case ir::OpKind::choice: return "choice";
    case ir::OpKind::convert: return "convert";
    case ir::OpKind::creation: return "creation";
    case ir::OpKind::special: return "special";
    case ir::OpKind::movement: return "movement";
    case ir::OpKind::reduction: return "reduction";
    case ir::OpKind::contraction: return "contraction";
    case ir::OpKind::access: return "access";
    case ir::OpKind::custom: return "custom";
    case ir::OpKind::control: return "control";
    case ir::OpKind::index_math: return "index";
    case ir::OpKind::vector: return "vector";
    case ir::OpKind::position: return "position";
    case ir::OpKind::memory: return "memory";
    case ir::OpKind::synchronise: return "synchronise";
    }
    return {};
}

std::string_view name_of(ir::OpDomain domain) {
    switch (domain) {
    case ir::OpDomain::any: return "any";
    case ir::OpDomain::number: return "numbers";
    case ir::OpDomain::floating: return "floats";
    case ir::OpDomain::integer: return "integers";
    case ir::OpDomain::bits: return "integers, bool";
    case ir::OpDomain::boolean: return "bool";
    }
    return {};
}

std::string_view level_of(ir::Op op) {
    if (ir::is_elementwise(op) || ir::info(op).has(ir::both_levels)) return "both";
    return ir::info(op).has(ir::kernel_level) ? "kernel" : "graph";
}

std::string attributes_of(ir::Op op) {
    std::string result;
    for (const ir::OpKey& key : ir::written_keys(op))
        result +=
            fmt::format("{}{}{}", result.empty() ? "" : ", ", ir::name_of(key.key), key.required ? "" : "?");
    return result;
}

void print_table(bool markdown) {
    if (markdown)
        fmt::print("| op | operands | level | kind | dtypes | attributes | meaning |\n| --- | --- | --- | "
                   "--- | --- | --- | --- |\n");
    for (int k = 0; k < ir::op_count; ++k) {
        const ir::Op op = static_cast<ir::Op>(k);
        const ir::OpInfo& row = ir::info(op);
        const std::string arity = row.arity == ir::variadic ? "n" : fmt::format("{}", row.arity);
        if (markdown)
            fmt::print("| `{}` | {} | {} | {} | {} | {} | {} |\n", row.text, arity, level_of(op),
                       name_of(row.kind), name_of(row.domain), attributes_of(op), row.doc);
        else
            fmt::print("{:<22} {:>2}  {:<7} {:<12} {}\n", row.text, arity, level_of(op), name_of(row.kind),
                       row.doc);
    }
}

} // namespace

void add_ops(CLI::App& app, int& exit_code) {
    CLI::App* command = app.add_subcommand("ops", "Lists the ops of the IR");
    auto markdown = std::make_shared<bool>(false);
    command->add_flag("--markdown", *markdown, "as the table of docs/hir.md");
    command->callback([markdown, &exit_code] {
        print_table(*markdown);
        exit_code = 0;
    });
}

} // namespace heddle::tools
