// Division, remainder and rewriting of size expressions: the rules M2 to M5 of index maps.

#include "ir/dims_impl.h"

#include <heddle/error.h>

#include <algorithm>
#include <numeric>

namespace heddle::ir {

namespace {

/// The product of atoms without one factor each of `divisor`, if it holds them all.
std::optional<std::vector<AtomId>> without_atoms(const std::vector<AtomId>& atoms, const std::vector<AtomId>& divisor) {
    std::vector<AtomId> rest = atoms;
    for (AtomId atom : divisor) {
        const auto found = std::ranges::find(rest, atom);
        if (found == rest.end()) return std::nullopt;
        rest.erase(found);
    }
    return rest;
}

std::vector<u32> values_of(const std::vector<AtomId>& atoms) {
    std::vector<u32> values;
    for (AtomId atom : atoms) values.push_back(atom.value);
    return values;
}

} // namespace

std::pair<DimId, DimId> Dims::split_divisible(DimId id, DimId divisor) {
    const std::vector<Term> parts = impl_->entries[divisor.value].terms;
    if (parts.size() != 1) {
        // Only a multiple of the whole sum is seen: k * divisor.
        if (id == divisor) return {constant(1), constant(0)};
        return {constant(0), id};
    }
    Polynomial quotient, rest;
    for (const Term& term : impl_->entries[id.value].terms) {
        const auto atoms = without_atoms(term.atoms, parts[0].atoms);
        if (atoms && parts[0].coefficient != 0 && term.coefficient % parts[0].coefficient == 0)
            quotient[values_of(*atoms)] = term.coefficient / parts[0].coefficient;
        else
            rest[values_of(term.atoms)] = term.coefficient;
    }
    return {impl_->intern(quotient), impl_->intern(rest)};
}

DimId Dims::divide(DimId a, DimId b, const Assumptions& assume) {
    const auto x = as_constant(a), y = as_constant(b);
    if (y && *y == 0) return impl_->intern({{{impl_->atom({AtomKind::divide, 0, a, b}).value}, 1}});
    if (y && *y == 1) return a;
    if (x && y) return constant(evaluate_quotient(*x, *y));
    if (x && *x == 0) return a;
    const auto [quotient, rest] = split_divisible(a, b); // M2
    if (!is_constant(quotient, 0)) return add(quotient, divide(rest, b, assume));
    if (prove_not_negative(a, assume) && prove_less(a, b, assume)) return constant(0); // M3
    const std::span<const Term> terms = impl_->entries[a.value].terms;
    if (terms.size() == 1 && terms[0].coefficient == 1 && terms[0].atoms.size() == 1) { // M4
        const Atom atom = impl_->atoms[terms[0].atoms[0].value];
        if (atom.kind == AtomKind::divide) return divide(atom.left, mul(atom.right, b), assume);
        if (atom.kind == AtomKind::modulo) {
            const auto [inner, left_over] = split_divisible(atom.right, b);
            if (is_constant(left_over, 0) && !is_constant(inner, 0)) return modulo(divide(atom.left, b, assume), inner, assume);
        }
    }
    if (y) { // a common factor of everything
        i64 common = *y;
        for (const Term& term : terms) common = std::gcd(common, term.coefficient);
        if (common > 1) {
            const auto [reduced, none] = split_divisible(a, constant(common));
            return divide(reduced, constant(*y / common), assume);
        }
    }
    return atom_expression(impl_->atom({AtomKind::divide, 0, a, b}));
}

DimId Dims::modulo(DimId a, DimId b, const Assumptions& assume) {
    const auto x = as_constant(a), y = as_constant(b);
    if (y && *y == 0) return atom_expression(impl_->atom({AtomKind::modulo, 0, a, b}));
    if (y && *y == 1) return constant(0);
    if (x && y) return constant(*x - *y * evaluate_quotient(*x, *y));
    const auto [quotient, rest] = split_divisible(a, b); // M2
    if (!is_constant(quotient, 0)) return modulo(rest, b, assume);
    if (is_constant(a, 0)) return a;
    if (prove_not_negative(a, assume) && prove_less(a, b, assume)) return a; // M3
    const std::span<const Term> terms = impl_->entries[a.value].terms;
    if (terms.size() == 1 && terms[0].coefficient == 1 && terms[0].atoms.size() == 1) { // M4
        const Atom atom = impl_->atoms[terms[0].atoms[0].value];
        if (atom.kind == AtomKind::modulo && is_constant(split_divisible(atom.right, b).second, 0)) return modulo(atom.left, b, assume);
        // (x / a) % b is x / a when x < a * b.
        if (atom.kind == AtomKind::divide && prove_not_negative(atom.left, assume) && prove_less(atom.left, mul(atom.right, b), assume)) return a;
    }
    return atom_expression(impl_->atom({AtomKind::modulo, 0, a, b}));
}

i64 Dims::evaluate_quotient(i64 a, i64 b) {
    if (b == -1) return -a;
    return a / b - (a % b != 0 && (a % b < 0) != (b < 0));
}

DimId Dims::minimum(DimId a, DimId b, const Assumptions& assume) {
    if (a == b || prove_not_negative(sub(b, a), assume)) return a;
    if (prove_not_negative(sub(a, b), assume)) return b;
    return atom_expression(impl_->atom({AtomKind::minimum, 0, std::min(a, b), std::max(a, b)}));
}

DimId Dims::maximum(DimId a, DimId b, const Assumptions& assume) {
    if (a == b || prove_not_negative(sub(a, b), assume)) return a;
    if (prove_not_negative(sub(b, a), assume)) return b;
    return atom_expression(impl_->atom({AtomKind::maximum, 0, std::min(a, b), std::max(a, b)}));
}

DimId Dims::ceil_divide(DimId a, DimId b, const Assumptions& assume) {
    return divide(add(a, sub(b, constant(1))), b, assume);
}

// ---- rewriting ------------------------------------------------------------------------------------------------------------

DimId Dims::substitute(DimId id, std::span<const DimId> axes, std::span<const DimId> symbols, const Assumptions& assume) {
    const Impl::Entry& entry = impl_->entries[id.value];
    if (entry.constant) return id;
    if (entry.axes == 0 && symbols.empty() && !entry.opaque) return id;
    const std::vector<Term> terms = entry.terms;
    DimId total = constant(0);
    for (const Term& term : terms) {
        DimId product = constant(term.coefficient);
        for (AtomId atom : term.atoms) product = mul(product, substitute(atom, axes, symbols, assume));
        total = add(total, product);
    }
    return total;
}

DimId Dims::substitute(AtomId id, std::span<const DimId> axes, std::span<const DimId> symbols, const Assumptions& assume) {
    const Atom atom = impl_->atoms[id.value];
    auto replaced = [&](std::span<const DimId> with) {
        return atom.index < with.size() && with[atom.index].valid() ? with[atom.index] : atom_expression(id);
    };
    if (atom.kind == AtomKind::symbol) return replaced(symbols);
    if (atom.kind == AtomKind::axis) return replaced(axes);
    const DimId left = substitute(atom.left, axes, symbols, assume), right = substitute(atom.right, axes, symbols, assume);
    switch (atom.kind) {
    case AtomKind::divide: return divide(left, right, assume);
    case AtomKind::modulo: return modulo(left, right, assume);
    case AtomKind::minimum: return minimum(left, right, assume);
    case AtomKind::maximum: return maximum(left, right, assume);
    case AtomKind::symbol:
    case AtomKind::axis: break;
    }
    return atom_expression(id);
}

DimId Dims::simplify(DimId id, const Assumptions& assume) {
    if (!impl_->entries[id.value].opaque) return id;
    for (int round = 0; round < 4; ++round) {
        const DimId next = substitute(id, {}, {}, assume);
        if (next == id) break;
        id = next;
    }
    return id;
}

DimId Dims::import(const Dims& from, DimId id) {
    if (&from == this) return id;
    if (const auto value = from.as_constant(id)) return constant(*value);
    DimId total = constant(0);
    for (const Term& term : from.terms(id)) {
        DimId product = constant(term.coefficient);
        for (AtomId atom : term.atoms) product = mul(product, import(from, atom));
        total = add(total, product);
    }
    return total;
}

DimId Dims::import(const Dims& from, AtomId id) {
    const Atom& atom = from.atom(id);
    if (atom.kind == AtomKind::symbol) return symbol(from.symbol_name(atom.index));
    if (atom.kind == AtomKind::axis) return axis(atom.index);
    const DimId left = import(from, atom.left), right = import(from, atom.right);
    return atom_expression(impl_->atom({atom.kind, 0, left, right}));
}

} // namespace heddle::ir
