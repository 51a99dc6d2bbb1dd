// Size expressions as text, in a form that parses back.

#include "ir/dims_impl.h"

#include <fmt/format.h>

namespace heddle::ir {

/// `operand`: it stands beside *, / or %, so a quotient or remainder to the left needs no parentheses but one to the right does.
std::string Dims::text(AtomId id, bool operand) const {
    const Atom& atom = impl_->atoms[id.value];
    auto factor = [&](DimId side) {
        const auto& entry = impl_->entries[side.value];
        const bool single = entry.constant ? *entry.constant >= 0
                                           : entry.terms.size() == 1 && entry.terms[0].coefficient == 1 && entry.terms[0].atoms.size() == 1 &&
                                                 impl_->atoms[entry.terms[0].atoms[0].value].kind <= AtomKind::axis;
        return single ? text(side) : "(" + text(side) + ")";
    };
    switch (atom.kind) {
    case AtomKind::symbol: return "?" + impl_->symbols[atom.index];
    case AtomKind::axis: return fmt::format("d{}", atom.index);
    case AtomKind::divide:
    case AtomKind::modulo: {
        const std::string body = fmt::format("{} {} {}", factor(atom.left), atom.kind == AtomKind::divide ? "/" : "%", factor(atom.right));
        return operand ? "(" + body + ")" : body;
    }
    case AtomKind::minimum: return fmt::format("min({}, {})", text(atom.left), text(atom.right));
    case AtomKind::maximum: return fmt::format("max({}, {})", text(atom.left), text(atom.right));
    }
    return {};
}

std::string Dims::text(DimId id) const {
    const Impl::Entry& entry = impl_->entries[id.value];
    if (entry.constant) return std::to_string(*entry.constant);
    std::string result;
    // The constant term comes last.
    std::vector<const Term*> order;
    for (const Term& term : entry.terms)
        if (!term.atoms.empty()) order.push_back(&term);
    for (const Term& term : entry.terms)
        if (term.atoms.empty()) order.push_back(&term);
    for (const Term* term : order) {
        const bool negative = term->coefficient < 0 && !result.empty();
        if (!result.empty()) result += negative ? " - " : " + ";
        const i64 coefficient = negative ? -term->coefficient : term->coefficient;
        std::string product;
        const bool several = term->atoms.size() > 1 || (coefficient != 1 && !term->atoms.empty());
        for (AtomId atom : term->atoms) product += (product.empty() ? "" : " * ") + text(atom, several);
        if (product.empty()) product = std::to_string(coefficient);
        else if (coefficient != 1) product += fmt::format(" * {}", coefficient);
        result += product;
    }
    return result;
}

std::string Dims::text(const Fact& fact) const {
    const std::string left = text(fact.left), right = text(fact.right);
    switch (fact.relation) {
    case Relation::equal: return left + " == " + right;
    case Relation::not_equal: return left + " != " + right;
    case Relation::less: return left + " < " + right;
    case Relation::less_equal: return left + " <= " + right;
    }
    return {};
}

} // namespace heddle::ir
