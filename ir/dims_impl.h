#pragma once
// Inside of the dims table, shared by its source files.

#include "ir/polynomial.h"
#include "support/hash_index.h"

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>

namespace heddle::ir {

/// Assumptions, worked out for the prover: what follows from them for single variables, and the rest as `e >= 0`.
struct Known {
    /// A symbol or axis that lies in a smaller range than [0, infinity).
    struct Range {
        AtomId atom;
        i64 low = 0;
        std::optional<i64> high;
    };
    struct Multiple {
        DimId of;
        i64 divisor;
    };

    // What it was made from.
    std::vector<DimId> extents;
    std::vector<Fact> facts;
    u64 axes = 0;
    DimId positive;

    std::vector<Range> ranges;
    std::vector<DimId> values; ///< by symbol, for those that an equality determines; empty when there is none
    std::vector<Polynomial> not_negative;
    std::vector<Multiple> multiples;

    /// Values of all symbols and axes that meet the assumptions.
    struct Point {
        std::vector<i64> symbols, axes;
    };
    struct Points {
        std::size_t symbols = 0, axes = 0; ///< how many there were
        std::size_t sizes = 0;             ///< tried so far
        std::vector<Point> found;
    };
    mutable Points points;
    mutable std::vector<Polynomial> unproven; ///< questions for which every way was tried in vain

    const Range* range(AtomId atom) const;
    void narrow(AtomId atom, std::optional<i64> low, std::optional<i64> high);
};

struct Dims::Impl {
    struct Entry {
        Polynomial terms;
        i64 constant = 0;
        bool is_constant = false;
        bool opaque = false; ///< a division, remainder, minimum or maximum occurs
        bool symbols = false;
        u64 axes = 0;  ///< bit k: axis k occurs anywhere (axes above 62 share bit 63)
        u32 depth = 0; ///< how deep opaque terms nest
    };
    /// What an atom adds to the expressions that it is in.
    struct AtomTraits {
        u64 axes = 0;
        bool symbols = false;
        u32 depth = 0;
    };

    static constexpr i64 least_small = -64;

    std::deque<Entry> entries; ///< deque: spans of terms stay valid while it grows
    std::deque<Atom> atoms;
    std::vector<AtomTraits> traits;
    std::vector<std::string> symbols;
    std::map<std::string, u32, std::less<>> symbol_numbers;
    std::map<std::string, u32, std::less<>> fresh_numbers;
    std::array<DimId, 320> small_constants{};
    std::unordered_map<i64, DimId> constants;
    std::vector<DimId> axes; ///< the first ones, in order
    HashIndex index;
    HashIndex atom_index;
    std::vector<std::shared_ptr<const Known>> known; ///< the last few assumptions, newest last
    std::shared_ptr<const Known> nothing_known; ///< of constant extents alone, from which nothing follows

    const Entry& operator[](DimId id) const { return entries[id.value]; }
    Terms terms(DimId id) const { return entries[id.value].terms; }
    const Atom& operator[](AtomId id) const { return atoms[id.value]; }

    DimId constant(i64 value);
    DimId intern(Polynomial terms);
    AtomId atom(const Atom& atom);
    /// That atom, if it was ever made.
    std::optional<AtomId> find_atom(const Atom& atom) const;
    u64 axes_of(Terms terms) const;
    /// The atom that the expression consists of, if it is one.
    std::optional<AtomId> single_atom(DimId id) const;
    /// Assumptions that were worked out lately, or null.
    std::shared_ptr<const Known> recent(const Assumptions& assume, u64 axes, DimId positive);
    static bool is_opaque(AtomKind kind) { return kind > AtomKind::axis; }
    static u64 axis_bit(u32 axis) { return u64{1} << (axis < 63 ? axis : 63); }
};

/// Proofs under one set of assumptions. Every question has a budget of steps, so that a hard one is a no, never a wait.
class Dims::Prover {
public:
    /// `about`: the expressions in question; where one mentions an axis, that axis has an element. `positive`, if valid, is
    /// a divisor: at least 1.
    Prover(Dims& dims, const Assumptions& assume, std::initializer_list<DimId> about, DimId positive = {});

    const Known& known() const { return *known_; }
    bool not_negative(Terms expression);
    /// Of the expression for all values of its variables; the best of interval arithmetic and one fact.
    std::optional<i64> bound(Terms expression, bool upper);
    /// A number that divides every value of the product of these atoms.
    i64 divisor_of(std::span<const AtomId> atoms) const;
    /// True if that follows from the coefficients and facts alone. The divisor is positive.
    bool divisible(Terms expression, i64 divisor) const;

private:
    bool prove(Polynomial expression, int depth);
    /// True if the expression is known to be negative somewhere.
    bool refuted(Terms expression);
    bool hopeless();
    bool all_not_negative(Terms expression);
    std::optional<bool> sign_is_negative(Terms expression, int depth);
    /// Puts a variable or term with known bounds at the end of its range; nothing where that cannot be done.
    std::optional<bool> without_axis(const LinearForm& form, AtomId axis, int depth);
    bool without_opaque(const LinearForm& form, const Atom& atom, int depth);
    bool without_quotient(const LinearForm& form, const Atom& atom, bool negative, int depth);
    bool by_symbols(const Polynomial& expression, int depth);
    bool by_fact(const Polynomial& expression, const Polynomial& fact, int depth);
    Polynomial axes_at_ends(Polynomial expression, bool upper);
    bool is_not_negative(AtomId atom);
    std::optional<i64> interval(Terms expression, bool upper);
    std::optional<i64> interval(AtomId atom, bool upper);
    std::optional<i64> quotient_interval(const Atom& atom, bool upper);
    Terms terms(DimId id) const;

    Dims& dims_;
    Dims::Impl& impl_;
    std::span<const DimId> extents_;
    std::shared_ptr<const Known> known_;
    int steps_ = 0;
    bool given_up_ = false;
    Terms question_; ///< what is to be proven not negative; empty while bounds are looked for
};

/// Works assumptions out.
class Dims::Digest {
public:
    Digest(Dims& dims, const Assumptions& assume, u64 axes, DimId positive);
    std::shared_ptr<const Known> result();

private:
    void solve_equalities();
    bool solve(Terms zero);
    bool note_multiple(Terms zero);
    void collect_inequalities();
    void narrow_ranges();
    void narrow_by(const Polynomial& fact, std::size_t term);
    std::optional<i64> upper(Terms expression) const;
    DimId with_values(DimId id);

    Dims& dims_;
    const Assumptions& assume_;
    Known known_;
};

/// The rules M2 to M5 under one set of assumptions.
class Dims::Rules {
public:
    Rules(Dims& dims, const Assumptions& assume) : dims_(dims), impl_(*dims.impl_), assume_(assume) {}

    DimId divide(DimId a, DimId b);
    DimId modulo(DimId a, DimId b);
    /// Rule M5, and the one that joins b * ((x / b) % c) + x % b into x % (b * c).
    Polynomial recombine(Polynomial terms);
    /// d * (x / d) is x where a fact says that d divides x.
    DimId whole_quotients(DimId id);

private:
    struct Split {
        DimId quotient, rest;
    };
    struct Factor {
        DimId factor, quotient, divisor, rest;
    };

    std::optional<Split> split(DimId a, DimId b);
    std::optional<Split> split_by_constant(DimId a, i64 divisor);
    std::optional<Split> split_by_expression(DimId a, DimId b);
    /// a = factor * quotient + rest with 0 <= rest < factor, b = factor * divisor.
    std::optional<Factor> common_factor(DimId a, DimId b);
    std::optional<Factor> try_factor(DimId a, DimId b, const Term& factor);
    std::optional<i64> constant_quotient(DimId a, DimId b);
    /// The other factor, when b divides a.
    std::optional<DimId> exact_quotient(DimId a, DimId b);
    std::optional<DimId> with_values(DimId a, DimId b, AtomKind kind);
    std::optional<DimId> product_within_64_bits(DimId a, DimId b);
    bool join_at(Polynomial& terms, std::size_t term, std::size_t atom);
    bool join_quotient(Polynomial& terms, const Term& remainder, Terms cofactor, AtomId modulo, DimId divisor,
                       AtomId quotient);
    bool join_remainder(Polynomial& terms, const Term& remainder, Terms cofactor, const Atom& modulo,
                        AtomId quotient);
    DimId opaque(AtomKind kind, DimId a, DimId b);

    Dims& dims_;
    Dims::Impl& impl_;
    const Assumptions& assume_;
};

} // namespace heddle::ir
