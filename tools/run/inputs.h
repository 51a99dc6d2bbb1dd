#pragma once
// Random arrays, the same for the same seed on every machine. Without bounds a quarter of the elements are the dtype's special values (zeros,
// infinities, NaN, subnormals, the extremes), a quarter random bits and the rest small numbers.

#include "ir/interpreter.h"

#include <optional>

namespace heddle::tools {

/// A stream of random 64-bit numbers.
class Random {
public:
    explicit Random(u64 seed) : state_(seed) {}
    u64 next();
    /// In [0, count).
    u64 below(u64 count) { return next() % count; }
    /// In [0, 1].
    double unit() { return static_cast<double>(next() >> 11) / static_cast<double>((u64{1} << 53) - 1); }

private:
    u64 state_;
};

/// Both ends are included, as bits of the dtype.
struct Range {
    u64 low = 0, high = 0;
};

ir::Tensor random_tensor(Dtype dtype, std::vector<i64> shape, const std::optional<Range>& range,
                         Random& random);

} // namespace heddle::tools
