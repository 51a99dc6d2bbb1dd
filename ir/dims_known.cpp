// What assumptions say: equalities that determine a symbol, ranges of single variables, divisors, and the rest as e >= 0.

#include "ir/dims_impl.h"

#include <algorithm>
#include <limits>

namespace heddle::ir {

const Known::Range* Known::range(AtomId atom) const {
    const auto found = std::ranges::find(ranges, atom, &Range::atom);
    return found == ranges.end() ? nullptr : &*found;
}

void Known::narrow(AtomId atom, std::optional<i64> low, std::optional<i64> high) {
    auto found = std::ranges::find(ranges, atom, &Range::atom);
    if (found == ranges.end()) found = ranges.insert(ranges.end(), {atom, 0, std::nullopt});
    if (low) found->low = std::max(found->low, *low);
    if (high) found->high = std::min(found->high.value_or(*high), *high);
}

Dims::Digest::Digest(Dims& dims, const Assumptions& assume, u64 axes, DimId positive)
    : dims_(dims), assume_(assume) {
    known_.extents.assign(assume.axis_extents.begin(), assume.axis_extents.end());
    known_.facts.assign(assume.facts.begin(), assume.facts.end());
    known_.axes = axes;
    known_.positive = positive;
}

std::shared_ptr<const Known> Dims::Digest::result() {
    solve_equalities();
    collect_inequalities();
    narrow_ranges();
    return std::make_shared<const Known>(std::move(known_));
}

DimId Dims::Digest::with_values(DimId id) {
    if (known_.values.empty()) return id;
    return dims_.substitute(id, {}, known_.values);
}

/// Solves the equalities for symbols, one after the other, so that no value mentions a symbol that has one.
void Dims::Digest::solve_equalities() {
    for (const Fact& fact : known_.facts) {
        if (fact.relation != Relation::equal) continue;
        const DimId zero = with_values(dims_.sub(fact.left, fact.right));
        if (dims_.as_constant(zero)) continue;
        const Terms terms = dims_.terms(zero);
        if (note_multiple(terms) || solve(terms)) continue;
        known_.not_negative.emplace_back(terms.begin(), terms.end());
        known_.not_negative.push_back(scaled(terms, -1));
    }
}

/// x % d = 0.
bool Dims::Digest::note_multiple(Terms zero) {
    if (zero.size() != 1 || zero[0].atoms.size() != 1) return false;
    const Atom& atom = dims_.atom(zero[0].atoms[0]);
    if (atom.kind != AtomKind::modulo) return false;
    const auto divisor = dims_.as_constant(atom.right);
    if (divisor && *divisor > 1) known_.multiples.push_back({atom.left, *divisor});
    return divisor.has_value();
}

/// A symbol that stands alone in one term, with a coefficient of 1 or -1, and nowhere else.
bool Dims::Digest::solve(Terms zero) {
    for (std::size_t k = zero.size(); k-- > 0;) {
        if (zero[k].atoms.size() != 1 || std::abs(zero[k].coefficient) != 1) continue;
        const Atom atom = dims_.atom(zero[k].atoms[0]);
        if (atom.kind != AtomKind::symbol) continue;
        Polynomial rest(zero.begin(), zero.end());
        rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(k));
        const DimId value = dims_.impl_->intern(zero[k].coefficient == 1 ? scaled(rest, -1) : rest);
        std::vector<DimId> only(atom.index + 1);
        only[atom.index] = dims_.constant(0);
        if (dims_.substitute(value, {}, only) != value) continue; // it is in there, too
        only[atom.index] = value;
        for (DimId& earlier : known_.values)
            if (earlier.valid()) earlier = dims_.substitute(earlier, {}, only);
        if (known_.values.size() <= atom.index) known_.values.resize(atom.index + 1);
        known_.values[atom.index] = value;
        // A size is not negative, however it is written.
        const Terms terms = dims_.terms(value);
        if (!dims_.as_constant(value)) known_.not_negative.emplace_back(terms.begin(), terms.end());
        return true;
    }
    return false;
}

void Dims::Digest::collect_inequalities() {
    const DimId one = dims_.constant(1);
    auto add = [&](DimId expression) {
        expression = with_values(expression);
        if (dims_.as_constant(expression)) return;
        const Terms terms = dims_.terms(expression);
        known_.not_negative.emplace_back(terms.begin(), terms.end());
    };
    for (const Fact& fact : known_.facts) {
        switch (fact.relation) {
        case Relation::equal: break;
        case Relation::not_equal: // of a size, which is not negative, and 0
            if (dims_.is_constant(fact.right, 0) && dims_.prove_not_negative(fact.left))
                add(dims_.sub(fact.left, one));
            if (dims_.is_constant(fact.left, 0) && dims_.prove_not_negative(fact.right))
                add(dims_.sub(fact.right, one));
            break;
        case Relation::less: add(dims_.sub(dims_.sub(fact.right, fact.left), one)); break;
        case Relation::less_equal: add(dims_.sub(fact.right, fact.left)); break;
        }
    }
    // Where an axis has an index it has an element.
    for (u32 axis = 0; axis < known_.extents.size() && axis < 63; ++axis)
        if ((known_.axes & Impl::axis_bit(axis)) != 0) add(dims_.sub(known_.extents[axis], one));
    if (known_.positive.valid()) add(dims_.sub(known_.positive, one));
}

/// Bounds of single variables, by interval arithmetic on all others. The second round uses what the first one found.
void Dims::Digest::narrow_ranges() {
    for (int round = 0; round < 2; ++round)
        for (const Polynomial& fact : known_.not_negative)
            for (std::size_t k = 0; k < fact.size(); ++k) narrow_by(fact, k);
}

void Dims::Digest::narrow_by(const Polynomial& fact, std::size_t term) {
    const Term& variable = fact[term];
    if (variable.atoms.size() != 1 || Impl::is_opaque(dims_.atom(variable.atoms[0]).kind)) return;
    const AtomId atom = variable.atoms[0];
    Polynomial rest = fact;
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(term));
    const auto most = upper(rest);
    if (!most || *most == std::numeric_limits<i64>::min()) return;
    // coefficient * atom >= -most
    if (variable.coefficient > 0)
        known_.narrow(atom, -floor_quotient(*most, variable.coefficient), std::nullopt);
    else if (variable.coefficient != std::numeric_limits<i64>::min())
        known_.narrow(atom, std::nullopt, floor_quotient(*most, -variable.coefficient));
}

/// What the expression never exceeds, by the ranges alone; opaque terms, and products of several variables, only if negative.
std::optional<i64> Dims::Digest::upper(Terms expression) const {
    i64 total = 0;
    for (const Term& term : expression) {
        i64 product = term.coefficient;
        for (AtomId id : term.atoms) {
            const Atom& atom = dims_.atom(id);
            const bool least = term.coefficient < 0;
            const Known::Range* range = known_.range(id);
            if (Impl::is_opaque(atom.kind)) {
                if (!least || atom.kind != AtomKind::modulo) return std::nullopt;
                product = 0;
                continue;
            }
            if (!least && (range == nullptr || !range->high)) return std::nullopt;
            const i64 value = least ? (range ? range->low : 0) : *range->high;
            if (__builtin_mul_overflow(product, value, &product)) return std::nullopt;
        }
        if (__builtin_add_overflow(total, product, &total)) return std::nullopt;
    }
    return total;
}

} // namespace heddle::ir
