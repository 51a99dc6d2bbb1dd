#include "ir/polynomial.h"

#include <heddle/error.h>

#include <algorithm>

namespace heddle::ir {

i64 checked_add(i64 a, i64 b) {
    i64 result = 0;
    if (__builtin_add_overflow(a, b, &result)) throw ShapeError("a size overflows 64 bits");
    return result;
}

i64 checked_mul(i64 a, i64 b) {
    i64 result = 0;
    if (__builtin_mul_overflow(a, b, &result)) throw ShapeError("a size overflows 64 bits");
    return result;
}

i64 floor_quotient(i64 a, i64 b) {
    if (b == 0) throw ShapeError("a size is divided by zero");
    if (b == -1) return checked_mul(a, -1);
    return a / b - (a % b != 0 && (a % b < 0) != (b < 0) ? 1 : 0);
}

i64 floor_remainder(i64 a, i64 b) {
    if (b == 0) throw ShapeError("a size is divided by zero");
    if (b == -1) return 0;
    const i64 remainder = a % b;
    return remainder + (remainder != 0 && (remainder < 0) != (b < 0) ? b : 0);
}

bool same_terms(Terms a, Terms b) {
    return std::ranges::equal(a, b, [](const Term& x, const Term& y) {
        return x.coefficient == y.coefficient && x.atoms == y.atoms;
    });
}

Polynomial constant_polynomial(i64 value) { return value == 0 ? Polynomial{} : Polynomial{Term{value, {}}}; }

Polynomial sum(Terms a, Terms b, i64 factor) {
    Polynomial result;
    if (factor == 0) return {a.begin(), a.end()};
    result.reserve(a.size() + b.size());
    auto x = a.begin(), y = b.begin();
    while (x != a.end() || y != b.end()) {
        if (y == b.end() || (x != a.end() && x->atoms < y->atoms)) {
            result.push_back(*x++);
        } else if (x == a.end() || y->atoms < x->atoms) {
            result.push_back({checked_mul(y->coefficient, factor), y->atoms});
            ++y;
        } else {
            const i64 coefficient = checked_add(x->coefficient, checked_mul(y->coefficient, factor));
            if (coefficient != 0) result.push_back({coefficient, x->atoms});
            ++x, ++y;
        }
    }
    return result;
}

Polynomial scaled(Terms a, i64 factor) {
    if (factor == 0) return {};
    Polynomial result(a.begin(), a.end());
    for (Term& term : result) term.coefficient = checked_mul(term.coefficient, factor);
    return result;
}

Polynomial multiply(Terms a, Terms b) {
    Polynomial all;
    all.reserve(a.size() * b.size());
    for (const Term& x : a) {
        for (const Term& y : b) {
            Term& term = all.emplace_back(checked_mul(x.coefficient, y.coefficient));
            term.atoms.reserve(x.atoms.size() + y.atoms.size());
            std::ranges::merge(x.atoms, y.atoms, std::back_inserter(term.atoms));
        }
    }
    if (a.size() <= 1 && b.size() <= 1) return all;
    std::ranges::sort(all, {}, &Term::atoms);
    Polynomial result;
    for (Term& term : all) {
        if (!result.empty() && result.back().atoms == term.atoms)
            result.back().coefficient = checked_add(result.back().coefficient, term.coefficient);
        else
            result.push_back(std::move(term));
        if (result.back().coefficient == 0) result.pop_back();
    }
    return result;
}

i64 constant_term(Terms a) { return a.empty() || !a.front().atoms.empty() ? 0 : a.front().coefficient; }

std::optional<std::vector<AtomId>> without_atoms(std::span<const AtomId> atoms,
                                                 std::span<const AtomId> divisor) {
    if (!std::ranges::includes(atoms, divisor)) return std::nullopt;
    std::vector<AtomId> rest;
    std::ranges::set_difference(atoms, divisor, std::back_inserter(rest));
    return rest;
}

std::vector<AtomId> common_atoms(std::span<const AtomId> a, std::span<const AtomId> b) {
    std::vector<AtomId> both;
    std::ranges::set_intersection(a, b, std::back_inserter(both));
    return both;
}

bool is_multiple(Terms a, Terms factor) {
    constexpr int most_steps = 16;
    if (factor.empty()) return a.empty();
    const Term& leading =
        *std::ranges::max_element(factor, {}, [](const Term& term) { return term.atoms.size(); });
    if (leading.coefficient < 0) return is_multiple(a, scaled(factor, -1));
    Polynomial rest(a.begin(), a.end());
    for (int step = 0; step < most_steps && !rest.empty(); ++step) {
        Polynomial quotient;
        for (const Term& term : rest) {
            const auto atoms = without_atoms(term.atoms, leading.atoms);
            if (!atoms || term.coefficient % leading.coefficient != 0) continue;
            quotient.push_back({term.coefficient / leading.coefficient, *atoms});
            break;
        }
        if (quotient.empty()) return false;
        rest = sum(rest, multiply(quotient, factor), -1);
    }
    return rest.empty();
}

std::optional<LinearForm> linear_in(Terms a, AtomId atom) {
    LinearForm form;
    for (const Term& term : a) {
        const auto found = std::ranges::equal_range(term.atoms, atom);
        if (found.size() > 1) return std::nullopt;
        if (found.empty()) {
            form.rest.push_back(term);
            continue;
        }
        Term& factor = form.coefficient.emplace_back(term.coefficient);
        std::ranges::copy_if(term.atoms, std::back_inserter(factor.atoms),
                             [&](AtomId other) { return other != atom; });
    }
    // Taking one atom out of sorted lists that all hold it can change their order.
    std::ranges::sort(form.coefficient, {}, &Term::atoms);
    return form;
}

Polynomial put_in(const LinearForm& form, Terms value) {
    return sum(form.rest, multiply(form.coefficient, value));
}

} // namespace heddle::ir
