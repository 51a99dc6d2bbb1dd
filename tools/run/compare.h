#pragma once
// How far a device's result may be from the interpreter's, and how far it is. Distances are in ulp: units of the last place at the
// wanted value (of the smallest normal number below that). NaN stands for every NaN; infinities and the sign of a zero have to
// be right, save that an overflow counts as the power of two past the largest number.

#include "ir/function.h"
#include "ir/interpreter.h"
#include "ir/target.h"

#include <optional>

namespace heddle::tools {

/// |got - wanted| <= ulps * ulp(wanted) + scale_ulps * ulp of the arithmetic's dtype (f32, or f64) at `scale`.
struct Bound {
    double ulps = 0;
    double scale_ulps = 0; ///< of sums, whose error goes by the sum of magnitudes
    bool any_zero = false; ///< the sign of a zero is free: it may come from a minimum of two zeros
};

/// What docs/math.md promises for the function's ops on a target, added up. `terms`: elements that are summed at most.
Bound bound_of(const ir::Function& function, Dtype result, const ir::Target& target, double terms);

/// The most elements that go into one sum, product or dot of floats, with the given sizes; 0 without any.
double summed_terms(const ir::Function& function, std::span<const i64> symbols);

/// The inputs without their signs: on them a sum of floats is the sum of magnitudes.
std::vector<ir::Tensor> magnitudes(std::vector<ir::Tensor> inputs);

/// What may be right instead on a device that flushes subnormals or does not fuse `fma`.
struct Exceptions {
    const ir::Target* target;
    std::vector<const ir::Tensor*> wanted; ///< what it may give in the place of what is wanted
    /// Elements that a flushing device may give anything for: quotients rounded to integers of a subnormal, or by one.
    std::vector<bool> undefined;
};

struct Comparison {
    Bound bound;
    const ir::Tensor* scale = nullptr; ///< the sum of magnitudes for each element, where the bound needs it
    std::optional<Exceptions> exceptions;
};

struct Difference {
    double ulps = 0;            ///< the largest, exceptions left out
    std::size_t exceptions = 0; ///< elements that are right only because of what the device may do
    bool is_within = true;
    std::size_t worst = 0; ///< the first element that is not within the bound
};

/// Both have one shape and dtype.
Difference compare(const ir::Tensor& got, const ir::Tensor& wanted, const Comparison& how);

} // namespace heddle::tools
