// Size expressions rebuilt: with other leaves, under other assumptions, in another table.

#include "ir/dims_impl.h"

#include <heddle/error.h>

#include <algorithm>
#include <numeric>

namespace heddle::ir {

/// Rebuilds an expression from its leaves upwards, each shared part once.
class Dims::Rewriter {
public:
    Rewriter(Dims& dims, const Dims& from, const Assumptions& assume)
        : dims_(dims), from_(from), assume_(assume) {}

    std::span<const DimId> axes, symbols;

    DimId operator()(DimId id) {
        const Impl::Entry& entry = (*from_.impl_)[id];
        const bool same_table = &dims_ == &from_;
        if (entry.is_constant) return same_table ? id : dims_.constant(entry.constant);
        const bool leaves = (entry.axes != 0 && !axes.empty()) || (entry.symbols && !symbols.empty());
        if (same_table && !entry.opaque && !leaves) return id;
        DimId total = dims_.constant(0);
        for (const Term& term : entry.terms) {
            DimId product = dims_.constant(term.coefficient);
            for (AtomId atom : term.atoms) product = dims_.mul(product, (*this)(atom));
            total = dims_.add(total, product);
        }
        return total;
    }

private:
    DimId operator()(AtomId id) {
        const Atom& atom = from_.atom(id);
        if (atom.kind == AtomKind::symbol) {
            if (&dims_ == &from_) return replaced(id, atom.index, symbols);
            if (atom.index < symbols.size() && symbols[atom.index].valid()) return symbols[atom.index];
            return dims_.symbol(from_.symbol_name(atom.index));
        }
        if (atom.kind == AtomKind::axis) {
            if (&dims_ != &from_) return dims_.axis(atom.index);
            return replaced(id, atom.index, axes);
        }
        if (const auto known = known_.find(id); known != known_.end()) return known->second;
        const DimId result = opaque(atom);
        known_.emplace(id, result);
        return result;
    }

    DimId replaced(AtomId id, u32 number, std::span<const DimId> with) {
        const bool other = number < with.size() && with[number].valid();
        return other ? with[number] : dims_.atom_expression(id);
    }

    DimId opaque(const Atom& atom) {
        const DimId left = (*this)(atom.left), right = (*this)(atom.right);
        const bool anywhere = !dims_.mentions_any_axis(left) && !dims_.mentions_any_axis(right);
        const Assumptions always{{}, assume_.facts.first(assume_.facts.size() - assume_.of_elements)};
        const Assumptions& assume = anywhere ? always : assume_;
        switch (atom.kind) {
        case AtomKind::divide: return dims_.divide(left, right, assume);
        case AtomKind::modulo: return dims_.modulo(left, right, assume);
        case AtomKind::minimum: return dims_.minimum(left, right, assume);
        case AtomKind::maximum: return dims_.maximum(left, right, assume);
        case AtomKind::symbol:
        case AtomKind::axis: break;
        }
        throw InternalError("a variable is no opaque term");
    }

    Dims& dims_;
    const Dims& from_;
    const Assumptions& assume_;
    std::unordered_map<AtomId, DimId> known_;
};

DimId Dims::substitute(DimId id, std::span<const DimId> axes, std::span<const DimId> symbols,
                       const Assumptions& assume) {
    Rewriter rewriter(*this, *this, assume);
    rewriter.axes = axes;
    rewriter.symbols = symbols;
    return rewriter(id);
}

DimId Dims::simplify(DimId id, const Assumptions& assume) {
    // A rule can make room for another one; each shrinks something.
    for (int round = 0; round < 4 && (*impl_)[id].opaque; ++round) {
        const DimId next = Rules(*this, assume).whole_quotients(Rewriter(*this, *this, assume)(id));
        if (next == id) break;
        id = next;
    }
    return id;
}

DimId Dims::import(const Dims& from, DimId id, std::span<const DimId> symbols) {
    if (&from == this) return id;
    const Assumptions nothing;
    Rewriter rewriter(*this, from, nothing);
    rewriter.symbols = symbols;
    return rewriter(id);
}

/// d * (x / d) is x where d divides x.
DimId Dims::Rules::whole_quotients(DimId id) {
    const Prover prover(dims_, assume_, {id});
    if (prover.known().multiples.empty()) return id;
    Polynomial result;
    for (const Term& term : Polynomial(impl_.terms(id).begin(), impl_.terms(id).end())) {
        Polynomial part{term};
        for (AtomId factor : term.atoms) {
            const Atom atom = impl_[factor];
            if (atom.kind != AtomKind::divide) continue;
            const auto divisor = dims_.as_constant(atom.right);
            if (!divisor || term.coefficient % *divisor != 0) continue;
            if (!dims_.prove_divisible(atom.left, *divisor, assume_)) continue;
            part[0].coefficient /= *divisor;
            part[0].atoms = *without_atoms(part[0].atoms, {&factor, 1});
            part = multiply(part, impl_.terms(atom.left));
            break;
        }
        result = sum(result, part);
    }
    return impl_.intern(std::move(result));
}

} // namespace heddle::ir
