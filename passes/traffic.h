#pragma once
// What a kernel reads from global memory and writes to it, counted from its loads and stores: the figures that say whether fusion reads
// each input once and writes each output once.

#include "ir/function.h"

#include <span>

namespace heddle::passes {

struct Traffic {
    u64 loaded = 0, stored = 0; ///< bytes

    Traffic& operator+=(const Traffic& other) {
        loaded += other.loaded;
        stored += other.stored;
        return *this;
    }
    Traffic operator+(const Traffic& other) const { return {loaded + other.loaded, stored + other.stored}; }
    Traffic operator*(u64 times) const { return {loaded * times, stored * times}; }
    bool operator==(const Traffic&) const = default;
};

/// Of one launch, through pointer parameters, for these values of the module's symbols. Masks and conditions on positions
/// are followed; what depends on data counts as taken. Blocks of a grid axis, and iterations of a long loop, between two with the same traffic
/// count as those two, as schedules make them.
Traffic traffic_of(const ir::Function& kernel, std::span<const i64> symbols);

} // namespace heddle::passes
