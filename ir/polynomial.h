#pragma once
// Polynomials with integer coefficients over atoms, as lists of terms: what a `DimId` stands for, while it is worked on.
// Canonical: terms sorted by their atoms (so the constant term comes first), no two alike, no coefficient 0.
// All arithmetic throws ShapeError when a coefficient leaves 64 bits.

#include "ir/dims.h"

namespace heddle::ir {

using Polynomial = std::vector<Term>;
using Terms = std::span<const Term>;

i64 checked_add(i64 a, i64 b);
i64 checked_mul(i64 a, i64 b);
/// Rounded to minus infinity; ShapeError for b = 0.
i64 floor_quotient(i64 a, i64 b);
/// What floor_quotient leaves, of the divisor's sign.
i64 floor_remainder(i64 a, i64 b);

bool same_terms(Terms a, Terms b);

Polynomial constant_polynomial(i64 value);
/// a + factor * b.
Polynomial sum(Terms a, Terms b, i64 factor = 1);
Polynomial scaled(Terms a, i64 factor);
Polynomial multiply(Terms a, Terms b);
i64 constant_term(Terms a);

/// The atoms of `atoms` less one each of `divisor`, if it holds them all. Both are sorted, as in every term.
std::optional<std::vector<AtomId>> without_atoms(std::span<const AtomId> atoms,
                                                 std::span<const AtomId> divisor);
/// The atoms that both have, as often as both have them.
std::vector<AtomId> common_atoms(std::span<const AtomId> a, std::span<const AtomId> b);

/// True if `a` is some polynomial times `factor`, as far as a few steps of long division tell.
bool is_multiple(Terms a, Terms factor);

/// coefficient * atom + rest, neither of which holds the atom as a factor.
struct LinearForm {
    Polynomial coefficient, rest;
};

/// Nothing if the atom occurs squared or higher. Occurrences inside other atoms do not count.
std::optional<LinearForm> linear_in(Terms a, AtomId atom);

/// coefficient * value + rest.
Polynomial put_in(const LinearForm& form, Terms value);

} // namespace heddle::ir
