#include "ir/op.h"

#include <array>
#include <unordered_map>

namespace heddle::ir {
namespace {

constexpr u16 none = trait_none;

constexpr OpInfo table[] = {
#define OP(id, text, arity, kind, domain, traits)                                                            \
    OpInfo{text, "", arity, OpKind::kind, OpDomain::domain, static_cast<u16>(traits), 0},
#include "ir/ops.def"
};

constexpr u8 costs[] = {
#define COST(n) n,
#include "ir/ops.def"
};

constexpr std::string_view docs[] = {
#define DOC(text) text,
#include "ir/ops.def"
};

static_assert(std::size(costs) == op_count && std::size(docs) == op_count,
              "every row has a cost and a doc line");

constexpr std::array<OpInfo, op_count> complete_table() {
    std::array<OpInfo, op_count> rows{};
    for (int i = 0; i < op_count; ++i) {
        rows[i] = table[i];
        rows[i].cost = costs[i];
        rows[i].doc = docs[i];
    }
    return rows;
}

constexpr std::array<OpInfo, op_count> rows = complete_table();

} // namespace

const OpInfo& info(Op op) { return rows[static_cast<std::size_t>(op)]; }

std::optional<Op> op_named(std::string_view text) {
    static const auto names = [] {
        std::unordered_map<std::string_view, Op> map;
        for (int i = 0; i < op_count; ++i) map.emplace(rows[i].text, static_cast<Op>(i));
        return map;
    }();
    auto found = names.find(text);
    if (found == names.end()) return std::nullopt;
    return found->second;
}

} // namespace heddle::ir
