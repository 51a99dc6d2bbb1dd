// Counterexamples to what a proof is asked for: values of the variables that meet the assumptions and make the expression negative. Most
// questions that have no proof have one at a corner of the ranges, where it is found sooner than every way to a proof is tried.

#include "ir/dims_impl.h"

#include <heddle/error.h>

#include <algorithm>

namespace heddle::ir {

namespace {

/// Sizes to try, within what is known of each symbol; and of an axis of which nothing is known.
constexpr i64 sizes[] = {64, 1, i64{1} << 20, 2, 3, 100, 0, 1000};
constexpr i64 unknown_extent = i64{1} << 20;

/// The value at a point; throws where a divisor is not positive, so that the expression means nothing there.
struct PointValue {
    const Dims& dims;
    const Known::Point& point;

    i64 operator()(DimId id) const { return (*this)(dims.terms(id)); }

    i64 operator()(Terms terms) const {
        i64 total = 0;
        for (const Term& term : terms) {
            i64 product = term.coefficient;
            for (AtomId atom : term.atoms) product = checked_mul(product, value(dims.atom(atom)));
            total = checked_add(total, product);
        }
        return total;
    }

    i64 value(const Atom& atom) const {
        switch (atom.kind) {
        case AtomKind::symbol: return at(point.symbols, atom.index);
        case AtomKind::axis: return at(point.axes, atom.index);
        case AtomKind::divide: return floor_quotient((*this)(atom.left), divisor(atom));
        case AtomKind::modulo: return floor_remainder((*this)(atom.left), divisor(atom));
        case AtomKind::minimum: return std::min((*this)(atom.left), (*this)(atom.right));
        case AtomKind::maximum: return std::max((*this)(atom.left), (*this)(atom.right));
        }
        throw InternalError("a kind of atom that has no value");
    }

    i64 divisor(const Atom& atom) const {
        const i64 value = (*this)(atom.right);
        if (value < 1) throw ShapeError("a divisor that is not positive");
        return value;
    }

    static i64 at(const std::vector<i64>& values, u32 index) {
        if (index >= values.size()) throw ShapeError("a variable that came later");
        return values[index];
    }

    bool holds(const Fact& fact) const {
        const i64 left = (*this)(fact.left), right = (*this)(fact.right);
        switch (fact.relation) {
        case Relation::equal: return left == right;
        case Relation::not_equal: return left != right;
        case Relation::less: return left < right;
        case Relation::less_equal: return left <= right;
        }
        return false;
    }
};

} // namespace

/// Finds points that meet a prover's assumptions.
class Dims::PointSearch {
public:
    PointSearch(Dims& dims, const Known& known, std::vector<Known::Point>& points)
        : dims_(dims), known_(known), points_(points) {}

    /// Those whose symbols have about that size.
    void add(i64 size) {
        Known::Point point;
        for (u32 symbol = 0; symbol < dims_.symbol_count(); ++symbol)
            point.symbols.push_back(within_range(symbol, size));
        try {
            for (const Known::Multiple& multiple : known_.multiples) meet(multiple, point);
            if (meets_equalities(point)) add_corners(point);
        } catch (const ShapeError&) {
            // A size beyond 64 bits, or one that means nothing: no point.
        }
    }

private:
    i64 within_range(u32 symbol, i64 size) const {
        const auto atom = dims_.impl_->find_atom({AtomKind::symbol, symbol, {}, {}});
        const Known::Range* range = atom ? known_.range(*atom) : nullptr;
        if (range == nullptr) return size;
        size = std::max(size, range->low);
        return range->high ? std::min(size, *range->high) : size;
    }

    /// Makes one size a little larger, so that the expression is a multiple as a fact says.
    void meet(const Known::Multiple& multiple, Known::Point& point) const {
        constexpr i64 largest = 64;
        const PointValue value{dims_, point};
        if (multiple.divisor > largest || value(multiple.of) % multiple.divisor == 0) return;
        for (i64& size : point.symbols) {
            const i64 before = size;
            for (i64 more = 1; more < multiple.divisor; ++more) {
                size = before + more;
                if (value(multiple.of) % multiple.divisor == 0) return;
            }
            size = before;
        }
    }

    /// Puts in what equalities determine.
    bool meets_equalities(Known::Point& point) const {
        for (u32 symbol = 0; symbol < known_.values.size(); ++symbol)
            if (known_.values[symbol].valid())
                point.symbols[symbol] = PointValue{dims_, point}(known_.values[symbol]);
        return std::ranges::all_of(point.symbols, [](i64 size) { return size >= 0; });
    }

    /// All axes at one end, and each alone at the other; and all near the first, and in the middle.
    void add_corners(const Known::Point& sized) {
        std::vector<i64> extents;
        const std::vector<DimId>& known = known_.extents;
        for (u32 axis = 0; axis < std::max(known.size(), dims_.impl_->axes.size()); ++axis) {
            extents.push_back(axis < known.size() ? PointValue{dims_, sized}(known[axis]) : unknown_extent);
            if (extents.back() < 1) return; // where it has an index it has an element
        }
        auto add = [&](const auto& index) {
            Known::Point point = sized;
            for (u32 axis = 0; axis < extents.size(); ++axis) point.axes.push_back(index(axis));
            if (meets_facts(point)) points_.push_back(std::move(point));
        };
        for (bool last : {false, true}) {
            add([&](u32 axis) { return last ? extents[axis] - 1 : 0; });
            for (u32 other = 0; other < extents.size() && extents.size() > 1; ++other)
                if (extents[other] > 1)
                    add([&](u32 axis) { return last != (axis == other) ? extents[axis] - 1 : 0; });
        }
        for (i64 step : {i64{1}, i64{2}}) add([&](u32 axis) { return std::min(step, extents[axis] - 1); });
        add([&](u32 axis) { return extents[axis] / 2; });
    }

    bool meets_facts(const Known::Point& point) const {
        const PointValue value{dims_, point};
        return std::ranges::all_of(known_.facts, [&](const Fact& fact) { return value.holds(fact); }) &&
               (!known_.positive.valid() || value(known_.positive) >= 1);
    }

    Dims& dims_;
    const Known& known_;
    std::vector<Known::Point>& points_;
};

bool Dims::Prover::refuted(Terms expression) {
    Known::Points& known = known_->points;
    if (known.symbols != dims_.symbol_count() || known.axes != impl_.axes.size())
        known = {.symbols = dims_.symbol_count(), .axes = impl_.axes.size()}; // variables have come since
    auto negative = [&](const Known::Point& point) {
        try {
            return PointValue{dims_, point}(expression) < 0;
        } catch (const ShapeError&) {
            return false;
        }
    };
    // Without symbols all sizes are one.
    const std::size_t most = known.symbols == 0 ? 1 : std::size(sizes);
    for (std::size_t looked_at = 0;;) {
        for (; looked_at < known.found.size(); ++looked_at)
            if (negative(known.found[looked_at])) return true;
        if (known.sizes == most) return false;
        PointSearch(dims_, *known_, known.found).add(sizes[known.sizes++]);
    }
}

} // namespace heddle::ir
