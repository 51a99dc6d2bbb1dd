#pragma once
// Inside of the dims table, shared by its source files.

#include "ir/dims.h"

#include <deque>
#include <map>
#include <string>
#include <unordered_map>

namespace heddle::ir {

/// A polynomial being worked on: products of atoms (sorted ids) with their coefficients.
using Polynomial = std::map<std::vector<u32>, i64>;

struct Dims::Impl {
    struct Entry {
        std::vector<Term> terms;
        std::optional<i64> constant;
        u64 axes = 0;            ///< bit k: axis k occurs anywhere (axes above 62 share bit 63)
        bool opaque = false;     ///< a division, remainder, minimum or maximum occurs
    };

    std::deque<Entry> entries; ///< deque: spans of terms stay valid while it grows
    std::vector<Atom> atoms;
    std::vector<u64> atom_axes;
    std::vector<std::string> symbols;
    std::vector<DimId> small_constants = std::vector<DimId>(4096);
    std::unordered_map<i64, DimId> constants;
    std::unordered_multimap<u64, DimId> index;
    std::unordered_multimap<u64, AtomId> atom_index;

    DimId intern(const Polynomial& polynomial);
    DimId constant(i64 value);
    AtomId atom(const Atom& atom);
    Polynomial polynomial(DimId id) const;
    void add_scaled(Polynomial& to, DimId id, i64 factor) const;
    static u64 axis_bit(u32 axis) { return u64{1} << (axis < 63 ? axis : 63); }
};

} // namespace heddle::ir
