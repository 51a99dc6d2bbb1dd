// Size expressions as text that parses back to the same expression, in an order that depends on what they say, never on
// the order in which they were made.

#include "ir/dims_impl.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace heddle::ir {

class Dims::Printer {
public:
    explicit Printer(const Dims& dims) : impl_(*dims.impl_) {}

    std::string operator()(DimId id) const {
        const Impl::Entry& entry = impl_[id];
        if (entry.is_constant) return std::to_string(entry.constant);
        std::string result;
        for (const Term& term : ordered(entry.terms)) {
            // -coefficient of the least integer is none; it is written as it is.
            const bool minus = term.coefficient < 0 && !result.empty() && term.coefficient != least_integer;
            if (!result.empty()) result += minus ? " - " : " + ";
            result += text(term, minus ? -term.coefficient : term.coefficient);
        }
        return result;
    }

private:
    static constexpr i64 least_integer = std::numeric_limits<i64>::min();

    /// By the atoms, the constant last; the first one that is positive in front.
    Polynomial ordered(const Polynomial& terms) const {
        Polynomial order = terms;
        for (Term& term : order)
            std::ranges::sort(term.atoms, [&](AtomId a, AtomId b) { return compare(a, b) < 0; });
        std::ranges::sort(order, [&](const Term& a, const Term& b) { return compare(a, b) < 0; });
        const auto positive =
            std::ranges::find_if(order, [](const Term& term) { return term.coefficient > 0; });
        if (positive != order.end()) std::rotate(order.begin(), positive, positive + 1);
        return order;
    }

    std::string text(const Term& term, i64 coefficient) const {
        if (term.atoms.empty()) return std::to_string(coefficient);
        // A quotient or remainder needs no parentheses in front.
        std::vector<AtomId> atoms = term.atoms;
        std::ranges::stable_partition(atoms, [&](AtomId id) { return is_quotient(impl_[id]); });
        std::string result;
        for (AtomId id : atoms) result += result.empty() ? text(id) : " * " + operand(id);
        return coefficient == 1 ? result : fmt::format("{} * {}", result, coefficient);
    }

    std::string text(AtomId id) const {
        const Atom& atom = impl_[id];
        switch (atom.kind) {
        case AtomKind::symbol: return "?" + impl_.symbols[atom.index];
        case AtomKind::axis: return fmt::format("d{}", atom.index);
        case AtomKind::divide: return fmt::format("{} / {}", dividend(atom.left), divisor(atom.right));
        case AtomKind::modulo: return fmt::format("{} % {}", dividend(atom.left), divisor(atom.right));
        case AtomKind::minimum: return both("min", atom);
        case AtomKind::maximum: return both("max", atom);
        }
        throw InternalError("an atom without a kind");
    }

    std::string both(std::string_view name, const Atom& atom) const {
        const bool swapped = compare(atom.left, atom.right) > 0;
        const DimId first = swapped ? atom.right : atom.left, second = swapped ? atom.left : atom.right;
        return fmt::format("{}({}, {})", name, (*this)(first), (*this)(second));
    }

    std::string operand(AtomId id) const { return is_quotient(impl_[id]) ? "(" + text(id) + ")" : text(id); }

    /// One term stands on the left as it is: * / % go from left to right.
    std::string dividend(DimId id) const {
        const bool single = impl_[id].is_constant || impl_.terms(id).size() == 1;
        return single ? (*this)(id) : "(" + (*this)(id) + ")";
    }

    std::string divisor(DimId id) const {
        const auto atom = impl_.single_atom(id);
        const bool single = impl_[id].is_constant || (atom && !is_quotient(impl_[*atom]));
        return single ? (*this)(id) : "(" + (*this)(id) + ")";
    }

    static bool is_quotient(const Atom& atom) {
        return atom.kind == AtomKind::divide || atom.kind == AtomKind::modulo;
    }

    /// Axes by number, then symbols by name, then opaque terms by what they are made of.
    int compare(AtomId a, AtomId b) const {
        if (a == b) return 0;
        const Atom &x = impl_[a], &y = impl_[b];
        if (const int order = rank(x.kind) - rank(y.kind); order != 0) return order;
        if (x.kind == AtomKind::axis) return x.index < y.index ? -1 : 1;
        if (x.kind == AtomKind::symbol) return impl_.symbols[x.index].compare(impl_.symbols[y.index]);
        if (!is_quotient(x)) return both("", x).compare(both("", y));
        const int left = compare(x.left, y.left);
        return left != 0 ? left : compare(x.right, y.right);
    }

    static int rank(AtomKind kind) {
        if (kind == AtomKind::axis) return 0;
        return kind == AtomKind::symbol ? 1 : static_cast<int>(kind) + 1;
    }

    int compare(DimId a, DimId b) const {
        if (a == b) return 0;
        const Polynomial x = ordered(impl_[a].terms), y = ordered(impl_[b].terms);
        for (std::size_t k = 0; k < x.size() && k < y.size(); ++k)
            if (const int order = compare(x[k], y[k]); order != 0) return order;
        return x.size() < y.size() ? -1 : 1;
    }

    int compare(const Term& a, const Term& b) const {
        for (std::size_t k = 0; k < a.atoms.size() && k < b.atoms.size(); ++k)
            if (const int order = compare(a.atoms[k], b.atoms[k]); order != 0) return order;
        // More atoms first, so that a constant is last.
        if (a.atoms.size() != b.atoms.size()) return a.atoms.size() > b.atoms.size() ? -1 : 1;
        return a.coefficient == b.coefficient ? 0 : a.coefficient < b.coefficient ? -1 : 1;
    }

    const Impl& impl_;
};

std::string Dims::text(DimId id) const { return Printer(*this)(id); }

std::string Dims::text(const Fact& fact) const {
    const std::string left = text(fact.left), right = text(fact.right);
    switch (fact.relation) {
    case Relation::equal: return left + " == " + right;
    case Relation::not_equal: return left + " != " + right;
    case Relation::less: return left + " < " + right;
    case Relation::less_equal: return left + " <= " + right;
    }
    throw InternalError("a fact without a relation");
}

std::string Dims::text(std::span<const Fact> facts) const {
    std::string joined;
    for (const Fact& fact : facts) joined += (joined.empty() ? "" : ", ") + text(fact);
    return joined;
}

} // namespace heddle::ir
