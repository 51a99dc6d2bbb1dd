// Proofs about size expressions. An expression is not negative if it is not so with each variable at the end of its range
// that makes it smallest: axes first, quotients and remainders by their bounds, then symbols, written as their lowest
// value and something that is not negative; what is left has no negative coefficient. Sound, not complete.

#include "ir/dims_impl.h"

#include <heddle/error.h>

#include <algorithm>
#include <limits>
#include <numeric>

namespace heddle::ir {

namespace {

constexpr int most_steps = 160;
/// Assumptions whose consequences are kept.
constexpr std::size_t most_known = 8;
/// Questions without a proof that are kept for each.
constexpr std::size_t most_unproven = 64;
/// After so many steps a counterexample is looked for.
constexpr int few_steps = 6;
/// How many facts one proof may add up.
constexpr int most_facts = 3;

constexpr i64 least_integer = std::numeric_limits<i64>::min();

/// The greatest common divisor of all coefficients but the constant's; 0 if there are none.
i64 common_coefficient(Terms terms) {
    i64 common = 0;
    for (const Term& term : terms)
        if (!term.atoms.empty()) common = std::gcd(common, term.coefficient);
    return common;
}

/// A coefficient that has no opposite, which the arithmetic below would trip over.
bool has_least(Terms terms) {
    return std::ranges::find(terms, least_integer, &Term::coefficient) != terms.end();
}

} // namespace

Dims::Prover::Prover(Dims& dims, const Assumptions& assume, std::initializer_list<DimId> about,
                     DimId positive)
    : dims_(dims), impl_(*dims.impl_), extents_(assume.axis_extents) {
    u64 axes = 0;
    for (DimId id : about) axes |= impl_[id].axes;
    for (std::size_t axis = 0; axis < extents_.size() && axis < 63;
         ++axis) // nothing follows from constant extents
        if (impl_[extents_[axis]].is_constant) axes &= ~Impl::axis_bit(static_cast<u32>(axis));
    if (extents_.size() < 63) axes &= Impl::axis_bit(static_cast<u32>(extents_.size())) - 1;
    if (positive.valid() && impl_[positive].is_constant) positive = {};
    if (assume.facts.empty() && axes == 0 && !positive.valid()) {
        std::shared_ptr<const Known>& nothing = impl_.nothing_known;
        if (nothing == nullptr || !std::ranges::equal(nothing->extents, extents_))
            nothing = std::make_shared<const Known>(Known{.extents = {extents_.begin(), extents_.end()}});
        known_ = nothing;
        return;
    }
    known_ = impl_.recent(assume, axes, positive);
    if (known_ != nullptr) return;
    known_ = Digest(dims, assume, axes, positive).result();
    if (impl_.known.size() == most_known) impl_.known.erase(impl_.known.begin());
    impl_.known.push_back(known_);
}

std::shared_ptr<const Known> Dims::Impl::recent(const Assumptions& assume, u64 about, DimId positive) {
    const auto found = std::ranges::find_if(known, [&](const std::shared_ptr<const Known>& one) {
        return one->axes == about && one->positive == positive &&
               std::ranges::equal(one->facts, assume.facts) &&
               std::ranges::equal(one->extents, assume.axis_extents);
    });
    if (found == known.end()) return nullptr;
    std::rotate(found, found + 1, known.end());
    return known.back();
}

Terms Dims::Prover::terms(DimId id) const {
    if (known_->values.empty() || !impl_[id].symbols) return impl_.terms(id);
    return impl_.terms(dims_.substitute(id, {}, known_->values));
}

bool Dims::Prover::not_negative(Terms expression) {
    steps_ = 0;
    given_up_ = false;
    try {
        question_ =
            known_->values.empty() ? expression : terms(impl_.intern({expression.begin(), expression.end()}));
        const bool proven = prove({question_.begin(), question_.end()}, most_facts);
        if (!proven && steps_ > most_steps && !given_up_ && known_->unproven.size() < most_unproven)
            known_->unproven.emplace_back(question_.begin(), question_.end());
        return proven;
    } catch (const ShapeError&) {
        return false; // a coefficient left 64 bits on the way
    }
}

bool Dims::Prover::prove(Polynomial expression, int depth) {
    if (++steps_ > most_steps) return false;
    if (steps_ == few_steps && !question_.empty() && hopeless()) {
        given_up_ = true;
        steps_ = most_steps + 1;
        return false;
    }
    if (has_least(expression)) return false;
    const i64 common = common_coefficient(expression);
    if (common == 0) return constant_term(expression) >= 0;
    if (common > 1) { // g * u + c >= 0 is u + floor(c / g) >= 0
        for (Term& term : expression) term.coefficient = floor_quotient(term.coefficient, common);
        std::erase_if(expression, [](const Term& term) { return term.coefficient == 0; });
    }
    if (all_not_negative(expression)) return true;
    // From the newest atom: an opaque one is newer than what it is made of.
    std::vector<AtomId> atoms;
    for (const Term& term : expression) atoms.insert(atoms.end(), term.atoms.begin(), term.atoms.end());
    std::ranges::sort(atoms, std::ranges::greater());
    atoms.erase(std::unique(atoms.begin(), atoms.end()), atoms.end());
    for (AtomId id : atoms) {
        const Atom atom = impl_[id];
        if (atom.kind == AtomKind::symbol) continue;
        const auto form = linear_in(expression, id);
        if (!form) continue;
        if (atom.kind == AtomKind::axis) {
            if (const auto proven = without_axis(*form, id, depth)) {
                if (*proven) return true;
                break;
            }
        } else if (without_opaque(*form, atom, depth)) {
            return true;
        }
    }
    return by_symbols(expression, depth);
}

bool Dims::Prover::hopeless() {
    return std::ranges::any_of(known_->unproven,
                               [&](const Polynomial& known) { return same_terms(known, question_); }) ||
           refuted(question_);
}

bool Dims::Prover::all_not_negative(Terms expression) {
    return std::ranges::all_of(expression, [&](const Term& term) {
        return term.coefficient > 0 &&
               std::ranges::all_of(term.atoms, [&](AtomId atom) { return is_not_negative(atom); });
    });
}

bool Dims::Prover::is_not_negative(AtomId id) {
    const Atom& atom = impl_[id];
    switch (atom.kind) {
    case AtomKind::symbol:
    case AtomKind::axis:
    case AtomKind::modulo: return true;
    case AtomKind::divide: {
        if (interval(id, false).value_or(-1) >= 0) return true;
        const Terms left = terms(atom.left);
        return prove({left.begin(), left.end()}, 0);
    }
    case AtomKind::minimum:
    case AtomKind::maximum: return interval(id, false).value_or(-1) >= 0;
    }
    return false;
}

std::optional<bool> Dims::Prover::sign_is_negative(Terms expression, int depth) {
    if (prove({expression.begin(), expression.end()}, depth)) return false;
    if (prove(scaled(expression, -1), depth)) return true;
    return std::nullopt;
}

std::optional<bool> Dims::Prover::without_axis(const LinearForm& form, AtomId axis, int depth) {
    // Opaque terms that mention the axis must go first; they are newer, so one that is left is there to stay.
    const u32 number = impl_[axis].index;
    const u64 others = impl_.axes_of(form.coefficient) | impl_.axes_of(form.rest);
    if ((others & Impl::axis_bit(number)) != 0) return std::nullopt;
    const auto negative = sign_is_negative(form.coefficient, depth);
    if (!negative) return std::nullopt;
    const Known::Range* range = known_->range(axis);
    if (!*negative) return prove(put_in(form, constant_polynomial(range ? range->low : 0)), depth);
    if (number < extents_.size()) {
        const Polynomial last = sum(terms(extents_[number]), constant_polynomial(1), -1);
        if (prove(put_in(form, last), depth)) return true;
    }
    if (range && range->high) return prove(put_in(form, constant_polynomial(*range->high)), depth);
    return std::nullopt;
}

bool Dims::Prover::without_opaque(const LinearForm& form, const Atom& atom, int depth) {
    const auto negative = sign_is_negative(form.coefficient, depth);
    if (!negative) return false;
    const Terms left = terms(atom.left), right = terms(atom.right);
    auto with = [&](Terms value) { return prove(put_in(form, value), depth); };
    switch (atom.kind) {
    case AtomKind::divide: return without_quotient(form, atom, *negative, depth);
    case AtomKind::modulo:
        if (!*negative) return prove(form.rest, depth);
        if (with(sum(right, constant_polynomial(1), -1))) return true;
        return prove({left.begin(), left.end()}, 0) && with(left);
    case AtomKind::minimum: return *negative ? with(left) || with(right) : with(left) && with(right);
    case AtomKind::maximum: return *negative ? with(left) && with(right) : with(left) || with(right);
    case AtomKind::symbol:
    case AtomKind::axis: break;
    }
    return false;
}

/// x / d lies in [(x - d + 1) / d, x / d]; everything else is multiplied by d, which is positive.
bool Dims::Prover::without_quotient(const LinearForm& form, const Atom& atom, bool negative, int depth) {
    const Terms value = terms(atom.left), divisor = terms(atom.right);
    const Polynomial last = sum(divisor, constant_polynomial(1), -1);
    const Polynomial rest = multiply(form.rest, divisor);
    if (!negative) {
        const Polynomial least = sum(value, last, -1);
        return prove(form.rest, depth) && prove({value.begin(), value.end()}, 0)
                   ? true
                   : prove(sum(rest, multiply(form.coefficient, least)), depth);
    }
    const bool once = form.coefficient.size() == 1 && form.coefficient[0].atoms.empty() &&
                      form.coefficient[0].coefficient == -1;
    // rest - x / d >= 0 is x <= rest * d + d - 1.
    if (once) return prove(sum(sum(rest, last), value, -1), depth);
    return prove(sum(rest, multiply(form.coefficient, value)), depth);
}

bool Dims::Prover::by_symbols(const Polynomial& expression, int depth) {
    Polynomial shifted = expression;
    for (const Known::Range& range : known_->ranges) {
        if (range.low == 0) continue;
        const Polynomial value = sum(std::vector{Term{1, {range.atom}}}, constant_polynomial(range.low));
        const auto form = linear_in(shifted, range.atom);
        if (form && !form->coefficient.empty()) shifted = put_in(*form, value);
    }
    if (all_not_negative(shifted)) return true;
    for (const Known::Range& range : known_->ranges) {
        if (!range.high) continue;
        const auto form = linear_in(expression, range.atom);
        if (!form || form->coefficient.empty()) continue;
        if (!prove(scaled(form->coefficient, -1), 0)) continue;
        if (prove(put_in(*form, constant_polynomial(*range.high)), depth)) return true;
    }
    if (depth == 0) return false;
    return std::ranges::any_of(known_->not_negative,
                               [&](const Polynomial& fact) { return by_fact(expression, fact, depth - 1); });
}

/// Takes the fact off, so often that a negative term of the expression goes with it.
bool Dims::Prover::by_fact(const Polynomial& expression, const Polynomial& fact, int depth) {
    for (const Term& term : expression) {
        if (term.coefficient >= 0) continue;
        for (const Term& other : fact) {
            if (other.coefficient >= 0) continue;
            const auto atoms = without_atoms(term.atoms, other.atoms);
            if (!atoms || !std::ranges::all_of(*atoms, [&](AtomId atom) { return is_not_negative(atom); }))
                continue;
            const i64 common = std::gcd(term.coefficient, other.coefficient);
            const Polynomial times{Term{-(term.coefficient / common), *atoms}};
            const Polynomial left = scaled(expression, -(other.coefficient / common));
            if (prove(sum(left, multiply(times, fact), -1), depth)) return true;
        }
    }
    return false;
}

// ---- constant bounds -----------------------------------------------------------------------------------------

std::optional<i64> Dims::Prover::bound(Terms expression, bool upper) {
    steps_ = 0;
    question_ = {};
    try {
        const DimId id = impl_.intern({expression.begin(), expression.end()});
        const Terms given = terms(id);
        const Polynomial plain(given.begin(), given.end());
        if (has_least(plain)) return std::nullopt;
        std::optional<i64> best = interval(plain, upper);
        auto better = [&](std::optional<i64> other) {
            if (other) best = !best ? *other : upper ? std::min(*best, *other) : std::max(*best, *other);
        };
        const Polynomial without_axes = axes_at_ends(plain, upper);
        if (!same_terms(without_axes, plain)) better(interval(without_axes, upper));
        // e <= e + f for what a fact says is not negative.
        for (const Polynomial& fact : known_->not_negative) {
            for (const Term& term : without_axes) {
                for (const Term& other : fact) {
                    const bool opposite = (term.coefficient > 0) != (other.coefficient > 0);
                    if (term.atoms != other.atoms || term.atoms.empty() || opposite != upper) continue;
                    const i64 common = std::gcd(term.coefficient, other.coefficient);
                    const i64 times = std::abs(other.coefficient / common),
                              facts = std::abs(term.coefficient / common);
                    const auto value =
                        interval(sum(scaled(without_axes, times), fact, upper ? facts : -facts), upper);
                    if (value)
                        better(upper ? floor_quotient(*value, times)
                                     : -floor_quotient(checked_mul(*value, -1), times));
                }
            }
        }
        return best;
    } catch (const ShapeError&) {
        return std::nullopt;
    }
}

/// Each axis at the end of its range that makes the expression largest (smallest), where that is known.
Polynomial Dims::Prover::axes_at_ends(Polynomial expression, bool upper) {
    for (u32 number = 0; number < extents_.size(); ++number) {
        const auto axis = impl_.find_atom({AtomKind::axis, number, {}, {}});
        if (!axis) continue;
        const auto form = linear_in(expression, *axis);
        if (!form || form->coefficient.empty()) continue;
        if (((impl_.axes_of(form->coefficient) | impl_.axes_of(form->rest)) & Impl::axis_bit(number)) != 0)
            continue;
        const auto negative = sign_is_negative(form->coefficient, 0);
        if (!negative) continue;
        expression = *negative == upper
                         ? form->rest
                         : put_in(*form, sum(terms(extents_[number]), constant_polynomial(1), -1));
    }
    return expression;
}

std::optional<i64> Dims::Prover::interval(Terms expression, bool upper) {
    i64 total = 0;
    for (const Term& term : expression) {
        const bool high = (term.coefficient >= 0) == upper;
        i64 product = term.coefficient;
        for (AtomId atom : term.atoms) {
            // Products are bounded where every factor is not negative.
            if (term.atoms.size() > 1 && !is_not_negative(atom)) return std::nullopt;
            auto value = interval(atom, high);
            if (!high && term.atoms.size() > 1) value = std::max<i64>(value.value_or(0), 0);
            if (!value || __builtin_mul_overflow(product, *value, &product)) return std::nullopt;
        }
        if (__builtin_add_overflow(total, product, &total)) return std::nullopt;
    }
    return total;
}

std::optional<i64> Dims::Prover::interval(AtomId id, bool upper) {
    if (++steps_ > most_steps) return std::nullopt;
    const Atom& atom = impl_[id];
    const Known::Range* range = known_->range(id);
    switch (atom.kind) {
    case AtomKind::symbol: return !upper ? range ? range->low : 0 : range ? range->high : std::nullopt;
    case AtomKind::axis: {
        if (!upper) return range ? range->low : 0;
        std::optional<i64> high = range ? range->high : std::nullopt;
        if (atom.index >= extents_.size()) return high;
        const auto extent = interval(terms(extents_[atom.index]), true);
        if (extent && (!high || *extent - 1 < *high)) high = *extent - 1;
        return high;
    }
    case AtomKind::divide: return quotient_interval(atom, upper);
    case AtomKind::modulo: {
        if (!upper) return 0;
        const auto left = interval(terms(atom.left), true), divisor = interval(terms(atom.right), true);
        std::optional<i64> high;
        if (divisor) high = *divisor - 1;
        if (left && (!high || *left < *high) && interval(terms(atom.left), false).value_or(-1) >= 0)
            high = *left;
        return high;
    }
    case AtomKind::minimum:
    case AtomKind::maximum: {
        const auto left = interval(terms(atom.left), upper), right = interval(terms(atom.right), upper);
        const bool smaller = atom.kind == AtomKind::minimum;
        if (left && right) return smaller ? std::min(*left, *right) : std::max(*left, *right);
        if (upper == smaller) return left ? left : right;
        return std::nullopt;
    }
    }
    return std::nullopt;
}

/// The larger the divisor, the nearer the quotient is to 0 (or to -1).
std::optional<i64> Dims::Prover::quotient_interval(const Atom& atom, bool upper) {
    const auto value = interval(terms(atom.left), upper);
    const auto low = interval(terms(atom.right), false), high = interval(terms(atom.right), true);
    if (!value) return std::nullopt;
    const i64 least = std::max<i64>(low.value_or(1), 1);
    if (*value == 0) return 0;
    const bool nearest = (*value > 0) != upper;
    if (!nearest) return floor_quotient(*value, least);
    if (high && *high >= 1) return floor_quotient(*value, *high);
    return *value > 0 ? 0 : -1;
}

i64 Dims::Prover::divisor_of(std::span<const AtomId> atoms) const {
    i64 result = 1;
    for (AtomId id : atoms) {
        for (const Known::Multiple& multiple : known_->multiples) {
            if (impl_.single_atom(multiple.of) != id) continue;
            if (__builtin_mul_overflow(result, multiple.divisor, &result)) return 1;
            break;
        }
    }
    return result;
}

bool Dims::Prover::divisible(Terms expression, i64 divisor) const {
    return std::ranges::all_of(expression, [&](const Term& term) {
        return term.coefficient % (divisor / std::gcd(divisor_of(term.atoms), divisor)) == 0;
    });
}

// ---- the questions -------------------------------------------------------------------------------------------

bool Dims::prove_not_negative(DimId id, const Assumptions& assume) {
    if (const auto value = as_constant(id)) return *value >= 0;
    return Prover(*this, assume, {id}).not_negative(impl_->terms(id));
}

bool Dims::prove_less(DimId a, DimId b, const Assumptions& assume) {
    const Impl::Entry &x = (*impl_)[a], &y = (*impl_)[b];
    if (x.is_constant && y.is_constant) return x.constant < y.constant;
    try {
        const Polynomial gap = sum(impl_->terms(b), sum(impl_->terms(a), constant_polynomial(1)), -1);
        return Prover(*this, assume, {a, b}).not_negative(gap);
    } catch (const ShapeError&) {
        return false;
    }
}

bool Dims::prove_equal(DimId a, DimId b, const Assumptions& assume) {
    if (a == b) return true;
    if (as_constant(a) && as_constant(b)) return false;
    try {
        const Polynomial difference = sum(impl_->terms(a), impl_->terms(b), -1);
        // A multiple of what a fact says to be 0.
        for (const Fact& fact : assume.facts)
            if (fact.relation == Relation::equal &&
                is_multiple(difference, sum(impl_->terms(fact.left), impl_->terms(fact.right), -1)))
                return true;
        Prover prover(*this, assume, {a, b});
        return prover.not_negative(difference) && prover.not_negative(scaled(difference, -1));
    } catch (const ShapeError&) {
        return false;
    }
}

std::optional<i64> Dims::upper_bound(DimId id, const Assumptions& assume) {
    return Prover(*this, assume, {id}).bound(impl_->terms(id), true);
}

std::optional<i64> Dims::lower_bound(DimId id, const Assumptions& assume) {
    return Prover(*this, assume, {id}).bound(impl_->terms(id), false);
}

bool Dims::prove_divisible(DimId id, i64 d, const Assumptions& assume) {
    if (d == 0) return is_constant(id, 0);
    return is_constant(modulo(id, constant(d), assume), 0);
}

} // namespace heddle::ir
