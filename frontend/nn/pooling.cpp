#include <heddle/nn/pooling.h>

#include "frontend/location.h"

#include <heddle/error.h>
#include <heddle/functions.h>

#include <fmt/format.h>

#include <limits>

namespace heddle::nn {

using heddle::detail::text;

namespace {

/// The vector at one position of each text, [batch, 1] of i32.
Array at_position(const Array& vectors, const Array& position) {
    const Shape one{vectors.shape(0), 1, vectors.shape(2)};
    return squeeze(take_along(vectors, broadcast_to(expand_dims(position, 2), one), 1), 1);
}

/// `seen` is bool [batch, length].
Array pooled(const Array& vectors, const Array& seen, Pooling::Strategy strategy) {
    const Array column = expand_dims(seen, 2);
    switch (strategy) {
    case Pooling::Strategy::mean: {
        const Array total = sum(where(column, cast(vectors, Dtype::f32), 0.0f), 1);
        return total / maximum(sum(cast(seen, Dtype::f32), 1, true), 1.0f);
    }
    case Pooling::Strategy::max: {
        const float lowest = -std::numeric_limits<float>::infinity();
        return max(where(column, cast(vectors, Dtype::f32), lowest), 1);
    }
    case Pooling::Strategy::first: return at_position(vectors, argmax(cast(seen, Dtype::i32), 1, true));
    case Pooling::Strategy::last: {
        const Array positions = iota({seen.shape(0), seen.shape(1)}, 1);
        return at_position(vectors, max(where(seen, positions, 0), 1, true));
    }
    }
    throw InternalError("Pooling: no such strategy");
}

} // namespace

Array Pooling::operator()(const Array& vectors, const Array& mask, Array::Where where) const {
    if (vectors.rank(where) != 3)
        throw ShapeError(fmt::format("Pooling: vectors must be [batch, length, size], given {} ({})",
                                     vectors.shape(where).text(), text(where)));
    if (mask.rank(where) != 2 || mask.shape(0, where) != vectors.shape(0, where) ||
        mask.shape(1, where) != vectors.shape(1, where))
        throw ShapeError(fmt::format("Pooling: the mask of vectors {} must be [batch, length], given {} ({})",
                                     vectors.shape(where).text(), mask.shape(where).text(), text(where)));
    const heddle::detail::Scope scope("Pooling", where);
    const Array seen = mask != 0;
    Array result = heddle::where(any(seen, 1, true), cast(pooled(vectors, seen, strategy), Dtype::f32), 0.0f);
    if (normalize) result = result / maximum(norm(result, -1, true), 1e-12f);
    return cast(result, vectors.dtype(where));
}

Array Pooling::operator()(const Array& vectors, Array::Where where) const {
    if (vectors.rank(where) != 3)
        throw ShapeError(fmt::format("Pooling: vectors must be [batch, length, size], given {} ({})",
                                     vectors.shape(where).text(), text(where)));
    return (*this)(vectors, ones({vectors.shape(0, where), vectors.shape(1, where)}, Dtype::boolean), where);
}

} // namespace heddle::nn
