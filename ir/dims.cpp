#include "ir/dims_impl.h"

#include "support/hash.h"

#include <heddle/error.h>

#include <fmt/format.h>

#include <algorithm>

namespace heddle::ir {

namespace {

i64 checked_add(i64 a, i64 b) {
    i64 sum = 0;
    if (__builtin_add_overflow(a, b, &sum)) throw ShapeError("a size overflows 64 bits");
    return sum;
}

i64 checked_mul(i64 a, i64 b) {
    i64 product = 0;
    if (__builtin_mul_overflow(a, b, &product)) throw ShapeError("a size overflows 64 bits");
    return product;
}

i64 floor_divide(i64 a, i64 b) {
    if (b == 0) throw ShapeError("a size is divided by zero");
    if (b == -1) return checked_mul(a, -1);
    const i64 quotient = a / b;
    return quotient - (a % b != 0 && (a % b < 0) != (b < 0));
}

std::vector<u32> merge_atoms(std::span<const AtomId> a, std::span<const AtomId> b) {
    std::vector<u32> merged;
    for (AtomId id : a) merged.push_back(id.value);
    for (AtomId id : b) merged.push_back(id.value);
    std::ranges::sort(merged);
    return merged;
}

std::vector<u32> atom_values(const std::vector<AtomId>& atoms) {
    std::vector<u32> values;
    for (AtomId id : atoms) values.push_back(id.value);
    return values;
}

} // namespace

// ---- the table --------------------------------------------------------------------------------------------------------

DimId Dims::Impl::constant(i64 value) {
    const bool small = value >= 0 && value < static_cast<i64>(small_constants.size());
    DimId& known = small ? small_constants[static_cast<std::size_t>(value)] : constants[value];
    if (known.valid()) return known;
    known = DimId{entries.size()};
    Entry& entry = entries.emplace_back();
    entry.constant = value;
    if (value != 0) entry.terms.push_back({value, {}});
    return known;
}

DimId Dims::Impl::intern(const Polynomial& polynomial) {
    if (polynomial.empty()) return constant(0);
    if (polynomial.size() == 1 && polynomial.begin()->first.empty()) return constant(polynomial.begin()->second);
    u64 hash = polynomial.size();
    for (const auto& [atoms, coefficient] : polynomial) hash = hash_span(hash_mix(hash, static_cast<u64>(coefficient)), std::span<const u32>(atoms));
    auto same = [&](const std::vector<Term>& terms) {
        return std::ranges::equal(terms, polynomial, [](const Term& term, const auto& other) {
            return term.coefficient == other.second && std::ranges::equal(term.atoms, other.first, {}, &AtomId::value);
        });
    };
    auto [first, last] = index.equal_range(hash);
    for (; first != last; ++first)
        if (same(entries[first->second.value].terms)) return first->second;
    const DimId id{entries.size()};
    Entry& entry = entries.emplace_back();
    for (const auto& [values, coefficient] : polynomial) {
        Term term{coefficient, {}};
        for (u32 value : values) {
            term.atoms.emplace_back(value);
            entry.axes |= atom_axes[value];
            entry.opaque |= atoms[value].kind > AtomKind::axis;
        }
        entry.terms.push_back(std::move(term));
    }
    index.emplace(hash, id);
    return id;
}

AtomId Dims::Impl::atom(const Atom& wanted) {
    const u64 hash = hash_mix(hash_mix(static_cast<u64>(wanted.kind) << 32 | wanted.index, wanted.left.value), wanted.right.value);
    auto [first, last] = atom_index.equal_range(hash);
    for (; first != last; ++first) {
        const Atom& atom = atoms[first->second.value];
        if (atom.kind == wanted.kind && atom.index == wanted.index && atom.left == wanted.left && atom.right == wanted.right) return first->second;
    }
    const AtomId id{atoms.size()};
    atoms.push_back(wanted);
    u64 axes = wanted.kind == AtomKind::axis ? axis_bit(wanted.index) : 0;
    if (wanted.left.valid()) axes |= entries[wanted.left.value].axes | entries[wanted.right.value].axes;
    atom_axes.push_back(axes);
    atom_index.emplace(hash, id);
    return id;
}

void Dims::Impl::add_scaled(Polynomial& to, DimId id, i64 factor) const {
    for (const Term& term : entries[id.value].terms) {
        auto [place, fresh] = to.try_emplace(atom_values(term.atoms), 0);
        place->second = checked_add(place->second, checked_mul(term.coefficient, factor));
        if (place->second == 0) to.erase(place);
    }
}

Polynomial Dims::Impl::polynomial(DimId id) const {
    Polynomial result;
    add_scaled(result, id, 1);
    return result;
}

Dims::Dims() : impl_(std::make_unique<Impl>()) {}
Dims::~Dims() = default;
Dims::Dims(Dims&&) noexcept = default;
Dims& Dims::operator=(Dims&&) noexcept = default;

// ---- leaves -------------------------------------------------------------------------------------------------------------

DimId Dims::constant(i64 value) { return impl_->constant(value); }

DimId Dims::atom_expression(AtomId id) { return impl_->intern({{{id.value}, 1}}); }

DimId Dims::symbol(std::string_view name) {
    std::vector<std::string>& symbols = impl_->symbols;
    const auto known = std::ranges::find(symbols, name);
    const u32 number = static_cast<u32>(known - symbols.begin());
    if (known == symbols.end()) symbols.emplace_back(name);
    return atom_expression(impl_->atom({AtomKind::symbol, number, {}, {}}));
}

DimId Dims::fresh_symbol(std::string_view hint) {
    std::string name(hint);
    for (u32 k = 1; std::ranges::find(impl_->symbols, name) != impl_->symbols.end(); ++k) name = fmt::format("{}{}", hint, k);
    return symbol(name);
}

DimId Dims::axis(u32 number) { return atom_expression(impl_->atom({AtomKind::axis, number, {}, {}})); }

// ---- inspection ---------------------------------------------------------------------------------------------------------

std::optional<i64> Dims::as_constant(DimId id) const { return impl_->entries[id.value].constant; }
std::span<const Term> Dims::terms(DimId id) const { return impl_->entries[id.value].terms; }
const Atom& Dims::atom(AtomId id) const { return impl_->atoms[id.value]; }
u32 Dims::symbol_count() const { return static_cast<u32>(impl_->symbols.size()); }
std::string_view Dims::symbol_name(u32 symbol) const { return impl_->symbols[symbol]; }
bool Dims::mentions_any_axis(DimId id) const { return impl_->entries[id.value].axes != 0; }

bool Dims::mentions_axis(DimId id, u32 number) const {
    return (impl_->entries[id.value].axes & Impl::axis_bit(number)) != 0;
}

std::optional<DimId> Dims::axis_coefficient(DimId id, u32 number) {
    if (!mentions_axis(id, number)) return constant(0);
    Polynomial coefficient;
    for (const Term& term : impl_->entries[id.value].terms) {
        std::vector<u32> rest;
        u32 found = 0;
        for (AtomId atom : term.atoms) {
            const Atom& known = impl_->atoms[atom.value];
            if (known.kind == AtomKind::axis && known.index == number) ++found;
            else if ((impl_->atom_axes[atom.value] & Impl::axis_bit(number)) != 0) return std::nullopt;
            else rest.push_back(atom.value);
        }
        if (found > 1) return std::nullopt;
        if (found == 1) coefficient[rest] += term.coefficient;
    }
    return impl_->intern(coefficient);
}

// ---- sums and products --------------------------------------------------------------------------------------------------

DimId Dims::add(DimId a, DimId b) {
    const auto x = as_constant(a), y = as_constant(b);
    if (x && y) return constant(checked_add(*x, *y));
    if (x && *x == 0) return b;
    if (y && *y == 0) return a;
    Polynomial sum = impl_->polynomial(a);
    impl_->add_scaled(sum, b, 1);
    return recombine(impl_->intern(sum));
}

DimId Dims::sub(DimId a, DimId b) {
    const auto x = as_constant(a), y = as_constant(b);
    if (x && y) return constant(checked_add(*x, checked_mul(*y, -1)));
    if (y && *y == 0) return a;
    Polynomial difference = impl_->polynomial(a);
    impl_->add_scaled(difference, b, -1);
    return recombine(impl_->intern(difference));
}

DimId Dims::mul(DimId a, DimId b) {
    const auto x = as_constant(a), y = as_constant(b);
    if (x && y) return constant(checked_mul(*x, *y));
    if (x && *x == 1) return b;
    if (y && *y == 1) return a;
    Polynomial product;
    for (const Term& left : impl_->entries[a.value].terms) {
        for (const Term& right : impl_->entries[b.value].terms) {
            auto [place, fresh] = product.try_emplace(merge_atoms(left.atoms, right.atoms), 0);
            place->second = checked_add(place->second, checked_mul(left.coefficient, right.coefficient));
            if (place->second == 0) product.erase(place);
        }
    }
    return recombine(impl_->intern(product));
}

DimId Dims::product(std::span<const DimId> factors) {
    DimId result = constant(1);
    for (DimId factor : factors) result = mul(result, factor);
    return result;
}

/// Rule M5: c * d * (x / d) + c * (x % d) is c * x.
DimId Dims::recombine(DimId id) {
    if (!impl_->entries[id.value].opaque) return id;
    const std::vector<Term> terms = impl_->entries[id.value].terms;
    for (const Term& term : terms) {
        for (std::size_t k = 0; k < term.atoms.size(); ++k) {
            const Atom atom = impl_->atoms[term.atoms[k].value];
            if (atom.kind != AtomKind::modulo) continue;
            std::vector<u32> others = atom_values(term.atoms);
            others.erase(others.begin() + static_cast<std::ptrdiff_t>(k));
            const DimId cofactor = impl_->intern({{others, term.coefficient}});
            const DimId quotients = mul(cofactor, mul(atom.right, divide(atom.left, atom.right)));
            if (!contains(id, quotients)) continue;
            Polynomial rest = impl_->polynomial(id);
            impl_->add_scaled(rest, quotients, -1);
            rest.erase(atom_values(term.atoms));
            impl_->add_scaled(rest, mul(cofactor, atom.left), 1);
            return recombine(impl_->intern(rest));
        }
    }
    return id;
}

/// True if every term of `part` is a term of `whole`, coefficient and all.
bool Dims::contains(DimId whole, DimId part) const {
    const Polynomial terms = impl_->polynomial(whole);
    if (impl_->entries[part.value].terms.empty()) return false;
    for (const Term& term : impl_->entries[part.value].terms) {
        const auto found = terms.find(atom_values(term.atoms));
        if (found == terms.end() || found->second != term.coefficient) return false;
    }
    return true;
}

// ---- evaluation ---------------------------------------------------------------------------------------------------------

i64 Dims::evaluate(DimId id, std::span<const i64> symbols, std::span<const i64> axes) const {
    const Impl::Entry& entry = impl_->entries[id.value];
    if (entry.constant) return *entry.constant;
    i64 total = 0;
    for (const Term& term : entry.terms) {
        i64 product = term.coefficient;
        for (AtomId atom : term.atoms) product = checked_mul(product, evaluate(atom, symbols, axes));
        total = checked_add(total, product);
    }
    return total;
}

i64 Dims::evaluate(AtomId id, std::span<const i64> symbols, std::span<const i64> axes) const {
    const Atom& atom = impl_->atoms[id.value];
    switch (atom.kind) {
    case AtomKind::symbol:
        if (atom.index >= symbols.size()) throw InternalError("no value for the size ?" + impl_->symbols[atom.index]);
        return symbols[atom.index];
    case AtomKind::axis:
        if (atom.index >= axes.size()) throw InternalError("no value for an axis of a size expression");
        return axes[atom.index];
    case AtomKind::divide: return floor_divide(evaluate(atom.left, symbols, axes), evaluate(atom.right, symbols, axes));
    case AtomKind::modulo: {
        const i64 a = evaluate(atom.left, symbols, axes), b = evaluate(atom.right, symbols, axes);
        return a - checked_mul(floor_divide(a, b), b);
    }
    case AtomKind::minimum: return std::min(evaluate(atom.left, symbols, axes), evaluate(atom.right, symbols, axes));
    case AtomKind::maximum: return std::max(evaluate(atom.left, symbols, axes), evaluate(atom.right, symbols, axes));
    }
    return 0;
}

bool Dims::holds(const Fact& fact, std::span<const i64> symbols) const {
    const i64 left = evaluate(fact.left, symbols), right = evaluate(fact.right, symbols);
    switch (fact.relation) {
    case Relation::equal: return left == right;
    case Relation::not_equal: return left != right;
    case Relation::less: return left < right;
    case Relation::less_equal: return left <= right;
    }
    return false;
}

} // namespace heddle::ir
