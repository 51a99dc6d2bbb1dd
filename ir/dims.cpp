#include "ir/dims_impl.h"

#include "support/hash.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <algorithm>

namespace heddle::ir {

// ---- the table -----------------------------------------------------------------------------------------------

namespace {

/// Into a table, and what makes it known: neither where memory ends, for the table may be used again.
template <class Table, class Rest>
void add_known(Table& table, typename Table::value_type item, const Rest& make_known) {
    table.push_back(std::move(item));
    try {
        make_known();
    } catch (...) {
        table.pop_back();
        throw;
    }
}

} // namespace

DimId Dims::Impl::constant(i64 value) {
    const bool small = value >= least_small && value < least_small + static_cast<i64>(small_constants.size());
    DimId& known = small ? small_constants[static_cast<std::size_t>(value - least_small)] : constants[value];
    if (known.valid()) return known;
    entries.push_back({.terms = constant_polynomial(value), .constant = value, .is_constant = true});
    return known = DimId{entries.size() - 1};
}

DimId Dims::Impl::intern(Polynomial terms) {
    if (terms.empty()) return constant(0);
    if (terms.size() == 1 && terms[0].atoms.empty()) return constant(terms[0].coefficient);
    u64 hash = terms.size();
    for (const Term& term : terms) {
        hash = hash_mix(hash, static_cast<u64>(term.coefficient));
        for (AtomId atom : term.atoms) hash = hash_mix(hash, atom.value);
    }
    const u32 known = index.find(hash, [&](u32 number) { return same_terms(entries[number].terms, terms); });
    if (known != HashIndex::none) return DimId{known};
    Entry entry;
    for (const Term& term : terms) {
        for (AtomId atom : term.atoms) {
            entry.axes |= traits[atom.value].axes;
            entry.symbols |= traits[atom.value].symbols;
            entry.opaque |= is_opaque(atoms[atom.value].kind);
            entry.depth = std::max(entry.depth, traits[atom.value].depth);
        }
    }
    entry.terms = std::move(terms);
    const DimId id{entries.size()};
    add_known(entries, std::move(entry), [&] { index.insert(hash, id.value); });
    return id;
}

namespace {

u64 hash_of(const Atom& atom) {
    const u64 start = static_cast<u64>(atom.kind) << 32 | atom.index;
    return hash_mix(hash_mix(start, atom.left.value), atom.right.value);
}

} // namespace

std::optional<AtomId> Dims::Impl::find_atom(const Atom& wanted) const {
    const u32 known = atom_index.find(hash_of(wanted), [&](u32 number) { return atoms[number] == wanted; });
    return known == HashIndex::none ? std::nullopt : std::optional(AtomId{known});
}

AtomId Dims::Impl::atom(const Atom& wanted) {
    if (const auto known = find_atom(wanted)) return *known;
    AtomTraits added;
    if (wanted.kind == AtomKind::axis) added.axes = axis_bit(wanted.index);
    if (wanted.kind == AtomKind::symbol) added.symbols = true;
    if (is_opaque(wanted.kind)) {
        const Entry &left = entries[wanted.left.value], &right = entries[wanted.right.value];
        added = {left.axes | right.axes, left.symbols || right.symbols,
                 std::max(left.depth, right.depth) + 1};
    }
    const AtomId id{atoms.size()};
    add_known(atoms, wanted,
              [&] { add_known(traits, added, [&] { atom_index.insert(hash_of(wanted), id.value); }); });
    return id;
}

u64 Dims::Impl::axes_of(Terms terms) const {
    u64 axes = 0;
    for (const Term& term : terms)
        for (AtomId atom : term.atoms) axes |= traits[atom.value].axes;
    return axes;
}

std::optional<AtomId> Dims::Impl::single_atom(DimId id) const {
    const Polynomial& terms = entries[id.value].terms;
    if (terms.size() != 1 || terms[0].coefficient != 1 || terms[0].atoms.size() != 1) return std::nullopt;
    return terms[0].atoms[0];
}

Dims::Dims() : impl_(std::make_unique<Impl>()) {}
Dims::~Dims() = default;
Dims::Dims(Dims&&) noexcept = default;
Dims& Dims::operator=(Dims&&) noexcept = default;

// ---- leaves --------------------------------------------------------------------------------------------------

DimId Dims::constant(i64 value) { return impl_->constant(value); }

DimId Dims::atom_expression(AtomId id) { return impl_->intern({Term{1, {id}}}); }

DimId Dims::symbol(std::string_view name) {
    auto known = impl_->symbol_numbers.find(name);
    if (known == impl_->symbol_numbers.end()) {
        const u32 number = symbol_count();
        add_known(impl_->symbols, std::string(name),
                  [&] { known = impl_->symbol_numbers.emplace(name, number).first; });
    }
    return atom_expression(impl_->atom({AtomKind::symbol, known->second, {}, {}}));
}

DimId Dims::fresh_symbol(std::string_view hint) {
    std::string name(hint);
    if (impl_->symbol_numbers.contains(name)) {
        u32& number = impl_->fresh_numbers[std::string(hint)];
        do name = fmt::format("{}{}", hint, ++number);
        while (impl_->symbol_numbers.contains(name));
    }
    return symbol(name);
}

DimId Dims::axis(u32 number) {
    std::vector<DimId>& known = impl_->axes;
    while (known.size() <= number)
        known.push_back(
            atom_expression(impl_->atom({AtomKind::axis, static_cast<u32>(known.size()), {}, {}})));
    return known[number];
}

// ---- inspection ----------------------------------------------------------------------------------------------

std::optional<i64> Dims::as_constant(DimId id) const {
    const Impl::Entry& entry = (*impl_)[id];
    return entry.is_constant ? std::optional(entry.constant) : std::nullopt;
}

std::span<const Term> Dims::terms(DimId id) const { return (*impl_)[id].terms; }
const Atom& Dims::atom(AtomId id) const { return (*impl_)[id]; }
u32 Dims::symbol_count() const { return static_cast<u32>(impl_->symbols.size()); }
std::string_view Dims::symbol_name(u32 symbol) const { return impl_->symbols[symbol]; }
bool Dims::mentions_any_axis(DimId id) const { return (*impl_)[id].axes != 0; }

bool Dims::mentions_axis(DimId id, u32 number) const {
    if (((*impl_)[id].axes & Impl::axis_bit(number)) == 0) return false;
    if (number < 63) return true;
    for (const Term& term : (*impl_)[id].terms) {
        for (AtomId factor : term.atoms) {
            const Atom& atom = (*impl_)[factor];
            if (atom.kind == AtomKind::axis && atom.index == number) return true;
            if (!Impl::is_opaque(atom.kind)) continue;
            if (mentions_axis(atom.left, number) || mentions_axis(atom.right, number)) return true;
        }
    }
    return false;
}

std::optional<DimId> Dims::axis_coefficient(DimId id, u32 number) {
    if (!mentions_axis(id, number)) return constant(0);
    const auto form = linear_in((*impl_)[id].terms, impl_->atom({AtomKind::axis, number, {}, {}}));
    if (!form) return std::nullopt;
    const DimId coefficient = impl_->intern(form->coefficient);
    if (mentions_axis(coefficient, number) || mentions_axis(impl_->intern(form->rest), number))
        return std::nullopt;
    return coefficient;
}

// ---- sums and products ---------------------------------------------------------------------------------------

DimId Dims::add(DimId a, DimId b) {
    const Impl::Entry &x = (*impl_)[a], &y = (*impl_)[b];
    if (x.is_constant && y.is_constant) return constant(checked_add(x.constant, y.constant));
    if (x.is_constant && x.constant == 0) return b;
    if (y.is_constant && y.constant == 0) return a;
    Polynomial result = sum(x.terms, y.terms);
    if (x.opaque && y.opaque) result = Rules(*this, {}).recombine(std::move(result));
    return impl_->intern(std::move(result));
}

DimId Dims::sub(DimId a, DimId b) {
    const Impl::Entry &x = (*impl_)[a], &y = (*impl_)[b];
    if (y.is_constant && y.constant == 0) return a;
    if (x.is_constant && y.is_constant) {
        i64 difference = 0;
        if (__builtin_sub_overflow(x.constant, y.constant, &difference))
            throw ShapeError("a size overflows 64 bits");
        return constant(difference);
    }
    if (a == b) return constant(0);
    Polynomial result = sum(x.terms, y.terms, -1);
    if (x.opaque && y.opaque) result = Rules(*this, {}).recombine(std::move(result));
    return impl_->intern(std::move(result));
}

DimId Dims::mul(DimId a, DimId b) {
    const Impl::Entry &x = (*impl_)[a], &y = (*impl_)[b];
    if (x.is_constant && y.is_constant) return constant(checked_mul(x.constant, y.constant));
    if (x.is_constant && x.constant == 1) return b;
    if (y.is_constant && y.constant == 1) return a;
    Polynomial result = multiply(x.terms, y.terms);
    if (x.opaque || y.opaque) result = Rules(*this, {}).recombine(std::move(result));
    return impl_->intern(std::move(result));
}

DimId Dims::product(std::span<const DimId> factors) {
    DimId result = constant(1);
    for (DimId factor : factors) result = mul(result, factor);
    return result;
}

// ---- opaque terms --------------------------------------------------------------------------------------------

DimId Dims::divide(DimId a, DimId b, const Assumptions& assume) { return Rules(*this, assume).divide(a, b); }
DimId Dims::modulo(DimId a, DimId b, const Assumptions& assume) { return Rules(*this, assume).modulo(a, b); }

DimId Dims::minimum(DimId a, DimId b, const Assumptions& assume) {
    const Impl::Entry &x = (*impl_)[a], &y = (*impl_)[b];
    if (x.is_constant && y.is_constant) return x.constant < y.constant ? a : b;
    if (prove_not_negative(sub(b, a), assume)) return a;
    if (prove_not_negative(sub(a, b), assume)) return b;
    return atom_expression(impl_->atom({AtomKind::minimum, 0, std::min(a, b), std::max(a, b)}));
}

DimId Dims::maximum(DimId a, DimId b, const Assumptions& assume) {
    const Impl::Entry &x = (*impl_)[a], &y = (*impl_)[b];
    if (x.is_constant && y.is_constant) return x.constant < y.constant ? b : a;
    if (prove_not_negative(sub(a, b), assume)) return a;
    if (prove_not_negative(sub(b, a), assume)) return b;
    return atom_expression(impl_->atom({AtomKind::maximum, 0, std::min(a, b), std::max(a, b)}));
}

DimId Dims::ceil_divide(DimId a, DimId b, const Assumptions& assume) {
    const auto x = as_constant(a), y = as_constant(b);
    // In this order nothing overflows on the way to a quotient that does not.
    if (x && y && *y > 0) return constant(floor_quotient(*x, *y) + (*x % *y != 0 ? 1 : 0));
    return divide(add(a, sub(b, constant(1))), b, assume);
}

// ---- evaluation ----------------------------------------------------------------------------------------------

namespace {

/// Values are kept for expressions that nest so deep that shared parts could be met too often.
constexpr u32 deep = 6;

struct Evaluator {
    const Dims& dims;
    std::span<const i64> symbols, axes;
    bool keep;
    std::unordered_map<AtomId, i64> kept;

    i64 operator()(DimId id) {
        i64 total = 0;
        for (const Term& term : dims.terms(id)) {
            i64 product = term.coefficient;
            for (AtomId atom : term.atoms) product = checked_mul(product, (*this)(atom));
            total = checked_add(total, product);
        }
        return total;
    }

    i64 operator()(AtomId id) {
        const Atom& atom = dims.atom(id);
        if (atom.kind == AtomKind::symbol) {
            if (atom.index < symbols.size()) return symbols[atom.index];
            throw InternalError(fmt::format("no value for the size ?{}", dims.symbol_name(atom.index)));
        }
        if (atom.kind == AtomKind::axis) {
            if (atom.index < axes.size()) return axes[atom.index];
            throw InternalError(fmt::format("no value for the axis d{}", atom.index));
        }
        if (!keep) return opaque(atom);
        if (const auto known = kept.find(id); known != kept.end()) return known->second;
        const i64 value = opaque(atom);
        kept.emplace(id, value);
        return value;
    }

    i64 opaque(const Atom& atom) {
        const i64 a = (*this)(atom.left), b = (*this)(atom.right);
        switch (atom.kind) {
        case AtomKind::divide: return floor_quotient(a, b);
        case AtomKind::modulo: return floor_remainder(a, b);
        case AtomKind::minimum: return std::min(a, b);
        case AtomKind::maximum: return std::max(a, b);
        case AtomKind::symbol:
        case AtomKind::axis: break;
        }
        throw InternalError("a variable is no opaque term");
    }
};

} // namespace

i64 Dims::evaluate(DimId id, std::span<const i64> symbols, std::span<const i64> axes) const {
    const Impl::Entry& entry = (*impl_)[id];
    if (entry.is_constant) return entry.constant;
    return Evaluator{*this, symbols, axes, entry.depth >= deep, {}}(id);
}

bool Dims::holds(const Fact& fact, std::span<const i64> symbols) const {
    const i64 left = evaluate(fact.left, symbols), right = evaluate(fact.right, symbols);
    switch (fact.relation) {
    case Relation::equal: return left == right;
    case Relation::not_equal: return left != right;
    case Relation::less: return left < right;
    case Relation::less_equal: return left <= right;
    }
    throw InternalError("a fact without a relation");
}

} // namespace heddle::ir
