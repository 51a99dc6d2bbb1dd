#pragma once
// Sizes that calls read, in a table of their own: the module that they come from may grow meanwhile, where kernels are lowered in it.

#include "ir/dims.h"

#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

namespace heddle::detail {

class SizeTable {
public:
    /// Symbols are numbered as in `from`, to which all that is imported belongs; it is not referred to afterwards.
    explicit SizeTable(const ir::Dims& from) {
        for (u32 k = 0; k < from.symbol_count(); ++k) dims_.symbol(from.symbol_name(k));
    }

    const ir::Dims& dims() const { return dims_; }
    ir::Dims take() { return std::move(dims_); }
    ir::DimId constant(i64 value) { return dims_.constant(value); }
    ir::DimId import(const ir::Dims& from, ir::DimId id) {
        const auto [known, is_new] = known_.try_emplace(id.value);
        if (is_new) known->second = dims_.import(from, id);
        return known->second;
    }
    std::vector<ir::Fact> import(const ir::Dims& from, std::span<const ir::Fact> facts) {
        std::vector<ir::Fact> imported;
        imported.reserve(facts.size());
        for (const ir::Fact& fact : facts)
            imported.push_back({import(from, fact.left), fact.relation, import(from, fact.right)});
        return imported;
    }

private:
    ir::Dims dims_;
    std::unordered_map<u32, ir::DimId> known_;
};

} // namespace heddle::detail
