#pragma once
// From a vector for each position to one for the text. A Pooling is a plain value: no module, without parameters, for any thread.

#include <heddle/array.h>

#include <cstdint>

namespace heddle::nn {

struct Pooling {
    /// Of the positions that the mask lets through. `first` and `last` take the first and the last of them.
    enum class Strategy : std::uint8_t { mean, max, first, last };

    Strategy strategy = Strategy::mean;
    bool normalize = false; ///< to length 1; vectors shorter than 1e-12 are divided by that

    /// f32 or another float [batch, length, size], with mask [batch, length] (0 or false: padding), to [batch, size] of the same dtype.
    /// A text all of padding gives zeros. ShapeError for other ranks and for a mask of another shape.
    Array operator()(const Array& vectors, const Array& mask,
                     Array::Where where = Array::Where::current()) const;
    /// Without padding.
    Array operator()(const Array& vectors, Array::Where where = Array::Where::current()) const;

    bool operator==(const Pooling&) const = default;
};

} // namespace heddle::nn
