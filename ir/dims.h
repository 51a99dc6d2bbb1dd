#pragma once
// Symbolic sizes and index expressions. A `DimId` names a canonical polynomial with integer coefficients over atoms: symbols
// (`?n`, a size known at launch), axes (`d0`, the index along an axis of a map or a domain) and opaque terms
// (floor division, remainder, min, max of two expressions). Equal expressions have equal ids, so comparing dims is
// comparing integers. One table belongs to one module; nothing is global.

#include "support/id.h"
#include "support/integers.h"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace heddle::ir {

using DimId = Id<struct DimTag>;
using AtomId = Id<struct AtomTag>;
using SymbolId = Id<struct SymbolTag>;

enum class AtomKind : u8 { symbol, axis, divide, modulo, minimum, maximum };

/// One variable of a polynomial. `index` is the symbol's or the axis' number; opaque terms have two operands instead.
struct Atom {
    AtomKind kind;
    u32 index = 0;
    DimId left, right;
    bool operator==(const Atom&) const = default;
};

/// coefficient * product of atoms (sorted, repeated for powers; none for the constant term).
struct Term {
    i64 coefficient = 0;
    std::vector<AtomId> atoms;
};

enum class Relation : u8 { equal, not_equal, less, less_equal };

/// A condition on sizes that holds wherever the function that lists it runs: `left relation right`.
struct Fact {
    DimId left;
    Relation relation = Relation::equal;
    DimId right;
    bool operator==(const Fact&) const = default;
};

class Dims;

/// What may be assumed when simplifying: each axis lies in [0, extent - 1], each symbol in [low, high], sizes are not
/// negative. Built from an extent per axis and a list of facts.
struct Assumptions {
    std::span<const DimId> axis_extents;
    std::span<const Fact> facts;
    /// How many of the facts, the last ones, hold only where an element is read. What no axis occurs in is not rewritten by them: its value
    /// may be asked for where no element is.
    std::size_t of_elements = 0;
};

/// The table of expressions. Not thread-safe while it grows; const use is.
class Dims {
public:
    Dims();
    ~Dims();
    Dims(Dims&&) noexcept;
    Dims& operator=(Dims&&) noexcept;

    // ---- leaves
    DimId constant(i64 value);
    /// The symbol of that name (without '?'), made on first use. Symbols are numbered in order of creation.
    DimId symbol(std::string_view name);
    /// A new symbol with a name of its own: `hint`, or `hint` and a number when taken.
    DimId fresh_symbol(std::string_view hint = "n");
    DimId axis(u32 number);

    // ---- arithmetic; folds constants, collects like terms, and applies the rules M2 to M5 that `assume` allows
    DimId add(DimId a, DimId b);
    DimId sub(DimId a, DimId b);
    DimId mul(DimId a, DimId b);
    /// Floor division and remainder (of the divisor's sign). The divisor is positive wherever the result is used.
    DimId divide(DimId a, DimId b, const Assumptions& assume = {});
    DimId modulo(DimId a, DimId b, const Assumptions& assume = {});
    DimId minimum(DimId a, DimId b, const Assumptions& assume = {});
    DimId maximum(DimId a, DimId b, const Assumptions& assume = {});
    DimId ceil_divide(DimId a, DimId b, const Assumptions& assume = {});
    DimId product(std::span<const DimId> factors);

    // ---- inspection
    std::optional<i64> as_constant(DimId id) const;
    bool is_constant(DimId id, i64 value) const { return as_constant(id) == value; }
    std::span<const Term> terms(DimId id) const;
    const Atom& atom(AtomId id) const;
    /// The expression that is that atom alone.
    DimId atom_expression(AtomId id);
    u32 symbol_count() const;
    std::string_view symbol_name(u32 symbol) const;
    /// True if axis `number` occurs anywhere in the expression, opaque terms included.
    bool mentions_axis(DimId id, u32 number) const;
    bool mentions_any_axis(DimId id) const;
    /// The coefficient c when the expression is c * axis + rest and `rest` and c mention that axis nowhere; nothing otherwise.
    /// c is 0 when the axis does not occur.
    std::optional<DimId> axis_coefficient(DimId id, u32 number);

    // ---- proofs (sound, not complete; linear in the expression)
    bool prove_not_negative(DimId id, const Assumptions& assume = {});
    bool prove_less(DimId a, DimId b, const Assumptions& assume = {});
    bool prove_equal(DimId a, DimId b, const Assumptions& assume = {});
    /// A constant that the expression never exceeds (never falls below), if one follows.
    std::optional<i64> upper_bound(DimId id, const Assumptions& assume = {});
    std::optional<i64> lower_bound(DimId id, const Assumptions& assume = {});
    /// True if d divides every value of the expression.
    bool prove_divisible(DimId id, i64 d, const Assumptions& assume = {});

    // ---- rewriting
    /// Replaces axis k by axes[k] (an invalid id leaves it) and symbol k by symbols[k], then simplifies again.
    DimId substitute(DimId id, std::span<const DimId> axes, std::span<const DimId> symbols = {},
                     const Assumptions& assume = {});
    /// Rebuilds with the division rules under new assumptions.
    DimId simplify(DimId id, const Assumptions& assume);
    /// The same expression in this table; symbols are matched by name, but for those that have another expression in `symbols`.
    DimId import(const Dims& from, DimId id, std::span<const DimId> symbols = {});

    // ---- evaluation; throws ShapeError on overflow of 64 bits and on division by zero
    i64 evaluate(DimId id, std::span<const i64> symbols, std::span<const i64> axes = {}) const;
    bool holds(const Fact& fact, std::span<const i64> symbols) const;

    // ---- text: `?n * 4 + d0 / 2`
    std::string text(DimId id) const;
    std::string text(const Fact& fact) const;
    std::string text(std::span<const Fact> facts) const; ///< joined by commas

private:
    struct Impl;
    class Prover;
    class PointSearch;
    class Digest;
    class Rules;
    class Rewriter;
    class Printer;

    std::unique_ptr<Impl> impl_;
};

} // namespace heddle::ir
