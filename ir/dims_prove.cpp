// Proofs about size expressions. An expression is proven not negative by putting each variable to the end of its range that makes it
// smallest; what is left has no negative coefficient. Sound, not complete.

#include "ir/dims_impl.h"

#include <algorithm>

namespace heddle::ir {

namespace {

constexpr int proof_budget = 24;

} // namespace

bool Dims::prove_not_negative(DimId id, const Assumptions& assume) {
    if (const auto value = as_constant(id)) return *value >= 0;
    if (prove(id, assume, proof_budget)) return true;
    // A fact may be what is missing: e >= f and f >= 0.
    for (const Fact& fact : assume.facts) {
        if (fact.relation == Relation::not_equal) continue;
        DimId known = sub(fact.right, fact.left);
        if (fact.relation == Relation::less) known = sub(known, constant(1));
        if (prove(sub(id, known), assume, proof_budget)) return true;
        if (fact.relation == Relation::equal && prove(add(id, known), assume, proof_budget)) return true;
    }
    return false;
}

bool Dims::prove_equal(DimId a, DimId b, const Assumptions& assume) {
    if (a == b) return true;
    const DimId difference = sub(a, b);
    for (const Fact& fact : assume.facts) {
        if (fact.relation != Relation::equal) continue;
        const DimId known = sub(fact.left, fact.right);
        if (known == difference || sub(constant(0), known) == difference) return true;
    }
    // Facts that give a symbol a value are put in.
    std::vector<DimId> values(symbol_count());
    bool any = false;
    for (const Fact& fact : assume.facts) {
        if (fact.relation != Relation::equal) continue;
        for (auto [symbol, value] : {std::pair(fact.left, fact.right), std::pair(fact.right, fact.left)}) {
            const std::vector<Term>& terms = impl_->entries[symbol.value].terms;
            if (terms.size() != 1 || terms[0].coefficient != 1 || terms[0].atoms.size() != 1) continue;
            const Atom& atom = impl_->atoms[terms[0].atoms[0].value];
            if (atom.kind != AtomKind::symbol || values[atom.index].valid() || value == symbol) continue;
            values[atom.index] = value;
            any = true;
            break;
        }
    }
    if (!any) return false;
    DimId left = a, right = b;
    for (int round = 0; round < 4 && left != right; ++round) {
        left = substitute(left, {}, values);
        right = substitute(right, {}, values);
    }
    return left == right;
}

/// Replaces one variable after the other by the end of its range that makes the expression smallest.
bool Dims::prove(DimId id, const Assumptions& assume, int budget) {
    const Impl::Entry& entry = impl_->entries[id.value];
    if (entry.constant) return *entry.constant >= 0;
    if (budget == 0) return false;
    const bool plain = std::ranges::all_of(entry.terms, [&](const Term& term) {
        return term.coefficient >= 0 && std::ranges::all_of(term.atoms, [&](AtomId atom) {
            return bound_atom(atom, assume, false).value_or(-1) >= 0;
        });
    });
    if (plain) return true;
    for (u32 axis = 0; axis < assume.axis_extents.size(); ++axis) {
        if (!mentions_axis(id, axis)) continue;
        const auto coefficient = axis_coefficient(id, axis);
        if (!coefficient) continue;
        std::vector<DimId> places(axis + 1);
        if (prove(*coefficient, assume, budget - 1)) places[axis] = constant(0);
        else if (prove(sub(constant(0), *coefficient), assume, budget - 1)) places[axis] = sub(assume.axis_extents[axis], constant(1));
        else continue;
        return prove(substitute(id, places, {}, assume), assume, budget - 1);
    }
    return prove_by_atom(id, assume, budget);
}

/// Replaces an atom with a known range (a remainder, a quotient, a bounded symbol, a minimum) by a bound.
bool Dims::prove_by_atom(DimId id, const Assumptions& assume, int budget) {
    const std::vector<Term> terms = impl_->entries[id.value].terms;
    auto replace = [&](AtomId atom, DimId value) {
        DimId total = constant(0);
        for (const Term& term : terms) {
            DimId product = constant(term.coefficient);
            for (AtomId factor : term.atoms) product = mul(product, factor == atom ? value : atom_expression(factor));
            total = add(total, product);
        }
        return total;
    };
    for (const Term& term : terms) {
        for (AtomId factor : term.atoms) {
            const Atom atom = impl_->atoms[factor.value];
            if (atom.kind == AtomKind::axis) continue;
            const bool lowers = term.coefficient < 0;
            if (atom.kind == AtomKind::minimum || atom.kind == AtomKind::maximum)
                return prove(replace(factor, atom.left), assume, budget - 1) && prove(replace(factor, atom.right), assume, budget - 1);
            if (!lowers || std::ranges::count(term.atoms, factor) != 1) continue;
            // The atom must occur in this one way only for a bound to be a bound of the whole.
            if (std::ranges::count_if(terms, [&](const Term& other) { return std::ranges::count(other.atoms, factor) != 0; }) != 1) continue;
            if (!std::ranges::all_of(term.atoms, [&](AtomId other) { return bound_atom(other, assume, false).value_or(-1) >= 0; })) continue;
            if (atom.kind == AtomKind::modulo) return prove(replace(factor, sub(atom.right, constant(1))), assume, budget - 1);
            if (atom.kind == AtomKind::divide) { // x / d <= x / d exactly: times d
                const auto divisor = as_constant(atom.right);
                if (!divisor || *divisor <= 0 || term.atoms.size() != 1) continue;
                DimId scaled = constant(0);
                for (const Term& other : terms) {
                    const bool here = other.atoms.size() == 1 && other.atoms[0] == factor;
                    DimId product = constant(other.coefficient * (here ? 1 : *divisor));
                    for (AtomId each : other.atoms) product = mul(product, here ? atom.left : atom_expression(each));
                    scaled = add(scaled, product);
                }
                return prove(scaled, assume, budget - 1);
            }
            if (const auto high = bound_atom(factor, assume, true)) return prove(replace(factor, constant(*high)), assume, budget - 1);
        }
    }
    // A symbol that is at least `low`: write it as low + s and look at the constant term.
    i64 sum = 0;
    bool safe = true;
    for (const Term& term : terms) {
        i64 least = term.coefficient;
        for (AtomId factor : term.atoms) {
            const auto low = bound_atom(factor, assume, false);
            if (!low || *low < 0 || term.coefficient < 0 || __builtin_mul_overflow(least, *low, &least)) safe = false;
        }
        if (!safe || __builtin_add_overflow(sum, least, &sum)) return false;
    }
    return safe && sum >= 0;
}

// ---- constant bounds --------------------------------------------------------------------------------------------------------

std::optional<i64> Dims::bound_atom(AtomId id, const Assumptions& assume, bool upper) {
    const Atom atom = impl_->atoms[id.value];
    switch (atom.kind) {
    case AtomKind::symbol: {
        std::optional<i64> best;
        if (!upper) best = 0;
        const DimId self = atom_expression(id);
        for (const Fact& fact : assume.facts) {
            const auto left = as_constant(fact.left), right = as_constant(fact.right);
            const i64 strict = fact.relation == Relation::less ? 1 : 0;
            if (fact.relation == Relation::not_equal) continue;
            const bool equal = fact.relation == Relation::equal;
            if (fact.left == self && right && (upper || equal)) best = best ? (upper ? std::min(*best, *right - strict) : std::max(*best, *right)) : *right - strict;
            if (fact.right == self && left && (!upper || equal)) best = best ? (upper ? std::min(*best, *left) : std::max(*best, *left + strict)) : *left + strict;
        }
        return best;
    }
    case AtomKind::axis:
        if (!upper) return 0;
        if (atom.index >= assume.axis_extents.size()) return std::nullopt;
        if (const auto extent = bound(assume.axis_extents[atom.index], assume, true)) return *extent - 1;
        return std::nullopt;
    case AtomKind::divide: {
        const auto divisor = as_constant(atom.right);
        const auto value = bound(atom.left, assume, upper);
        if (divisor && *divisor > 0 && value) return evaluate_quotient(*value, *divisor);
        if (!upper && value && *value >= 0) return 0;
        if (upper && value && *value >= 0 && bound(atom.right, assume, false).value_or(0) >= 1) return value;
        // A divisor is positive wherever the quotient is used.
        return std::nullopt;
    }
    case AtomKind::modulo:
        if (!upper) return 0;
        if (const auto divisor = bound(atom.right, assume, true)) return *divisor - 1;
        return std::nullopt;
    case AtomKind::minimum:
    case AtomKind::maximum: {
        const auto left = bound(atom.left, assume, upper), right = bound(atom.right, assume, upper);
        const bool smaller = atom.kind == AtomKind::minimum;
        if (left && right) return smaller ? std::min(*left, *right) : std::max(*left, *right);
        if (upper == smaller) return left ? left : right;
        return std::nullopt;
    }
    }
    return std::nullopt;
}

std::optional<i64> Dims::bound(DimId id, const Assumptions& assume, bool upper) {
    const std::vector<Term> terms = impl_->entries[id.value].terms;
    i64 total = 0;
    for (const Term& term : terms) {
        const bool high = (term.coefficient >= 0) == upper;
        i64 product = term.coefficient;
        for (AtomId atom : term.atoms) {
            // Products are bounded where every factor is not negative.
            if (term.atoms.size() > 1 && bound_atom(atom, assume, false).value_or(-1) < 0) return std::nullopt;
            const auto value = bound_atom(atom, assume, high);
            if (!value || __builtin_mul_overflow(product, *value, &product)) return std::nullopt;
        }
        if (__builtin_add_overflow(total, product, &total)) return std::nullopt;
    }
    return total;
}

std::optional<i64> Dims::upper_bound(DimId id, const Assumptions& assume) { return bound(id, assume, true); }
std::optional<i64> Dims::lower_bound(DimId id, const Assumptions& assume) { return bound(id, assume, false); }

bool Dims::prove_divisible(DimId id, i64 d, const Assumptions& assume) {
    return is_constant(modulo(id, constant(d), assume), 0);
}

} // namespace heddle::ir
