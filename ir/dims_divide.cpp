// Division and remainder of size expressions: the rules M2 to M5 of index maps. Rules keep one more promise: where a dividend
// is not negative, none that comes of it is, because kernels divide by truncation.

#include "ir/dims_impl.h"

#include <heddle/error.h>

#include <algorithm>
#include <numeric>

namespace heddle::ir {

DimId Dims::Rules::opaque(AtomKind kind, DimId a, DimId b) {
    return dims_.atom_expression(impl_.atom({kind, 0, a, b}));
}

std::optional<DimId> Dims::Rules::product_within_64_bits(DimId a, DimId b) {
    try {
        return dims_.mul(a, b);
    } catch (const ShapeError&) {
        return std::nullopt;
    }
}

DimId Dims::Rules::divide(DimId a, DimId b) {
    const auto x = dims_.as_constant(a), y = dims_.as_constant(b);
    if (y && *y == 0) throw ShapeError("a size is divided by zero");
    if (x && y) return dims_.constant(floor_quotient(*x, *y));
    if (y && *y < 0) return divide(dims_.sub(dims_.constant(0), a), dims_.constant(checked_mul(*y, -1)));
    if (y && *y == 1) return a;
    if (x && *x == 0) return a;
    if (const auto parts = split(a, b)) return dims_.add(parts->quotient, divide(parts->rest, b));
    if (const auto quotient = constant_quotient(a, b)) return dims_.constant(*quotient);
    if (const auto single = impl_.single_atom(a)) { // M4
        const Atom atom = impl_[*single];
        if (atom.kind == AtomKind::divide)
            if (const auto divisor = product_within_64_bits(atom.right, b))
                return divide(atom.left, *divisor);
        if (atom.kind == AtomKind::modulo)
            if (const auto inner = exact_quotient(atom.right, b)) return modulo(divide(atom.left, b), *inner);
    }
    if (const auto common = common_factor(a, b)) return divide(common->quotient, common->divisor);
    if (const auto valued = with_values(a, b, AtomKind::divide)) return *valued;
    return opaque(AtomKind::divide, a, b);
}

DimId Dims::Rules::modulo(DimId a, DimId b) {
    const auto x = dims_.as_constant(a), y = dims_.as_constant(b);
    if (y && *y == 0) throw ShapeError("a size is divided by zero");
    if (x && y) return dims_.constant(floor_remainder(*x, *y));
    const DimId zero = dims_.constant(0);
    if (y && *y < 0) return dims_.sub(zero, modulo(dims_.sub(zero, a), dims_.constant(checked_mul(*y, -1))));
    if (y && *y == 1) return zero;
    if (x && *x == 0) return a;
    if (y && Prover(dims_, assume_, {a}).divisible(impl_.terms(a), *y)) return zero;
    if (const auto parts = split(a, b)) return modulo(parts->rest, b);
    if (const auto quotient = constant_quotient(a, b))
        return dims_.sub(a, dims_.mul(dims_.constant(*quotient), b));
    if (const auto single = impl_.single_atom(a)) { // M4
        const Atom atom = impl_[*single];
        if (atom.kind == AtomKind::modulo && exact_quotient(atom.right, b)) return modulo(atom.left, b);
    }
    if (const auto common = common_factor(a, b))
        return dims_.add(dims_.mul(common->factor, modulo(common->quotient, common->divisor)), common->rest);
    if (const auto valued = with_values(a, b, AtomKind::modulo)) return *valued;
    return opaque(AtomKind::modulo, a, b);
}

std::optional<DimId> Dims::Rules::exact_quotient(DimId a, DimId b) {
    if (a == b) return dims_.constant(1);
    const auto x = dims_.as_constant(a), y = dims_.as_constant(b);
    if (x && y) return *y > 0 && *x % *y == 0 ? std::optional(dims_.constant(*x / *y)) : std::nullopt;
    const Terms divisor = impl_.terms(b);
    if (divisor.size() != 1 || divisor[0].coefficient <= 0) return std::nullopt;
    Polynomial quotient;
    for (const Term& term : impl_.terms(a)) {
        const auto atoms = without_atoms(term.atoms, divisor[0].atoms);
        if (!atoms || term.coefficient % divisor[0].coefficient != 0) return std::nullopt;
        quotient.push_back({term.coefficient / divisor[0].coefficient, *atoms});
    }
    std::ranges::sort(quotient, {}, &Term::atoms);
    return impl_.intern(std::move(quotient));
}

// ---- M2: (a * d + b) / d is a + b / d ------------------------------------------------------------------------------

std::optional<Dims::Rules::Split> Dims::Rules::split(DimId a, DimId b) {
    try {
        const auto divisor = dims_.as_constant(b);
        return divisor ? split_by_constant(a, *divisor) : split_by_expression(a, b);
    } catch (const ShapeError&) {
        return std::nullopt; // coefficients too large to be taken apart
    }
}

/// Each coefficient less its multiples of the divisor, the constant put between 0 and the divisor.
std::optional<Dims::Rules::Split> Dims::Rules::split_by_constant(DimId a, i64 divisor) {
    Polynomial quotient, rest;
    for (const Term& term : impl_.terms(a)) {
        const bool variable = !term.atoms.empty();
        const i64 whole = variable ? term.coefficient / divisor : floor_quotient(term.coefficient, divisor);
        const i64 left = variable ? term.coefficient % divisor : floor_remainder(term.coefficient, divisor);
        if (whole != 0) quotient.push_back({whole, term.atoms});
        if (left != 0) rest.push_back({left, term.atoms});
    }
    Prover prover(dims_, assume_, {a});
    // A term that a fact says to be divisible.
    if (!prover.known().multiples.empty()) {
        for (std::size_t k = rest.size(); k-- > 0;) {
            const i64 of_atoms = std::gcd(prover.divisor_of(rest[k].atoms), divisor);
            if (rest.size() == 1 || rest[k].coefficient % (divisor / of_atoms) != 0) continue;
            const DimId part = opaque(AtomKind::divide, impl_.intern({rest[k]}), dims_.constant(divisor));
            quotient = sum(quotient, impl_.terms(part));
            rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(k));
        }
    }
    if (quotient.empty()) return std::nullopt;
    if (!prover.not_negative(rest)) {
        // As many divisors back as make it so, if the dividend has become simpler all the same.
        const auto variables = [](Terms terms) {
            return std::ranges::count_if(terms, [](const Term& term) { return !term.atoms.empty(); });
        };
        const auto least = prover.bound(rest, false);
        if (!least || variables(rest) == variables(impl_.terms(a))) return std::nullopt;
        const i64 back = floor_quotient(*least, divisor);
        rest = sum(rest, constant_polynomial(checked_mul(back, divisor)), -1);
        quotient = sum(quotient, constant_polynomial(back));
    }
    return Split{impl_.intern(std::move(quotient)), impl_.intern(std::move(rest))};
}

/// Long division by the term of highest degree, as long as the dividend gets shorter.
std::optional<Dims::Rules::Split> Dims::Rules::split_by_expression(DimId a, DimId b) {
    const Terms divisor = impl_.terms(b);
    const Term& lead =
        *std::ranges::max_element(divisor, {}, [](const Term& term) { return term.atoms.size(); });
    const Terms given = impl_.terms(a);
    Polynomial quotient, rest(given.begin(), given.end());
    for (bool found = true; found;) {
        found = false;
        for (const Term& term : rest) {
            const auto atoms = without_atoms(term.atoms, lead.atoms);
            if (!atoms || lead.coefficient == -1 || term.coefficient % lead.coefficient != 0) continue;
            const Polynomial part{Term{term.coefficient / lead.coefficient, *atoms}};
            Polynomial shorter = sum(rest, multiply(part, divisor), -1);
            if (shorter.size() >= rest.size()) continue;
            quotient = sum(quotient, part);
            rest = std::move(shorter);
            found = true;
            break;
        }
    }
    if (quotient.empty()) return std::nullopt;
    Prover prover(dims_, assume_, {a, b}, b);
    if (!prover.not_negative(rest)) {
        Polynomial above = sum(rest, divisor);
        if (same_terms(above, given) || !prover.not_negative(above)) return std::nullopt;
        rest = std::move(above);
        quotient = sum(quotient, constant_polynomial(1), -1);
    }
    return Split{impl_.intern(std::move(quotient)), impl_.intern(std::move(rest))};
}

// ---- M3: x / d is 0 for 0 <= x < d; any other constant as well -------------------------------------------------------

std::optional<i64> Dims::Rules::constant_quotient(DimId a, DimId b) {
    Prover prover(dims_, assume_, {a, b}, b);
    const Terms dividend = impl_.terms(a);
    if (const auto divisor = dims_.as_constant(b)) {
        const auto low = prover.bound(dividend, false),
                   high = low ? prover.bound(dividend, true) : std::nullopt;
        if (high && floor_quotient(*low, *divisor) == floor_quotient(*high, *divisor))
            return floor_quotient(*low, *divisor);
    }
    try {
        const Polynomial gap = sum(sum(impl_.terms(b), constant_polynomial(1), -1), dividend, -1);
        if (prover.not_negative(gap) && prover.not_negative(dividend)) return 0;
    } catch (const ShapeError&) {
    }
    return std::nullopt;
}

// ---- (g * x + r) / (g * d) is x / d for 0 <= r < g -------------------------------------------------------------------

std::optional<Dims::Rules::Factor> Dims::Rules::common_factor(DimId a, DimId b) {
    const Terms divisor = impl_.terms(b);
    if (divisor.size() != 1 || divisor[0].coefficient <= 0) return std::nullopt;
    std::vector<Term> tried;
    for (const Term& term : impl_.terms(a)) {
        if (term.atoms.empty()) continue;
        const Term factor{std::gcd(term.coefficient, divisor[0].coefficient),
                          common_atoms(term.atoms, divisor[0].atoms)};
        if (factor.coefficient == 1 && factor.atoms.empty()) continue;
        if (std::ranges::any_of(tried,
                                [&](const Term& other) { return same_terms({&other, 1}, {&factor, 1}); }))
            continue;
        if (auto found = try_factor(a, b, factor)) return found;
        tried.push_back(factor);
    }
    return std::nullopt;
}

std::optional<Dims::Rules::Factor> Dims::Rules::try_factor(DimId a, DimId b, const Term& factor) {
    Polynomial quotient, rest;
    for (const Term& term : impl_.terms(a)) {
        const auto atoms = without_atoms(term.atoms, factor.atoms);
        if (term.atoms.empty() && factor.atoms.empty()) {
            quotient = constant_polynomial(floor_quotient(term.coefficient, factor.coefficient));
            rest = constant_polynomial(floor_remainder(term.coefficient, factor.coefficient));
        } else if (atoms && term.coefficient % factor.coefficient == 0) {
            quotient.push_back({term.coefficient / factor.coefficient, *atoms});
        } else {
            rest.push_back(term);
        }
    }
    std::ranges::sort(quotient, {}, &Term::atoms);
    const DimId factors = impl_.intern({factor}), left = impl_.intern(rest);
    if (!rest.empty()) {
        Prover prover(dims_, assume_, {a, b}, factors);
        const Polynomial gap = sum(sum(Polynomial{factor}, constant_polynomial(1), -1), rest, -1);
        if (!prover.not_negative(rest) || !prover.not_negative(gap)) return std::nullopt;
    }
    return Factor{factors, impl_.intern(std::move(quotient)), *exact_quotient(b, factors), left};
}

/// The operands with symbols replaced that an equality determines, if the term then goes away.
std::optional<DimId> Dims::Rules::with_values(DimId a, DimId b, AtomKind kind) {
    const Prover prover(dims_, assume_, {a, b});
    if (prover.known().values.empty()) return std::nullopt;
    const std::vector<DimId> values = prover.known().values;
    const DimId x = dims_.substitute(a, {}, values), y = dims_.substitute(b, {}, values);
    if (x == a && y == b) return std::nullopt;
    if (dims_.is_constant(y, 0)) return std::nullopt;
    const DimId result = kind == AtomKind::divide ? divide(x, y) : modulo(x, y);
    if (impl_[result].depth > std::max(impl_[x].depth, impl_[y].depth)) return std::nullopt;
    return result;
}

// ---- M5: c * d * (x / d) + c * (x % d) is c * x ----------------------------------------------------------------------

Polynomial Dims::Rules::recombine(Polynomial terms) {
    for (bool changed = true; changed;) {
        changed = false;
        const auto opaque_terms = std::ranges::count_if(terms, [&](const Term& term) {
            return std::ranges::any_of(term.atoms,
                                       [&](AtomId atom) { return Impl::is_opaque(impl_[atom].kind); });
        });
        if (opaque_terms < 2) break;
        for (std::size_t k = 0; !changed && k < terms.size(); ++k) {
            for (std::size_t at = 0; !changed && at < terms[k].atoms.size(); ++at)
                changed = impl_[terms[k].atoms[at]].kind == AtomKind::modulo && join_at(terms, k, at);
        }
    }
    return terms;
}

/// Joins the term, which holds a remainder at `atom`, with the term of its quotient.
bool Dims::Rules::join_at(Polynomial& terms, std::size_t term, std::size_t atom) {
    const Term remainder = terms[term];
    const AtomId id = remainder.atoms[atom];
    const Atom modulo = impl_[id];
    Polynomial cofactor{remainder};
    cofactor[0].atoms.erase(cofactor[0].atoms.begin() + static_cast<std::ptrdiff_t>(atom));
    // The quotient of x is x / d; that of y / c, by M4, y / (c * d).
    std::optional<AtomId> quotient = impl_.find_atom({AtomKind::divide, 0, modulo.left, modulo.right});
    if (!quotient) {
        const auto inner = impl_.single_atom(modulo.left);
        if (!inner || impl_[*inner].kind != AtomKind::divide) return false;
        const auto divisor = product_within_64_bits(impl_[*inner].right, modulo.right);
        if (divisor) quotient = impl_.find_atom({AtomKind::divide, 0, impl_[*inner].left, *divisor});
        if (!quotient) return false;
    }
    return join_quotient(terms, remainder, cofactor, id, modulo.right, *quotient) ||
           join_remainder(terms, remainder, cofactor, modulo, *quotient);
}

namespace {

bool holds_all(Terms whole, Terms part) {
    return !part.empty() && std::ranges::all_of(part, [&](const Term& term) {
        const auto found = std::ranges::lower_bound(whole, term.atoms, {}, &Term::atoms);
        return found != whole.end() && found->atoms == term.atoms && found->coefficient == term.coefficient;
    });
}

} // namespace

bool Dims::Rules::join_quotient(Polynomial& terms, const Term& remainder, Terms cofactor, AtomId modulo,
                                DimId divisor, AtomId quotient) {
    const Polynomial multiple = multiply(cofactor, impl_.terms(divisor));
    const Polynomial quotients = multiply(multiple, Polynomial{Term{1, {quotient}}});
    if (!holds_all(terms, quotients)) return false;
    const Polynomial rest = sum(sum(terms, quotients, -1), Polynomial{remainder}, -1);
    terms = sum(rest, multiply(cofactor, impl_.terms(impl_[modulo].left)));
    return true;
}

/// b * ((x / b) % c) + x % b is x % (b * c).
bool Dims::Rules::join_remainder(Polynomial& terms, const Term& remainder, Terms cofactor, const Atom& modulo,
                                 AtomId quotient) {
    const DimId wanted = dims_.atom_expression(quotient);
    const Polynomial multiple = multiply(cofactor, impl_.terms(modulo.right));
    for (const Term& term : terms) {
        for (AtomId id : term.atoms) {
            const Atom digit = impl_[id];
            if (digit.kind != AtomKind::modulo || digit.left != wanted) continue;
            const Polynomial digits = multiply(multiple, Polynomial{Term{1, {id}}});
            const auto divisor = product_within_64_bits(modulo.right, digit.right);
            if (!divisor || !holds_all(terms, digits)) continue;
            const DimId joined = Rules(dims_, {}).modulo(modulo.left, *divisor);
            const Polynomial rest = sum(sum(terms, digits, -1), Polynomial{remainder}, -1);
            terms = sum(rest, multiply(cofactor, impl_.terms(joined)));
            return true;
        }
    }
    return false;
}

} // namespace heddle::ir
