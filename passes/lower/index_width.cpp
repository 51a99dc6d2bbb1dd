#include "passes/lower/index_width.h"

#include <algorithm>

namespace heddle::passes {

using namespace ir;

namespace {

class Width {
public:
    explicit Width(const KernelSource& source)
        : dims_(source.graph.module().dims), extents_(source.domain.extents), one_(dims_.constant(1)),
          limit_(dims_.constant(source.target.index_limit)), facts_(source.graph.facts) {
        for (u32 k = 0; k < extents_.size(); ++k)
            if (!source.domain.reduced[k]) facts_.push_back({one_, Relation::less_equal, extents_[k]});
    }

    std::vector<Fact> conditions(std::span<const DimId> exact) {
        for (DimId expression : exact) {
            const bool moves = dims_.mentions_any_axis(expression);
            const auto high = largest(expression);
            // As many places as an index below it tells apart.
            bound(high && moves ? dims_.add(*high, one_) : high);
            if (!dims_.prove_not_negative(expression, {extents_, facts_}))
                bound(largest(dims_.sub(dims_.constant(0), expression)));
        }
        std::vector<Fact> result;
        for (DimId value : bounds_) result.push_back({value, Relation::less_equal, limit_});
        return result;
    }

private:
    /// An expression whose end is not known has no bound that could be met.
    void bound(std::optional<DimId> value) {
        const DimId most = value ? *value : dims_.add(limit_, one_);
        const auto implies = [&](DimId large, DimId small) {
            return large == small || dims_.prove_not_negative(dims_.sub(large, small), {{}, facts_});
        };
        if (implies(limit_, most)) return;
        if (std::ranges::any_of(bounds_, [&](DimId known) { return implies(known, most); })) return;
        std::erase_if(bounds_, [&](DimId known) { return implies(most, known); });
        bounds_.push_back(most);
    }

    bool moves(const Atom& atom) const {
        return atom.kind == AtomKind::axis || (atom.left.valid() && (dims_.mentions_any_axis(atom.left) ||
                                                                     dims_.mentions_any_axis(atom.right)));
    }

    /// What the expression never exceeds, over sizes alone.
    std::optional<DimId> largest(DimId expression) {
        if (!dims_.mentions_any_axis(expression)) return expression;
        const std::span<const Term> span = dims_.terms(expression);
        const std::vector<Term> terms(span.begin(), span.end());
        DimId total = dims_.constant(0);
        for (const Term& term : terms) {
            const auto value = largest(term);
            if (!value) return std::nullopt;
            total = dims_.add(total, *value);
        }
        return total;
    }

    std::optional<DimId> largest(const Term& term) {
        DimId still = dims_.constant(term.coefficient), moving = one_;
        bool moves_at_all = false;
        for (AtomId id : term.atoms) {
            const Atom atom = dims_.atom(id);
            if (!moves(atom)) {
                still = dims_.mul(still, dims_.atom_expression(id));
                continue;
            }
            const auto high = largest(atom);
            if (!high) return std::nullopt;
            moving = dims_.mul(moving, *high);
            moves_at_all = true;
        }
        if (!moves_at_all) return still;
        // What moves is not negative where it is used, so a term with a factor below 0 is largest at 0.
        return dims_.mul(dims_.maximum(still, dims_.constant(0), {{}, facts_}), moving);
    }

    std::optional<DimId> largest(const Atom& atom) {
        switch (atom.kind) {
        case AtomKind::axis:
            if (atom.index >= extents_.size()) return std::nullopt;
            return dims_.sub(extents_[atom.index], one_);
        case AtomKind::divide: {
            const auto high = largest(atom.left);
            if (!high || dims_.mentions_any_axis(atom.right)) return high;
            return dims_.divide(*high, atom.right, {{}, facts_});
        }
        case AtomKind::modulo: {
            const auto high = largest(atom.right);
            if (!high) return std::nullopt;
            return dims_.sub(*high, one_);
        }
        // They may be negative, which a product of bounds does not allow; views have none.
        case AtomKind::minimum:
        case AtomKind::maximum:
        case AtomKind::symbol: break;
        }
        return std::nullopt;
    }

    Dims& dims_;
    std::span<const DimId> extents_;
    DimId one_, limit_;
    std::vector<Fact> facts_;
    std::vector<DimId> bounds_;
};

} // namespace

std::vector<Fact> width_conditions(const KernelSource& source, std::span<const DimId> exact) {
    return Width(source).conditions(exact);
}

} // namespace heddle::passes
