#pragma once
// Index vectors by number, so that "this value at this index" is two small integers wherever it is a key.

#include "ir/dims.h"
#include "support/hash.h"
#include "support/hash_index.h"

#include <algorithm>
#include <span>
#include <vector>

namespace heddle::passes {

class IndexTable {
public:
    /// The same number for the same vector, 0 for the empty one.
    u32 number(std::span<const ir::DimId> index) {
        if (index.empty()) return 0;
        u64 hash = index.size();
        for (ir::DimId dim : index) hash = hash_mix(hash, dim.value);
        const u32 known =
            numbers_.find(hash, [&](u32 number) { return std::ranges::equal(vectors_[number - 1], index); });
        if (known != HashIndex::none) return known;
        vectors_.emplace_back(index.begin(), index.end());
        const u32 number = static_cast<u32>(vectors_.size());
        numbers_.insert(hash, number);
        return number;
    }

private:
    std::vector<std::vector<ir::DimId>> vectors_;
    HashIndex numbers_;
};

} // namespace heddle::passes
